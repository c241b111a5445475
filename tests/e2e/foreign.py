# SPDX-License-Identifier: Apache-2.0
"""Programs of another architecture: a busybox for arm64 from the machine's own apt mirrors, a base image for two platforms, and
binfmt_misc with entries of a test alone."""

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

KEPT = Path(__file__).parents[2] / "build/test-data"
EMULATOR = "/usr/bin/qemu-aarch64-static"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# The beginning of a program or library for arm64, and which bits of it count (as qemu registers itself).
MAGIC = "7f454c460201010000000000000000000200b700"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"


def busybox_arm64():
    """Path of a static busybox for arm64, fetched once; dpkg is not told of a second architecture."""
    kept = KEPT / "busybox-arm64"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "busybox.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _fetch_busybox(kept)
    return kept


def _fetch_busybox(kept):
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        for folder in ("lists/partial", "cache/archives/partial"):
            (Path(scratch) / folder).mkdir(parents=True)
        options = {"APT::Architecture": "arm64", "APT::Architectures": "arm64", "Dir::State::lists": f"{scratch}/lists", "Dir::State::status": "/dev/null",
                   "Dir::Cache": f"{scratch}/cache", "Acquire::Languages": "none", "Acquire::Retries": "5", "APT::Sandbox::User": "root"}
        apt = ["apt-get", "-qq", *[f"-o{k}={v}" for k, v in options.items()]]
        for command in (["update"], ["download", "busybox-static"]):
            done = subprocess.run([*apt, *command], cwd=scratch, capture_output=True, text=True)
            assert done.returncode == 0, f"busybox-static for arm64 comes from the mirrors of this machine's apt: {done.stderr}"
        package = next(Path(scratch).glob("busybox-static_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, f"{scratch}/out"], check=True)
        os.rename(f"{scratch}/out/bin/busybox", kept)


def base(folder, arm_files=None):
    """An OCI layout whose index has a busybox for linux/amd64 and one for linux/arm64; arm_files: {path: bytes} more of the latter."""
    blobs = Path(folder) / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data, media_type, **more):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{name}", "size": len(data), **more}

    def image(architecture, busybox, files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in {"bin/busybox": busybox, "etc/passwd": b"root:x:0:0::/root:/bin/sh\n", **files}.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o755
                tar.addfile(entry, io.BytesIO(data))
            for name in ("sh", "uname", "cat", "echo", "env", "mkdir", "chown"):
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
        diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
        config = {"architecture": architecture, "os": "linux", "config": {"Env": ["PATH=/bin"]}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        manifest = {"schemaVersion": 2, "config": put(json.dumps(config).encode(), "config.v1+json"),
                    "layers": [put(gzip.compress(out.getvalue(), 1, mtime=0), "layer.v1.tar+gzip")]}
        return put(json.dumps(manifest).encode(), "manifest.v1+json", platform={"os": "linux", "architecture": architecture})

    images = [image("amd64", Path("/bin/busybox").read_bytes(), {}), image("arm64", busybox_arm64().read_bytes(), arm_files or {})]
    top = put(json.dumps({"schemaVersion": 2, "manifests": images}).encode(), "index.v1+json")
    (Path(folder) / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (Path(folder) / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def escaped(digits):
    return "".join(f"\\x{digits[i:i + 2]}" for i in range(0, len(digits), 2))


def line(name, flags):
    """What registers the emulator."""
    return f":{name}:M::{escaped(MAGIC)}:{escaped(MASK)}:{EMULATOR}:{flags}"


@contextlib.contextmanager
def registered(name="runner-test-aarch64"):
    """The emulator registered for the whole machine, and gone afterwards (what was mounted too)."""
    with open(KEPT / "binfmt.lock", "w") as lock:  # several tests at a time
        fcntl.flock(lock, fcntl.LOCK_EX)
        mounted = not (BINFMT / "register").exists()
        if mounted:
            subprocess.run(["mount", "-t", "binfmt_misc", "none", BINFMT], check=True)
        try:
            if (BINFMT / name).exists():  # of a run that was killed
                (BINFMT / name).write_text("-1")
            (BINFMT / "register").write_text(line(name, "PF"))
            try:
                yield
            finally:
                (BINFMT / name).write_text("-1")
        finally:
            if mounted:
                subprocess.run(["umount", "-l", BINFMT], check=True)  # others may be looking into it


def own_instance(script, argv):
    """A command line that runs argv in a user namespace whose binfmt_misc is its own and empty, after a line of shell (Linux 6.7)."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
            f"mount -t binfmt_misc none {BINFMT}; {script}\nexec \"$@\"", "sh", *map(str, argv)]


def needs_own_instance():
    done = subprocess.run(own_instance(":", ["true"]), capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a user namespace has no binfmt_misc of its own here (Linux before 6.7): {done.stderr}")
