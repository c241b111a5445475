# SPDX-License-Identifier: Apache-2.0
"""Base layers that are damaged or mean harm, and a disk that fills up: refused in words, nothing half stays, nothing outside is touched."""

import gzip
import io
import json
import os
import subprocess
import tarfile

import pytest

import harness_base
from images import CONFIG, IMAGE, LAYER, descriptor, digest
from oci_context import Context, Layout, is_root, noise


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def entry(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def tar(*entries):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as t:
        for info, data in entries:
            t.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def layout(context, raw, blob=None, diff_id=None, media_type=LAYER, size=None, name="base"):
    """An OCI layout with one layer of these tar bytes; `blob`: its compressed bytes."""
    blob = gzip.compress(raw, mtime=0) if blob is None else blob
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [diff_id or digest(raw)]}}).encode()
    layer = descriptor(media_type, blob)
    if size is not None:
        layer["size"] = size
    manifest = json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, config), "layers": [layer]}).encode()
    folder = context.folder / name
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for data in (blob, config, manifest):
        (blobs / digest(data)[7:]).write_bytes(data)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor(IMAGE, manifest)]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return {"base": f"oci-layout://{folder}"}


def build(context, contexts, text="FROM base\nWORKDIR /new\n", **more):
    return context.build(text, layout="layout", build_contexts=contexts, **more)


def files(context, number=-1):
    """{name: TarInfo} of a layer of what was built."""
    built = Layout(context.folder / "layout")
    blob = built.blob(built.image["layers"][number]["digest"])
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:*") as t:
        return {m.name: m for m in t}


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside", "a/.."])
def test_names_that_leave_the_root_are_refused(context, name):
    result = build(context, layout(context, tar(entry(name, data=b"x"))), code=1)
    assert "leaves the root" in result.text and "Dockerfile:" in result.text


def test_a_hard_link_to_outside_is_refused(context):
    result = build(context, layout(context, tar(entry("shadow", tarfile.LNKTYPE, link="../../etc/shadow"))), code=1)
    assert "leaves the root" in result.text


def test_links_never_lead_out_of_the_image(context):
    raw = tar(entry("out", tarfile.SYMTYPE, link="/../../../../etc"), entry("up", tarfile.SYMTYPE, link="../../.."), entry("loop", tarfile.SYMTYPE, link="loop"))
    contexts = layout(context, raw)
    context.write("a", "a")
    build(context, contexts, "FROM base\nCOPY a /out/here\nCOPY a /up/there\n")
    assert "etc/here" in files(context, -2) and "there" in files(context)
    assert not os.path.exists("/etc/here") and not os.path.exists("/there")
    result = build(context, contexts, "FROM base\nCOPY --from=base /out/passwd /x\n", code=1)
    assert "passwd" in result.text and "Dockerfile:2:" in result.text
    result = build(context, contexts, "FROM base\nCOPY a /loop/x\n", code=1)
    assert "too many links on the way" in result.text and "Dockerfile:2:6" in result.text


@pytest.mark.skipif(not is_root(), reason="needs root")
def test_devices_are_copied_as_entries_and_never_made(context):
    raw = tar(entry("dev/disk", tarfile.BLKTYPE, devmajor=8, devminor=0), entry("pipe", tarfile.FIFOTYPE))
    build(context, layout(context, raw), "FROM base\nCOPY --from=base /dev /d\nCOPY --from=base /pipe /p\n")
    assert files(context, -2)["d/disk"].isblk() and files(context)["p"].isfifo()


def test_the_last_of_two_entries_counts(context):
    raw = tar(entry("f", data=b"first"), entry("d", tarfile.DIRTYPE, mode=0o755), entry("d/inner", data=b"x"), entry("f", data=b"second!"),
              entry("d", data=b"a file now"))
    build(context, layout(context, raw), "FROM base\nCOPY --from=base /f /f2\nCOPY --from=base /d /d2\n")
    assert files(context, -2)["f2"].size == 7 and files(context)["d2"].size == 10


