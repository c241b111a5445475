# SPDX-License-Identifier: Apache-2.0
"""The cache of oci-build: what is a hit and what is not, equal bytes, damaged entries, builds at the same time, kill -9."""

import os
import shutil
from pathlib import Path

import pytest

from build_context import Context
from support import PATIENCE

TWO_STAGES = """FROM scratch AS build
COPY big /x/
WORKDIR /w/y
COPY d d
FROM scratch
COPY --from=build /w/y/d /got
ENV A=1
COPY d/f1 /z
ADD d/f2 /added/
"""


@pytest.fixture
def context(runner, tmp_path):
    context = Context(runner, tmp_path / "work")
    context.write("big", os.urandom(200000))
    for i in range(5):
        context.write(f"d/f{i}", f"{i}\n")
    return context


def fresh_digest(context):
    """The digest of the same build on an empty cache."""
    kept = context.digest
    context.build(env={"XDG_CACHE_HOME": str(context.folder / "empty-cache")})
    shutil.rmtree(context.folder / "empty-cache")
    fresh, context.text = context.digest, ""
    assert kept == fresh
    return fresh


def test_a_second_build_hits_every_step_and_gives_the_same_bytes(context):
    context.build(TWO_STAGES)
    assert context.cached == 0
    first = context.digest
    for path in (context.folder / "context").rglob("*"):
        os.utime(path, (1, 1))  # times do not count
    context.build()
    assert context.cached == 6 and context.digest == first
    fresh_digest(context)


def test_an_edited_file_misses_from_its_step_on(context):
    context.build(TWO_STAGES)
    context.write("d/f2", "edited\n")
    context.build()
    assert context.cached == 2  # COPY big, WORKDIR
    fresh_digest(context)
    context.write("d/f2", "2\n")
    context.build()
    assert context.cached == 6


def test_mode_and_type_of_a_file_count(context):
    dockerfile = "FROM scratch\nCOPY d /d\n"
    context.build(dockerfile)
    context.write("d/f1", "1\n", 0o755)
    context.build()
    assert context.cached == 0
    (context.folder / "context/d/f1").unlink()
    (context.folder / "context/d/f1").symlink_to("f2")
    context.build()
    assert context.cached == 0
    fresh_digest(context)


def test_a_rebuilt_source_stage_with_equal_files_is_a_hit(context):
    dockerfile = "FROM scratch AS one\nCOPY d/f{} /aside\nCOPY d/f0 /f\nFROM scratch\nCOPY --from=one /f /\n"
    context.build(dockerfile.format(1))
    context.build(dockerfile.format(2))
    assert context.cached == 1  # COPY --from, though both steps of the stage ran again
    context.build(dockerfile.format(2))
    assert context.cached == 3
    fresh_digest(context)


def test_what_is_below_a_linked_copy_does_not_count(context):
    context.build("FROM scratch\nCOPY d/f1 /a\nCOPY --link d /d\n")
    context.build("FROM scratch\nCOPY d/f2 /a\nCOPY --link d /d\n")
    assert context.cached == 1
    fresh_digest(context)


@pytest.mark.parametrize("other", [
    "COPY d /e", "COPY d /d/", "COPY --chown=1:2 d /d", "COPY --chmod=700 d /d", "COPY --exclude=f1 d /d", "COPY --parents d /d", "ADD d /d",
    "COPY <<x d/f1 /d/\nbody\nx",
])
def test_every_part_of_the_instruction_counts(context, other):
    context.build("FROM scratch\nCOPY d /d\n")
    context.build(f"FROM scratch\n{other}\n")
    assert context.cached == 0
    context.build(f"FROM scratch\n# a comment\n{other}\n")
    assert context.cached == 1


def test_the_level_of_compression_counts_by_what_it_is(context):
    """By 1 and not by "the default", which was another in earlier programs that filled the cache."""
    first = (context.build("FROM scratch\nCOPY d /d\n"), context.digest)[1]
    context.build("FROM scratch\nCOPY d /d\n", compression_level=1)
    assert context.cached == 1 and context.digest == first
    context.build("FROM scratch\nCOPY d /d\n", compression_level=4)
    assert context.cached == 0


def test_heredocs_count_as_they_are_expanded(context):
    dockerfile = "FROM scratch\nARG V=1\nCOPY <<EOF /x\n$V\nEOF\n"
    context.build(dockerfile)
    context.build(dockerfile)
    assert context.cached == 1
    context.build(dockerfile, build_args={"V": "2"})
    assert context.cached == 0
    context.build("FROM scratch\nARG W=1\nCOPY <<EOF /x\n$W\nEOF\n")
    assert context.cached == 1  # the same text in the end
    context.build(dockerfile, source_date_epoch=1700000000)
    assert context.cached == 0


