# SPDX-License-Identifier: Apache-2.0
"""runner cache ls, prune and why; the limit on its size; kill -9 at any moment."""

import json
import os
import random
import signal
import time

import pytest

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
    begin = time.monotonic()
    for i in range(20):
        context.write("d/f0", f"{i}\n")  # there is always something to do
        process = runner.start("run", file, cwd=context.folder)
        time.sleep(chance.random() * 0.25)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert time.monotonic() - begin < 100
    context.write("d/f0", "0\n")
    context.build()
    assert context.digest == want
    context.build()
    assert context.digest == want and context.cached == 5
    context.build(env={"XDG_CACHE_HOME": str(context.folder / "fresh2")})
    assert context.digest == want
    assert not [p for p in (context.store / ".tmp").iterdir() if not p.name.endswith(".lock")]
