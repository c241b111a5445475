# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in the middle of what takes long in a build: it ends by itself (nobody kills it: it would have an hour), with 130,
nothing half-made stays, and the next build is right."""

import glob
import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

import harness_base
import support
from engine import processes, wait_for
from fault_registry import FaultRegistry
from images import Image as PlainImage
from oci_context import Context, noise
from test_build_rungs import contents
from tree import Image

NOT_KILLED = {"RUNNER_STOP_GRACE": "1h"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes the plain user and the locked-down container itself")
RUNGS = ["root", "mapped", "single-id", "chroot"]


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


class Place:
    """A folder to build in on a rung, and what is below its cache."""

    def __init__(self, rung, user):
        if rung == "mapped" and not shutil.which("newuidmap"):
            pytest.skip("needs newuidmap")
        self.plain = rung in ("mapped", "single-id")
        self.user = user
        self.home = user.path(f"stops-{rung}")
        (self.home / "context").mkdir()
        self.wrap = user.on_rung(rung)
        self.env = {**support.clean_env(self.home), "XDG_CACHE_HOME": str(self.home / "cache"), **NOT_KILLED}

    def prepare(self, dockerfile):
        (self.home / "context/Dockerfile").write_text(dockerfile)
        (self.home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": {
            "context": "context", "layout": str(self.home / "layout"), "platform": "linux/amd64"}}]}))
        if self.plain:
            subprocess.run(["chown", "-R", "-h", f"{self.user.uid}:{self.user.gid}", self.home], check=True)

    def start(self):
        return subprocess.Popen([*map(str, self.wrap), str(self.user.build / "bin/runner"), "b.pipe"], cwd=self.home, env=self.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0)

    def build(self):
        process = self.start()
        said = process.communicate(timeout=support.PATIENCE)[0]
        assert process.returncode == 0, said
        return Image.from_layout(self.home / "layout")

    def below(self, pattern):
        return glob.glob(f"{self.home}/cache/runner/{pattern}", recursive=True, include_hidden=True)  # minds no folder that goes meanwhile

    def nothing_half_made(self):
        assert self.below("rootfs/*/steps/*") == [] and self.below("rootfs/*/layers/.new-*") == []
        assert [p for p in self.below("oci/.tmp/*") if not p.endswith(".lock")] == []


def interrupt(process):
    """Ctrl-C as a terminal gives it; what was said."""
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=support.PATIENCE)[0]
    assert process.returncode == 130, said
    return said


@needs_root
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("how", ["a program", "a child of a shell", "one that does not listen"])
def test_while_run_executes(plain_user, rung, how):
    place = Place(rung, plain_user)
    number = 70000000 + os.getpid()
    command = {"a program": f"sleep {number}", "a child of a shell": f"sleep {number}; true",
               "one that does not listen": f"trap '' TERM INT HUP; sleep {number}; sleep {number}"}[how]
    harness_base.layout(place.home / "base")
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN echo half > /half && echo begun && {command}\n")
    process = place.start()
    while "| begun" not in (line := process.stdout.readline()):
        assert line
    said = interrupt(process)
    assert "interrupted" in said
    assert not processes(f"sleep {number}")
    place.nothing_half_made()
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN test ! -e /half && echo whole > /out\n")
    assert contents(place.build(), "out") == b"whole\n"


def header(name, folder):
    """A tar header, fast."""
    fields = b"%-100s%07o\0%07o\0%07o\0%011o\0%011o\0%s%s%-100s" % (
        b"", 0o755, 0, 0, 0, 0, b" " * 8, b"5" if folder else b"0", b"")
    block = bytearray(fields.replace(b" " * 100, bytes(100)).ljust(512, b"\0"))
    block[:len(name)] = name.encode()
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def many_files(base, count):
    """A second layer of so many empty files on the base."""
    blobs = base / "blobs/sha256"
    index = json.loads((base / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    tar = b"".join(header(f"many/{i // 1000}/", True) * (i % 1000 == 0) + header(f"many/{i // 1000}/{i}", False) for i in range(count)) + bytes(1024)

    def put(data):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(gzip.compress(tar, 1, mtime=0))})
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(tar).hexdigest())
    config["history"].append({"created_by": "many"})
    manifest["config"].update(put(json.dumps(config).encode()))
    index["manifests"][0].update(put(json.dumps(manifest).encode()))
    (base / "index.json").write_text(json.dumps(index))


@needs_root
@pytest.mark.parametrize("rung", ["root", "mapped", "chroot"])
def test_while_a_base_is_unpacked(plain_user, rung):
    """Interrupted once some files are there. Should all of them be there already, RUN is what is interrupted."""
    place = Place(rung, plain_user)
    count = 60000
    harness_base.layout(place.home / "base")
    many_files(place.home / "base", count)
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN sleep 77776\n")
    process = place.start()
    pattern = "rootfs/*/steps/*/**/many/0/9" if rung == "chroot" else "rootfs/*/layers/.new-*/fs/many/0/9"
    wait_for(lambda: process.poll() is not None or place.below(pattern) or place.below("rootfs/*/layers/[0-9a-f]*/fs/many/0/9"), "it unpacks")
    said = interrupt(process)
    assert "interrupted" in said
    place.nothing_half_made()
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN for d in /many/*; do ls $d; done | busybox wc -l > /out\n")
    assert contents(place.build(), "out").split() == [str(count).encode()]


def held(registry, method, path):
    """(it has come, let it go on) of a request that waits for ever."""
    come, go_on = threading.Event(), threading.Event()

    def wait(_):
        come.set()
        go_on.wait(support.PATIENCE)

    registry.fault(method, path, run=wait)
    return come, go_on


@pytest.mark.parametrize("method, path", [("PATCH", "/uploads/"), ("PUT", "/manifests/v1")])
def test_while_an_image_is_pushed(context, method, path):
    context.write("big", noise(12 << 20))
    with FaultRegistry() as registry:
        come, go_on = held(registry, method, path)
        file = context.pipeline("FROM scratch\nCOPY big /big\n", tags=[f"{registry.host}/app:v1"], push=True, layout=None)
        process = context.runner.start("run", file, cwd=context.folder, stderr=subprocess.STDOUT, env=NOT_KILLED)
        assert come.wait(support.PATIENCE)
        interrupt(process)
        assert "v1" not in json.dumps(list(registry.manifests)), "half an image has a name"
        go_on.set()
        assert context.leftovers() == []
        context.build(None, tags=[f"{registry.host}/app:v1"], push=True)
        assert any("v1" in str(name) for name in registry.manifests)
        subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{registry.host}/app:v1", f"dir:{context.folder}/seen"], check=True)
        assert Image.from_dir(context.folder / "seen").describe()["big"].startswith("file 0644 0:0 12582912 ")


@pytest.mark.parametrize("step", ["COPY --from={base} /big /again", "COPY own /again\nRUN true"])  # the second one unpacks ahead
def test_while_a_base_is_pulled(context, step):
    context.write("own", noise(3 << 20), 0o755)
    with FaultRegistry() as registry:
        registry.add_image("base", "1", PlainImage({"big": noise(3 << 20)}))
        come, go_on = held(registry, "GET", "/blobs/")
        text = f"FROM {registry.host}/base:1\n" + step.format(base=f"{registry.host}/base:1") + "\n"
        file = context.pipeline(text)
        process = context.runner.start("run", file, cwd=context.folder, stderr=subprocess.STDOUT, env=NOT_KILLED)
        assert come.wait(support.PATIENCE)
        interrupt(process)
        go_on.set()
        assert context.leftovers() == []
        context.build(text.replace("RUN true", "WORKDIR /w"), layout="layout")
        assert Image.from_layout(context.folder / "layout").describe()["again"].startswith("file 0755 0:0 3145728 ")


def test_a_wrong_step_does_not_wait_for_the_base_that_is_got_meanwhile(context):
    with FaultRegistry() as registry:
        image = PlainImage({"big": noise(3 << 20)})
        registry.add_image("base", "1", image)
        come, go_on = held(registry, "GET", f"/blobs/sha256:{hashlib.sha256(image.layers[0]).hexdigest()}")
        registry.fault("GET|HEAD", "/gone", times=9, run=lambda _: come.wait(support.PATIENCE))  # not there, which is said once the base is asked for
        text = f"FROM {registry.host}/base:1\nADD http://{registry.host}/gone /gone\nRUN true\n"
        said = context.build(text, code=1).text
        assert "404" in said and "Dockerfile:2" in said and come.is_set() and not go_on.is_set()
        go_on.set()
        assert context.leftovers() == []


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:  # one that came and went
        return 0


# Files so large that the run could not end in time if it went on to their end; they are holes, which cost no disk.

def test_while_a_large_file_is_hashed(context):
    large = context.write("large", "x")
    os.truncate(large, 100 << 30)
    process = context.runner.start("run", context.pipeline("FROM scratch\nCOPY large /large\n"), cwd=context.folder, stderr=subprocess.STDOUT,
                                   env=NOT_KILLED)
    while "[2/2 COPY" not in (line := process.stdout.readline()):
        assert line
    interrupt(process)
    os.truncate(large, 5)
    context.build(None, layout="layout")
    assert Image.from_layout(context.folder / "layout").describe()["large"].startswith("file 0644 0:0 5 ")


@needs_root
@pytest.mark.parametrize("rung", RUNGS)
def test_while_a_large_file_gets_into_a_layer(plain_user, rung):
    place = Place(rung, plain_user)
    harness_base.layout(place.home / "base")
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN busybox truncate -s 60G /large\n")
    process = place.start()
    wait_for(lambda: any(size_of(p) > 100000 for p in place.below("oci/.tmp/*")), "the layer is written")
    interrupt(process)
    place.nothing_half_made()
    place.prepare(f"FROM oci-layout://{place.home}/base\nRUN test ! -e /large && echo whole > /out\n")
    assert contents(place.build(), "out") == b"whole\n"