def test_labels_and_variables_leave_copies_alone(context):
    context.build("FROM scratch\nCOPY d /d\n")
    context.build("FROM scratch\nLABEL a=b\nENV X=y\nARG z\nUSER 7\nCOPY d /d\n")
    assert context.cached == 1
    fresh_digest(context)


def test_no_cache_runs_all_or_some_stages(context):
    context.build(TWO_STAGES)
    context.build(no_cache=True)
    assert context.cached == 0
    context.build(no_cache=["build"])
    assert context.cached == 3
    result = context.build(no_cache={"a": 1}, code=None)
    assert result.code != 0 and "no_cache is neither" in result.text
    result = context.build(no_cache=["biuld"], code=None)
    assert result.code != 0 and 'no stage "biuld"' in result.text and 'did you mean "build"?' in result.text


def test_platforms_share_what_does_not_depend_on_them(context):
    context.build("FROM scratch\nCOPY d /d\nARG TARGETARCH\nCOPY d/f1 /arch-$TARGETARCH\n", platform=None, platforms=["linux/amd64", "linux/arm64"])
    assert context.cached == 1  # the first COPY of the second platform
    first = context.digest
    context.build()
    assert context.cached == 2  # the default platform
    context.build(platform=None, platforms=["linux/amd64", "linux/arm64"])
    assert context.cached == 4 and context.digest == first
    assert "4 of 4 steps" in context.text


@pytest.mark.parametrize("damage", ["record-garbage", "record-other-key", "record-empty", "layer-gone", "layer-cut", "hashes-garbage", "record-other-json"])
def test_a_damaged_cache_is_a_miss(context, damage):
    context.build(TWO_STAGES)
    records = sorted((context.store / "steps").iterdir())
    layers = sorted((context.store / "blobs/sha256").iterdir(), key=lambda p: p.stat().st_size)
    shutil.rmtree(context.folder / "layout")  # its blobs are the cache's by hard links
    if damage.startswith("record"):
        contents = [record.read_bytes() for record in records]
        for i, record in enumerate(records):
            record.write_bytes({"record-garbage": b"\0garbage{", "record-other-key": contents[i - 1], "record-empty": b"",
                                "record-other-json": b'{"key": 1}'}[damage])
    elif damage == "layer-gone":
        layers[-1].unlink()
    elif damage == "layer-cut":
        layers[-1].chmod(0o644)
        os.truncate(layers[-1], 1000)
    else:
        (context.store / "file-hashes").write_bytes(b"x" * 1600)
    context.build()
    assert context.cached < 6 or damage == "hashes-garbage"
    fresh_digest(context)
    context.build()
    assert context.cached == 6


def test_two_builds_at_once_on_one_cache(context, runner, tmp_path):
    contexts = [context, Context(runner, tmp_path / "other")]
    shutil.copytree(context.folder / "context", contexts[1].folder / "context", dirs_exist_ok=True)
    for _ in range(3):
        running = [runner.start("run", c.pipeline(TWO_STAGES), cwd=c.folder) for c in contexts]
        for process in running:
            out, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, out + err
        assert contexts[0].digest == contexts[1].digest
        context.write("d/f1", "changed\n")
        contexts[1].write("d/f1", "changed\n")
    context.build()
    assert context.cached == 6
    fresh_digest(context)


def test_a_url_is_asked_again_and_not_fetched_again(context):
    import http.server
    import threading
    state = {"body": b"one\n", "tag": '"1"', "log": []}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            same = state["tag"] and self.headers.get("If-None-Match") == state["tag"]
            state["log"].append(304 if same else 200)
            self.send_response(304 if same else 200)
            if state["tag"]:
                self.send_header("ETag", state["tag"])
            self.send_header("Content-Length", "0" if same else str(len(state["body"])))
            self.end_headers()
            if not same:
                self.wfile.write(state["body"])

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dockerfile = f"FROM scratch\nADD http://127.0.0.1:{server.server_port}/f /\n"
    try:
        context.build(dockerfile)
        context.build()
        assert context.cached == 1 and state["log"] == [200, 304]
        state.update(body=b"two\n", tag='"2"')
        context.build()
        assert context.cached == 0 and state["log"] == [200, 304, 200]
        state.update(tag=None)  # without an ETag the content decides
        context.build()
        assert context.cached == 1 and state["log"][3:] == [200]
        fresh_digest(context)
    finally:
        server.shutdown()
        server.server_close()


