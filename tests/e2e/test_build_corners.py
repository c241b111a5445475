# SPDX-License-Identifier: Apache-2.0
"""Layers with every corner of tar, as Python, umoci, skopeo and buildah read them."""

import hashlib
import io
import os
import subprocess
import tarfile

import pytest

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
