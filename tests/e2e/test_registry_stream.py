# SPDX-License-Identifier: Apache-2.0
"""Layers go to the registry while they are written: before their end is known, and over every failure."""

import json
import subprocess
import time

import pytest

import support
from fault_registry import FaultRegistry, digest
from oci_context import Context, noise

MIB = 1 << 20


@pytest.fixture
def registry():
    with FaultRegistry() as r:
        yield r


class Stream:
    """tests/tools/registry_stream: a file that grows as the test says."""

    def __init__(self, registry, folder):
        self.registry = registry
        self.process = subprocess.Popen([support.BUILD / "tests/tools/registry_stream", f"{registry.host}/app"], cwd=folder,
                                        env=support.clean_env(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def arrived(self):
        """Bytes that the registry has read of PATCHes."""
        return sum(q.received for q in self.registry.seen if q.method == "PATCH")

    def wait_for(self, condition):
        end = time.monotonic() + support.PATIENCE
        while not condition():
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.01)

    def finish(self):
        out = self.process.communicate(timeout=support.PATIENCE)[0]
        assert self.process.returncode == 0
        return json.loads(out)


@pytest.fixture
def stream(registry, tmp_path):
    s = Stream(registry, tmp_path)
    yield s
    s.process.kill()
    s.process.wait()


def stored(registry, answer):
    assert answer["ok"], answer
    assert digest(registry.blobs[answer["digest"]]) == answer["digest"]
    return len(registry.blobs[answer["digest"]])


def test_bytes_arrive_before_the_file_is_whole(registry, stream):
    stream(f"write {5 * MIB}")
    stream.wait_for(lambda: stream.arrived() == 5 * MIB)
    stream(f"write {2 * MIB}")
    stream.wait_for(lambda: stream.arrived() == 7 * MIB)
    stream(f"write {MIB}")
    stream("end")
    assert stored(registry, stream.finish()) == 8 * MIB
    assert registry.count("PATCH", "/uploads/") == 1


def test_a_small_file_is_asked_for_first(registry, stream):
    stream(f"write {MIB}")
    stream("end")
    answer = stream.finish()
    assert stored(registry, answer) == MIB
    assert [q.method for q in registry.seen] == ["GET", "HEAD", "POST", "PUT"]


def test_a_file_that_the_repository_has_is_not_sent(registry, tmp_path):
    for _ in range(2):
        s = Stream(registry, tmp_path)
        s(f"write {MIB}")
        s("end")
        stored(registry, s.finish())
    assert registry.count("PUT", "") == 1


def test_what_is_cut_off_goes_on_when_the_file_is_whole(registry, stream):
    registry.fault("PATCH", "", cut=3 * MIB)
    stream(f"write {5 * MIB}")
    stream.wait_for(lambda: stream.arrived() == 3 * MIB)
    stream(f"write {MIB}")
    stream("end")
    assert stored(registry, stream.finish()) == 6 * MIB
    assert registry.count("GET", "/uploads/") == 1
    assert stream.arrived() == 6 * MIB, "nothing was sent twice"


def test_a_session_that_is_forgotten_begins_again(registry, stream):
    registry.fault("PATCH", "", cut=3 * MIB, run=lambda h: registry.fault("GET", "/uploads/", status=404))
    stream(f"write {5 * MIB}")
    stream.wait_for(lambda: stream.arrived() == 3 * MIB)
    stream("end")
    assert stored(registry, stream.finish()) == 5 * MIB
    assert registry.count("POST", "/uploads/") == 2


@pytest.mark.parametrize("status", [405, 411, 500, 403])
def test_a_registry_that_takes_no_streams_gets_the_whole_file(registry, stream, status):
    registry.fault("PATCH", "", status=status, times=100)
    stream(f"write {5 * MIB}")
    stream("end")
    assert stored(registry, stream.finish()) == 5 * MIB


def test_a_layer_that_is_given_up_is_taken_back(registry, stream):
    stream(f"write {5 * MIB}")
    stream.wait_for(lambda: stream.arrived() == 5 * MIB)
    stream("give-up")
    assert not stream.finish()["ok"]
    assert not registry.blobs and registry.count("DELETE", "/uploads/") == 1


def test_a_token_that_ends_meanwhile_is_renewed(tmp_path):
    with FaultRegistry(token_uses=2) as registry:
        s = Stream(registry, tmp_path)
        s(f"write {5 * MIB}")
        s.wait_for(lambda: s.arrived() == 5 * MIB)
        s("end")
        assert stored(registry, s.finish()) == 5 * MIB
        assert registry.tokens > 1


def test_a_build_streams_what_the_image_has_and_nothing_else(runner, tmp_path, registry):
    context = Context(runner, tmp_path / "work")
    context.write("unused", noise(5 * MIB, 1))
    context.write("used", noise(5 * MIB, 2))
    result = context.build("FROM scratch AS other\nCOPY unused /unused\nFROM scratch\nCOPY --from=other /unused /copy\nCOPY used /used\n",
                           push=True, tags=[f"{registry.host}/app:v1", f"{registry.host}/other:v2"])
    assert "2 layers were sent while they were built" in result.text
    manifest = json.loads(registry.manifests["app", "v1"][1])
    named = {d["digest"] for d in (manifest["config"], *manifest["layers"])}
    assert named == {name for repository, name in registry.members if repository == "app"}
    assert registry.manifests["other", "v2"] == registry.manifests["app", "v1"]
    assert registry.count("POST", "mount=") == 3, "the second repository mounts from the first"


def test_a_failed_build_pushes_no_image(runner, tmp_path, registry):
    context = Context(runner, tmp_path / "work")
    context.write("big", noise(5 * MIB))
    context.build("FROM scratch\nCOPY big /big\nCOPY gone /gone\n", code=None, push=True, tags=[f"{registry.host}/app:v1"])
    assert not registry.manifests