def slow_server(pages):
    """An HTTP server that answers each page only once all of `pages` were asked for."""
    import http.server
    import threading
    barrier = threading.Barrier(len(pages))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path in pages:
                try:
                    barrier.wait(PATIENCE)
                except threading.BrokenBarrierError:
                    self.send_error(500)
                    return
            self.send_response(200 if self.path in pages else 404)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"x\n")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_independent_stages_run_at_the_same_time_and_lines_say_whose_they_are(context):
    if os.cpu_count() < 2:
        pytest.skip("one core runs one stage at a time")
    server = slow_server({"/a", "/b"})
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        context.build(f"FROM scratch AS one\nADD {url}/a /\nFROM scratch AS two\nADD {url}/b /\nFROM scratch AS unused\nADD {url}/never /\n"
                      "FROM scratch\nCOPY --from=one /a /\nCOPY --from=two /b /\n")
    finally:
        server.shutdown()
        server.server_close()
    assert "one 2/2: 1 entries" in context.text and "two 2/2: 1 entries" in context.text and "stage 3 3/3: 1 entries" in context.text


def test_the_first_failure_stops_the_other_stages(context):
    server = slow_server({"/a", "/never-asked"})
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        result = context.build(f"FROM scratch AS one\nADD {url}/a /\nFROM scratch AS two\nCOPY nothing /\nFROM one\nCOPY --from=two /b /\n", code=None)
    finally:
        server.shutdown()
        server.server_close()
    assert result.code == 1 and '"nothing" is not in the build context' in result.text and "Dockerfile:4:6" in result.text


# ---- RUN ---------------------------------------------------------------------------------

RANDOM = "head -c 8 /dev/urandom | od -An -tx1 > /out"  # a step that ran again shows in the digest


@pytest.fixture
def busybox(context):
    """A context with a static shell and an image that has it."""
    context.write("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("sh", "cat", "head", "od", "cp"):
        (context.folder / "context/bin" / name).symlink_to("busybox")
    return "FROM scratch\nCOPY bin /bin\n"


def run_build(context, *args, **params):
    result = context.build(*args, code=None, **params)
    if "RUN cannot execute anything on this machine" in result.text:
        pytest.skip("no sandbox for RUN here")
    assert result.code == 0, str(result)
    return context.digest


def test_a_run_is_a_hit_until_something_that_it_sees_changes(context, busybox):
    dockerfile = busybox + f"ARG A=1\nRUN --mount=type=bind,source=d,target=/d cat /d/f1 && {RANDOM}\n"
    first = run_build(context, dockerfile)
    assert run_build(context, dockerfile) == first and context.cached == 2
    context.write("big", "not mounted")
    assert run_build(context, dockerfile) == first
    assert run_build(context, dockerfile, build_args={"HTTP_PROXY": "http://proxy"}) == first
    digests = {first, run_build(context, dockerfile, build_args={"A": "2"})}
    context.write("d/f1", "edited\n")
    digests.add(run_build(context, dockerfile))
    digests.add(run_build(context, dockerfile.replace("cat /d/f1", "cat /d/f1 /d/f2")))
    digests.add(run_build(context, dockerfile, no_cache=True))
    assert len(digests) == 5


def test_secrets_are_no_part_of_a_key_and_nowhere_in_the_cache(context, busybox):
    dockerfile = busybox + f"RUN --mount=type=secret,id=s cat /run/secrets/s >/dev/null && {RANDOM}\n"
    secret = context.folder / "secret"
    secret.write_text("first-value-of-the-secret")
    first = run_build(context, dockerfile, secrets={"s": str(secret)})
    secret.write_text("other-value-of-the-secret")
    assert run_build(context, dockerfile, secrets={"s": str(secret)}) == first and context.cached == 2
    for path in context.store.parent.rglob("*"):
        if path.is_file():
            assert b"value-of-the-secret" not in path.read_bytes(), path


def test_variables_are_kept_as_hashes_alone(context, busybox):
    run_build(context, busybox + "ENV TOKEN=seen-in-the-image-anyway\nRUN true > /x\n".replace("true", "echo"))
    for path in (context.store / "why").iterdir():
        assert b"seen-in-the-image-anyway" not in path.read_bytes()


def test_a_rebuilt_base_with_equal_files_is_a_hit(context, busybox):
    dockerfile = "FROM scratch AS base\nCOPY bin /bin\nENV E={}\nFROM base\nENV E=1\n" + f"RUN {RANDOM}\n"
    first = run_build(context, dockerfile.format(1))
    run_build(context, dockerfile.format(2))
    assert context.cached == 2
    assert run_build(context, dockerfile.format(1)) == first


def test_why_names_the_file_of_a_mount(context, busybox):
    run_build(context, busybox + f"RUN --mount=type=bind,source=d,target=/d --mount=type=bind,source=big,target=/big {RANDOM}\n")
    context.write("d/f1", "edited\n")
    run_build(context)
    assert "/f1 changed" in context.runner("cache", "why", "build.pipe", "image", cwd=context.folder).out
