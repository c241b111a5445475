# SPDX-License-Identifier: Apache-2.0
"""runner cache ls, prune and why; the limit on its size; kill -9 at any moment."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

import harness_base
from build_context import Context

DOCKERFILE = """FROM scratch AS build
ARG V=1
COPY big /x/
COPY d d
FROM scratch
COPY --from=build /d /got
COPY <<EOF /v
$V
EOF
ADD d/f2 /added/
"""


@pytest.fixture
def context(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    context.write("big", os.urandom(3000000))
    for i in range(4):
        context.write(f"d/f{i}", f"{i}\n")
    return context


def cache(context, *args, code=0, env=None):
    return context.runner("cache", *args, code=code, env=env, cwd=context.folder)


def why(context, step=""):
    return cache(context, "why", "build.pipe", "image" + step).out


def test_ls_shows_what_there_is(context):
    assert "0 files" in cache(context, "ls").out
    context.build(DOCKERFILE)
    text = cache(context, "ls").out
    assert "COPY big /x/" in text and "20.0 GB" in text
    listed = json.loads(cache(context, "ls", "--json").out)
    assert listed["blobs"]["bytes"] > 3000000 and listed["steps"]["files"] == len(listed["results"]) == 6
    assert {r["created_by"] for r in listed["results"]} >= {"COPY big /x/", "COPY d d", "COPY /d /got"}


def test_why_names_the_file_and_the_part(context):
    context.build(DOCKERFILE)
    assert "the first time" in why(context)
    context.build()
    assert "ran" not in why(context)
    context.write("d/f1", "edited\n")
    context.build()
    text = why(context)
    assert "/d/f1 changed" in text and "/got/f1 changed" in text and "what is below differs" in text
    assert text.count("cached") == 1  # COPY big
    (context.folder / "context/d/f3").unlink()
    context.build()
    assert "/d/f3 is not there any more" in why(context)
    context.write("d/f9", "new\n")
    context.build()
    assert "/d/f9 is new" in why(context)
    context.build(DOCKERFILE.replace("d/f2 /added", "--chmod=700 d/f2 /added"))
    one = why(context, ":4")
    assert "--chmod is 700, and was nothing" in one and "* --chmod" in one and "sha256:" in one
    assert "COPY d d" in why(context, ":build.4") and "COPY d d" in why(context, ":build:4") and "COPY d d" in why(context, ":line 4")
    result = cache(context, "why", "build.pipe", "image:77", code=1)
    assert "no step" in result.text and "build.4" in result.text


def test_why_of_a_failed_build_keeps_what_was_not_reached(context):
    context.build(DOCKERFILE)
    context.write("d/f1", "edited\n")
    context.build(DOCKERFILE.replace("COPY d d", "COPY d d\nCOPY nothing /"), code=1)
    context.build(DOCKERFILE)
    assert "/got/f1 changed" in why(context)


def test_why_says_what_it_needs(context):
    context.build(DOCKERFILE)
    result = cache(context, "why", "build.pipe", "nothing", code=1)
    assert "no build of stage" in result.text and "run the pipeline first" in result.text
    result = cache(context, "why", "build.pipe", code=2)
    assert "Usage" in result.text


def test_prune_keeps_what_was_used_last_within_the_limit(context):
    context.build(DOCKERFILE)
    layers = sorted((context.store / "blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    os.utime(layers[-1], (1000, 1000))
    text = cache(context, "prune", "--max-size", "1MB").out
    assert "removed 1" in text and not layers[-1].exists()
    context.build()
    assert context.cached == 4
    for path in (context.store / "blobs/sha256").iterdir():
        os.utime(path, (time.time() - 3 * 86400,) * 2)
    assert "removed 0," in cache(context, "prune", "--older-than", "7d").out
    left = json.loads(cache(context, "prune", "--older-than", "2d", "--json").out)
    assert left["kept_bytes"] == 0 and left["removed"] > 4
    context.build()
    assert context.cached == 0
    probe = context.store.parent / "rootfs/.probe-killed"
    probe.mkdir(parents=True)
    os.utime(probe, (1000, 1000))
    cache(context, "prune", "--all")
    assert not probe.exists()
    assert json.loads(cache(context, "ls", "--json").out)["results"] == []
    context.build()
    assert context.cached == 0


def test_builds_keep_within_the_limit(context):
    context.build(DOCKERFILE, env={"RUNNER_CACHE_SIZE": "1MB"})
    assert json.loads(cache(context, "ls", "--json").out)["blobs"]["bytes"] < 1000000
    context.build()
    assert context.cached == 4  # all but the large layer
    result = cache(context, "ls", code=1, env={"RUNNER_CACHE_SIZE": "much"})
    assert "RUNNER_CACHE_SIZE" in result.text


def test_kill_9_at_any_moment_leaves_a_cache_that_builds_right(context, runner):
    file = context.pipeline(DOCKERFILE)
    context.build(env={"XDG_CACHE_HOME": str(context.folder / "fresh")})
    want = context.digest
    chance = random.Random(7)
    for i in range(20):
        context.write("d/f0", f"{i}\n")  # there is always something to do
        process = runner.start("run", file, cwd=context.folder)
        time.sleep(chance.random() * 0.25)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    context.write("d/f0", "0\n")
    context.build()
    assert context.digest == want
    context.build()
    assert context.digest == want and context.cached == 5
    context.build(env={"XDG_CACHE_HOME": str(context.folder / "fresh2")})
    assert context.digest == want
    assert not [p for p in (context.store / ".tmp").iterdir() if not p.name.endswith(".lock")]


# ---- where the cache is ----

@pytest.fixture
def stacked(tmp_path):
    """A folder that is an overlay, as a container's root is: no overlay can stand on it."""
    parts = {name: tmp_path / "parts" / name for name in ("lower", "upper", "work", "top")}
    for part in parts.values():
        part.mkdir(parents=True)
    top = parts.pop("top")
    done = subprocess.run(["mount", "-t", "overlay", "-o", ",".join(f"{name}dir={path}" for name, path in parts.items()), "overlay", top],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount an overlay here: {done.stderr}")
    yield top
    subprocess.run(["umount", "-l", top], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts an overlay")
@pytest.mark.parametrize("where", ["beside the working folder", "in TMPDIR"])
def test_layers_unpacked_elsewhere_are_seen_and_pruned(runner, tmp_path, stacked, where):
    context = Context(runner, (stacked if where == "in TMPDIR" else tmp_path) / "work")
    harness_base.layout(tmp_path / "base")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {"XDG_CACHE_HOME": str(stacked / "cache"), "TMPDIR": str(temporary)}
    place = temporary / "runner-0/rootfs" if where == "in TMPDIR" else context.folder / ".runner/state/build/image/rootfs"
    text = f"FROM oci-layout://{tmp_path}/base\nRUN --mount=type=cache,target=/c echo 1 > /c/f; echo 1 > /one\n"
    context.build(text, env=env)
    assert f"images are unpacked in {place}:" in context.text
    context.build(text + "RUN true\n", env=env)

    def listed():
        return {kind: v["files"] for kind, v in json.loads(cache(context, "ls", "--json", env=env).out).items() if kind in ("unpacked", "mounts")}

    assert listed()["unpacked"] > 10 and listed()["mounts"] > 0
    assert "removed 0," in cache(context, "prune", "--older-than", "30d", env=env).out
    assert listed()["unpacked"] > 10
    cache(context, "prune", "--max-size", "1", env=env)
    assert listed()["unpacked"] == 0 and listed()["mounts"] > 0
    context.build(text + "RUN echo 3 > /three\n", env=env)
    assert listed()["unpacked"] > 10
    cache(context, "prune", "--all", env=env)
    assert listed() == {"unpacked": 0, "mounts": 0} and not place.exists()
    assert not (stacked / "cache/runner/rootfs/elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's folder")
def test_a_place_that_is_not_ours_is_left_alone(context, tmp_path):
    folder = tmp_path / "theirs/rootfs"
    (folder / "boot-root/layers/x").mkdir(parents=True)
    (folder / "boot-root/lock").touch()
    (folder / "boot-root/layers/x/f").write_text("precious")
    context.build("FROM scratch\nCOPY d d\n")
    note = context.store.parent / "rootfs/elsewhere"
    note.parent.mkdir(exist_ok=True)
    note.write_text(f"{folder}\nrelative/rootfs\n")
    for strange in (lambda: os.chown(folder, 4000, 4000), lambda: (os.chown(folder, 0, 0), folder.parent.chmod(0o777))):
        strange()
        cache(context, "prune", "--all")
        assert (folder / "boot-root/layers/x/f").exists()
    folder.parent.chmod(0o755)
    cache(context, "prune", "--all")
    assert not folder.exists()


def test_no_home_at_all(context, tmp_path):
    nowhere = {"HOME": None, "XDG_CACHE_HOME": None}
    said = cache(context, "ls", code=1, env=nowhere).text
    assert "set XDG_CACHE_HOME" in said and "Usage" not in said
    context.build("FROM scratch\nCOPY d d\n", env=nowhere)
    assert "COPY d d" in cache(context, "ls", env=nowhere).out  # where the run kept it


def test_a_home_of_somebody_else(plain_user):
    """As in `docker run --user` and in OpenShift: HOME is / or another's folder."""
    work = plain_user.path("elsewhere")
    harness_base.layout(work / "base")
    (work / "Dockerfile").write_text(f"FROM oci-layout://{work}/base\nRUN echo ran > /out\n")
    (work / "b.pipe").write_text("name: b\nstages:\n  - {id: image, uses: oci-build, with: {context: ., layout: out}}\n")

    def run(*args):
        return plain_user.run(["env", "-u", "XDG_CACHE_HOME", "HOME=/", plain_user.build / "bin/runner", *args], cwd=work).text

    run("b.pipe")
    assert "1 of 1 steps that make layers came from the cache" in run("b.pipe")
    assert "echo ran > /out" in run("cache", "ls")
    assert (work / ".runner/cache/oci").is_dir() and not os.path.exists("/.cache/runner")


def test_a_home_that_cannot_be_written(context, tmp_path):
    (tmp_path / "file").touch()
    said = context.build("FROM scratch\nCOPY d d\n", env={"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": None}, code=None)
    assert said.code and "set XDG_CACHE_HOME" in said.text
    context.build(env={"HOME": str(tmp_path / "file")})
