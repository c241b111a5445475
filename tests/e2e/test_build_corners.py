# SPDX-License-Identifier: Apache-2.0
"""Layers with every corner of tar, as Python, umoci, skopeo and buildah read them."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

import pytest

import build_context
import harness_base
from oci_context import Context, Layout, is_root

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
LONG = "/".join(["n" * 200] * 5)
ODD = b"odd-\xff\xfe-name".decode("utf-8", "surrogateescape")


def entries():
    def entry(name, data=b"", kind=tarfile.REGTYPE, mode=0o644, **more):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, len(data), 0
        for key, value in more.items():
            setattr(info, key, value)
        return info, data

    yield entry("sticky", kind=tarfile.DIRTYPE, mode=0o1777)
    yield entry("setuid", b"s", mode=0o6755, uid=1, gid=2)
    yield entry("linked", kind=tarfile.LNKTYPE, linkname="setuid", mode=0o6755, uid=1, gid=2)
    yield entry(LONG, b"long")
    yield entry(ODD, b"odd")
    yield entry("to-long", kind=tarfile.SYMTYPE, linkname=LONG, mode=0o777)
    yield entry("capable", b"c", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")})
    yield entry("owned", b"o", uid=3000000, gid=4000000)
    yield entry("null", kind=tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    yield entry("pipe", kind=tarfile.FIFOTYPE)


@pytest.fixture
def built(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    path = context.write("corners.tar")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        for info, data in entries():
            tar.addfile(info, io.BytesIO(data))
    with open(context.write("sparse"), "r+b") as f:  # holes are zeros in a layer
        f.truncate(3 << 20)
        f.seek(1 << 20)
        f.write(b"island")
    context.build("FROM scratch\nADD corners.tar /\nCOPY sparse /sparse\n", layout="layout", tags=["example.com/corners:v1"])
    return context


@pytest.mark.skipif(not is_root(), reason="sets a capability")
def test_capabilities_and_set_id_bits_go_through_every_copy_and_run(runner, tmp_path):
    """A change of owner would take both away in the file system: here they are in the layer."""
    context = build_context.Context(runner, tmp_path / "work")
    harness_base.layout(tmp_path / "base")
    os.setxattr(context.write("cap", "x", 0o755), "security.capability", CAPABILITY)
    context.write("suid", "y", 0o6755)
    image = context.build(
        f"FROM oci-layout://{tmp_path}/base AS a\nCOPY cap suid /a/\nCOPY --chown=5:6 cap suid /b/\nCOPY --chmod=4711 cap suid /c/\nCOPY --link --chown=1 cap /d/\n"
        "RUN mv /a/cap /a/moved && ln /a/moved /a/second && chown 3:3 /b/suid && chmod 2755 /b/suid\n"
        "FROM scratch\nCOPY --from=a /a /1/\nCOPY --from=a --chown=7:8 /a /2/\nCOPY --parents --from=a /b/./cap /b/./suid /c/cap /c/suid /d/cap /\n")
    tree = image.describe()
    capable = json.dumps({"security.capability": CAPABILITY.hex()})
    x, y = (f"1 {hashlib.sha256(data).hexdigest()[:12]}" for data in (b"x", b"y"))
    assert {path: facts for path, facts in tree.items() if facts.startswith("file")} == {
        "1/moved": f"file 0755 0:0 {x} {capable}", "1/second": f"file 0755 0:0 {x} {capable} = 1/moved", "1/suid": f"file 6755 0:0 {y}",
        "2/moved": f"file 0755 7:8 {x} {capable}", "2/second": f"file 0755 7:8 {x} {capable} = 2/moved", "2/suid": f"file 6755 7:8 {y}",
        "cap": f"file 0755 5:6 {x} {capable}", "suid": f"file 2755 3:3 {y}",
        "c/cap": f"file 4711 0:0 {x} {capable}", "c/suid": f"file 4711 0:0 {y}", "d/cap": f"file 0755 1:1 {x} {capable}"}


def sparse_content():
    return bytes(1 << 20) + b"island" + bytes((2 << 20) - 6)


def test_python_reads_them_all(built):
    layout = Layout(built.folder / "layout")
    with tarfile.open(fileobj=io.BytesIO(layout.blob(layout.image["layers"][0]["digest"])), errors="surrogateescape") as tar:
        seen = {m.name: m for m in tar}
        for info, data in entries():
            m = seen[info.name]
            if info.name == "linked" or info.name == "setuid":
                continue
            assert (m.type, m.mode, m.uid, m.gid, m.size) == (info.type, info.mode, info.uid, info.gid, info.size), info.name
            assert m.linkname == info.linkname and (m.devmajor, m.devminor) == (info.devmajor, info.devminor)
            assert not data or tar.extractfile(m).read() == data
        pair = [seen["linked"], seen["setuid"]]
        assert sorted(m.type for m in pair) == [tarfile.REGTYPE, tarfile.LNKTYPE] and all(m.mode == 0o6755 and m.uid == 1 for m in pair)
        value = seen["capable"].pax_headers["SCHILY.xattr.security.capability"]
        assert value.encode("utf-8", "surrogateescape") == CAPABILITY
    with tarfile.open(fileobj=io.BytesIO(layout.blob(layout.image["layers"][1]["digest"]))) as tar:
        assert tar.extractfile("sparse").read() == sparse_content()


def check_tree(root):
    stat = {name: os.lstat(root / name) for name in ("sticky", "setuid", "linked", "capable", "owned", "null")}
    assert stat["sticky"].st_mode & 0o7777 == 0o1777 and stat["setuid"].st_mode & 0o7777 == 0o6755
    assert stat["setuid"].st_ino == stat["linked"].st_ino and (stat["owned"].st_uid, stat["owned"].st_gid) == (3000000, 4000000)
    assert os.getxattr(root / "capable", "security.capability")[:20] == CAPABILITY
    assert stat["null"].st_rdev == os.makedev(1, 3) and os.readlink(root / "to-long") == LONG
    assert (root / LONG).read_bytes() == b"long" and (root / ODD).read_bytes() == b"odd"
    assert hashlib.sha256((root / "sparse").read_bytes()).digest() == hashlib.sha256(sparse_content()).digest()


@pytest.mark.skipif(not is_root(), reason="unpacks owners and devices")
def test_umoci_unpacks_them(built, tmp_path):
    subprocess.run(["umoci", "unpack", "--image", f"{built.folder}/layout:v1", tmp_path / "bundle"], check=True, capture_output=True)
    check_tree(tmp_path / "bundle/rootfs")


@pytest.mark.skipif(not is_root(), reason="unpacks owners and devices")
def test_skopeo_and_buildah_unpack_them(built, tmp_path):
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{built.folder}/layout:v1", f"dir:{tmp_path}/dir"], check=True)
    store = ["--root", tmp_path / "store", "--runroot", tmp_path / "run", "--storage-driver", "vfs"]

    def buildah(*args):
        return subprocess.run(["buildah", *store, *args], check=True, capture_output=True, text=True).stdout.strip()

    name = buildah("from", "--signature-policy", policy(tmp_path), f"oci:{built.folder}/layout:v1")
    try:
        check_tree(type(tmp_path)(buildah("mount", name)))
    finally:
        buildah("rm", name)


def policy(folder):
    path = folder / "policy.json"
    path.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    return path