def test_a_wrong_diff_id_is_noticed(context):
    raw = tar(entry("f", data=b"x"))
    result = build(context, layout(context, raw, diff_id="sha256:" + "0" * 64), code=1)
    assert f"unpacks to {digest(raw)}, the image says sha256:{0:064}" in result.text


@pytest.mark.parametrize("cut", [10, 60, 200])
def test_a_truncated_layer_is_noticed(context, cut):
    raw = tar(entry("f", data=noise(100000)))
    blob = gzip.compress(raw, mtime=0)
    result = build(context, layout(context, raw, blob=blob[:-cut]), code=1)
    assert "the layer is cut off: its compressed stream has no end" in result.text and "Dockerfile:2:" in result.text
    assert context.leftovers() == []


def test_junk_is_no_layer(context):
    result = build(context, layout(context, b"", blob=b"this is no archive " * 100, diff_id="sha256:" + "0" * 64), code=1)
    assert "not a tar archive" in result.text and "Dockerfile:2:" in result.text


def test_a_blob_that_is_not_what_its_name_says_is_refused(context):
    contexts = layout(context, tar(entry("f", data=b"x")))
    layer = Layout(context.folder / "base").image["layers"][0]["digest"]
    path = context.folder / "base/blobs/sha256" / layer[7:]
    path.write_bytes(gzip.compress(tar(entry("evil", data=b"x")), mtime=0))
    result = build(context, contexts, code=1)
    assert layer in result.text and layer[7:] not in context.blobs()


def test_a_file_that_is_promised_but_not_there_is_noticed(context):
    """A header that promises 40 GB of zeros, with a stream that ends after one."""
    header = tarfile.TarInfo("zeros")
    header.size = 40 << 30
    blob = gzip.compress(header.tobuf(tarfile.PAX_FORMAT), mtime=0) + gzip.compress(bytes(64 << 20), 9, mtime=0) * 2
    result = build(context, layout(context, b"", blob=blob, diff_id="sha256:" + "0" * 64), code=1)
    assert "the layer is damaged" in result.text and "needed 42949672960 bytes" in result.text
    assert context.leftovers() == []


def test_names_and_attributes_have_limits(context):
    result = build(context, layout(context, tar(entry("x/" * 3000 + "f", data=b"x"))), code=1)
    assert "longer than the limit" in result.text
    huge = entry("f", data=b"x", pax_headers={"SCHILY.xattr.user.big": "v" * (2 << 20)})
    result = build(context, layout(context, tar(huge), name="base2"), code=1)
    assert "Special header too large" in result.text and context.leftovers() == []


@pytest.mark.skipif(not is_root(), reason="mounts a small file system")
def test_a_full_disk_leaves_no_half_layer(context, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        context.write("big", noise(20 << 20))
        context.write("little", "x")
        env = {"XDG_CACHE_HOME": str(small)}
        result = context.build("FROM scratch\nCOPY big /big\n", code=None, env=env)
        assert result.code == 3, result.text
        assert "No space left" in result.text and "free space on the disk" in result.text
        left = [p for p in (small / "runner/oci").rglob("*") if p.is_file() and p.stat().st_size > 100000]
        assert left == [], "nothing half stays"
        context.build("FROM scratch\nCOPY little /little\n", env=env)
        harness_base.layout(tmp_path / "base")
        base = f"FROM oci-layout://{tmp_path}/base\n"
        for command in ("dd if=/dev/zero of=/big bs=1M count=20", "dd if=/dev/urandom of=/big bs=512k count=5 2>/dev/null"):
            result = context.build(f"{base}RUN {command}\n", code=None, env=env)  # the command itself, or the layer of what it made
            assert result.code in (1, 3) and "No space left" in result.text and "Dockerfile:2" in result.text, result.text
            assert not list((small / "runner").glob("rootfs/*/steps/*")), "nothing half stays"
        context.build(f"{base}RUN echo fine > /out\n", env=env)
    finally:
        subprocess.run(["umount", "-l", small], check=True)
