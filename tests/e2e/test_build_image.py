# SPDX-License-Identifier: Apache-2.0
"""oci-build: layouts that other tools read, digests that do not depend on the machine, errors at their place."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

import pytest

import harness_base
from build_context import Context, Image
from fault_registry import FaultRegistry

@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def facts(image, path):
    return image.describe()[path]


def test_skopeo_and_umoci_read_the_layout(context, tmp_path):
    context.write("app/main.txt", "hello\n")
    context.build('FROM scratch\nCOPY app /app\nENV A=1\nENTRYPOINT ["/app/main.txt"]\n', tags=["example.com/app:v1"])
    seen = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{context.folder}/layout:v1"], capture_output=True, check=True).stdout)
    assert seen["Digest"] == context.digest
    assert "A=1" in seen["Env"] and seen["Architecture"] == "amd64"
    unpacked = tmp_path / "bundle"
    subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{context.folder}/layout:v1", unpacked], check=True, capture_output=True)
    assert (unpacked / "rootfs/app/main.txt").read_text() == "hello\n"
    config = json.loads((unpacked / "config.json").read_text())
    assert config["process"]["args"] == ["/app/main.txt"]


REPRODUCE = "FROM scratch AS one\nCOPY . /all/\nFROM scratch\nCOPY --from=one /all /got\nWORKDIR /w/x\nADD t.tar /t/\nLABEL a=b\n"


def fill(context, order=1):
    names = [f"d{i}/f{j}" for i in range(5) for j in range(5)][::order]
    for name in names:
        context.write(name, name * 100)
    context.write("run.sh", "x", 0o755)
    with tarfile.open(context.folder / "context/t.tar", "w") as tar:
        info = tarfile.TarInfo("in/f")
        info.mtime = 12345
        tar.addfile(info)


def test_the_digest_does_not_depend_on_folder_times_order_or_umask(runner, tmp_path):
    digests = set()
    for n, (order, umask, zone) in enumerate([(1, 0o022, "UTC"), (-1, 0o077, "Asia/Tokyo")]):
        context = Context(runner, tmp_path / f"some{'where' * n}/else{n}")
        fill(context, order)
        for path in (context.folder / "context").rglob("*"):
            os.utime(path, (n * 1000000, n * 1000000))
        old = os.umask(umask)
        try:
            context.build(REPRODUCE, env={"TZ": zone, "LC_ALL": ["C", "C.UTF-8"][n], "XDG_CACHE_HOME": str(tmp_path / f"cache{n}")})
        finally:
            os.umask(old)
        digests.add(context.digest)
    assert len(digests) == 1


def test_what_a_run_writes_below_the_context_does_not_get_into_the_image(context, runner):
    context.write("a", "a")
    (context.folder / "out[1]").mkdir()
    (context.folder / "Dockerfile").write_text("FROM scratch\nCOPY . /all/\n")
    file = context.pipeline(context=".", layout="out[1]/layout", archive="out[1]/image.tar")
    manifests = set()
    for _ in range(3):
        runner("run", file, cwd=context.folder)
        manifests.add((context.folder / "out[1]/layout/index.json").read_text())
    assert len(manifests) == 1
    names = set(Image.from_layout(context.folder / "out[1]/layout").describe())
    assert {"all/context/a", "all/build.pipe", "all/out[1]"} <= names
    assert not {n for n in names if ".runner" in n or "layout" in n or "image.tar" in n}


def test_a_named_context_is_filtered_as_the_build_context_is(context, runner):
    context.write("a", "a")
    context.write("../kept", "kept")
    context.write("../secret.txt", "secret")
    context.write("../.dockerignore", "*.txt\n")
    base = harness_base_line(context)
    file = context.pipeline(base + "COPY --from=all . /all/\nRUN --mount=type=bind,from=all,target=/m find /m -name .runner -o -name '*.txt' > /seen\n",
                            layout="layout", build_contexts={"all": "."})
    texts = set()
    for _ in range(2):
        text = runner("run", file, cwd=context.folder).text
        texts.add((context.folder / "layout/index.json").read_text())
    assert len(texts) == 1 and text.count("| cached") == 2
    image = Image.from_layout(context.folder / "layout")
    names = {n for n in image.describe() if n.startswith("all/")}
    assert {"all/context/a", "all/kept", "all/build.pipe", "all/.dockerignore"} <= names
    assert not {n for n in names if ".runner" in n or "layout" in n or n.endswith(".txt")}
    assert image.describe()["seen"].startswith("file 0644 0:0 0 ")
    failed = context.build(base + "COPY --from=all secret.txt /\n", code=1, build_contexts={"all": "."})
    assert ".dockerignore" in failed.text


def harness_base_line(context):
    harness_base.layout(context.folder.parent / "base")
    return f"FROM oci-layout://{context.folder.parent}/base\n"


def test_a_changed_byte_or_mode_changes_the_digest(context):
    fill(context)
    context.build(REPRODUCE)
    first = context.digest
    context.write("d0/f0", "other")
    context.build()
    second = context.digest
    context.write("d0/f0", "other", 0o600)
    context.build()
    assert len({first, second, context.digest}) == 3


def test_source_date_epoch_is_the_latest_time(context):
    context.write("a", "a")
    image = context.build("FROM scratch\nCOPY a /\n", source_date_epoch=1700000000)
    assert image.config["created"] == "2023-11-14T22:13:20Z"
    assert all(h["created"] == "2023-11-14T22:13:20Z" for h in image.config["history"])
    by_env = context.build("FROM scratch\nCOPY a /\n", env={"SOURCE_DATE_EPOCH": "1600000000"})
    assert by_env.config["created"] == "2020-09-13T12:26:40Z"


def test_a_second_build_says_unchanged(context):
    context.write("a", "a")
    context.build("FROM scratch\nCOPY a /\n")
    assert "created" in context.text
    context.build()
    assert "unchanged" in context.text


def test_history_counts_layers(context):
    context.write("a", "a")
    image = context.build('FROM scratch\nARG V=1\nENV E=$V\nCOPY a /x\nWORKDIR /w\nWORKDIR /\nCMD ["x"]\nHEALTHCHECK CMD true\n')
    history = image.config["history"]
    assert [h["created_by"].split()[0] for h in history] == ["ARG", "ENV", "COPY", "WORKDIR", "WORKDIR", "CMD", "HEALTHCHECK"]
    assert [h.get("empty_layer", False) for h in history] == [True, True, False, False, True, True, True]
    assert len(image.layers) == 2


@pytest.mark.parametrize("dockerfile, place, words", [
    ("FROM scratch\nCPOY a /\n", "2:1", ["unknown instruction", "CPOY", "did you mean COPY?"]),
    ("FROM scratch\nCOPY --chwon=1 a /\n", "2:6", ["--chwon", "did you mean --chown?"]),
    ("FROM scratch\nCOPY a \\\n  nothing \\\n  /x/\n", "3:3", ["nothing", "build context"]),
    ("FROM scratch\nENV a=${b!x}\n", "2:7", ["unknown form of a variable"]),
    ("FROM scratch AS one\nCOPY --from=later a /\nFROM scratch AS later\nCOPY a /\nFROM one\n", "2:13", ["later", "does not stand before"]),
    ("FROM scratch\nCOPY a a /x\n", "2:10", ["destination must be a folder"]),
    ("FROM scratch\nCOPY a /x\nCOPY . /x\n", "3:6", ["is a file in the image"]),
    ("FROM scratch\nUSER app\nWORKDIR /w\n", "3:9", ["no user \"app\""]),
    ("FROM scratch\nCOPY --chown=app a /\n", "2:14", ["no user \"app\"", "give a number"]),
    ("FROM scratch\nSTOPSIGNAL SIGNOPE\n", "2:12", ["no signal"]),
    ("FROM scratch\nEXPOSE 70000\n", "2:8", ["no port"]),
    ("FROM scratch\nADD http://127.0.0.1:1/x.git /x\n", "2:5", ["git"]),
    ("FROM scratch\nADD http://me:hunter2@127.0.0.1:1/x /x\n", "2:5", ["history", "type=secret"]),
    ("FROM scratch\nCOPY https://example.com/x /x\n", "2:6", ["COPY takes no URL", "ADD"]),
    ("FROM scratch\nHEALTHCHECK --interval=5 CMD x\n", "2:24", ["no length of time"]),
    ("FROM $none\n", "1:6", ["empty"]),
])
def test_errors_point_at_their_place(context, dockerfile, place, words):
    context.write("a", "a")
    result = context.build(dockerfile, code=None)
    assert result.code in (1, 2, 3)
    assert f"Dockerfile:{place}" in result.text, result.text
    assert "^" in result.text
    for word in words:
        assert word in result.text, result.text


def test_a_file_hidden_by_dockerignore_is_named_as_such(context):
    context.write("a", "a")
    context.write(".dockerignore", "a\n")
    result = context.build("FROM scratch\nCOPY a /\n", code=None)
    assert result.code and ".dockerignore" in result.text


def test_only_needed_stages_run(context):
    context.write("a", "a")
    context.build("FROM no.such.registry.invalid/x AS broken\nCOPY gone /\nFROM scratch\nCOPY a /\n")
    assert "no.such" not in context.text


def test_named_contexts(context, tmp_path):
    context.write("a", "from context\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "b").write_text("from folder\n")
    context.build("FROM scratch\nCOPY a /base\n")
    (context.folder / "layout").rename(context.folder / "base-layout")
    image = context.build("FROM mybase\nCOPY --from=extra b /b\nCOPY --from=mybase /base /again\n",
                          build_contexts={"extra": str(other), "mybase": "oci-layout://base-layout"})
    tree = image.describe()
    assert tree["b"].startswith("file 0644 0:0 12") and tree["base"].split()[3] == tree["again"].split()[3]


def test_a_named_context_replaces_an_image_however_its_name_is_written(context):
    harness_base_line(context)
    context.write("a", "a")
    layout = f"oci-layout://{context.folder.parent}/base"
    forms = ("alpine", "alpine:latest", "docker.io/library/alpine", "docker.io/alpine:latest")
    for asked, given in zip(forms, forms[1:] + forms[:1]):
        image = context.build(f"FROM {asked}\nCOPY a /\nCOPY --from={given} /etc/motd /motd\n", build_contexts={given: layout})
        assert {"a", "motd", "bin/busybox"} <= set(image.describe())
    tagged = {"alpine:3": layout, "registry.example.com:5000/team/alpine": layout}
    image = context.build("FROM alpine:3\nCOPY --from=registry.example.com:5000/team/alpine:latest /etc/motd /motd\n", build_contexts=tagged)
    assert "motd" in image.describe()


@pytest.mark.parametrize("value", ["https://github.com/o/r.git", "target:build", "input:x", "git@github.com:o/r.git"])
def test_a_context_of_another_kind_is_refused_in_words(context, value):
    failed = context.build("FROM scratch\nCOPY Dockerfile /\n", code=1, build_contexts={"more": value})
    assert "the named context more is neither a folder nor an image" in failed.text and "source of ADD" in failed.text


def test_add_downloads_and_verifies(context):
    body = b"remote content\n"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.startswith("/ok") else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Thu, 01 Jan 1970 01:00:00 GMT")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    good = "sha256:" + hashlib.sha256(body).hexdigest()
    try:
        image = context.build(f"FROM scratch\nADD --checksum={good} {url}/ok/file.txt /d/\nADD --chmod=644 {url}/ok/x?q=1 /named\n")
        assert facts(image, "d/file.txt") == f"file 0600 0:0 15 {good[7:19]}"
        assert facts(image, "named").startswith("file 0644 0:0 15")
        result = context.build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {url}/ok /d/\n", code=None)
        assert result.code and good in result.text and "Dockerfile:2:" in result.text
        result = context.build(f"FROM scratch\nADD {url}/gone /d/\n", code=None)
        assert result.code and "404" in result.text
    finally:
        server.shutdown()
        server.server_close()


def test_add_of_a_url_is_unpacked_when_told(context):
    with tarfile.open(context.write("../packed.tgz"), "w:gz") as tar:
        member = tarfile.TarInfo("in/f")
        member.size, member.uid = 3, 5
        tar.addfile(member, io.BytesIO(b"abc"))
    with FaultRegistry() as store:  # any HTTP server
        data = (context.folder / "packed.tgz").read_bytes()
        store.add_blob("app", data)
        url = f"{store.url}/v2/app/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
        tree = context.build(f"FROM scratch\nADD --unpack {url} /u/\nADD {url} /k\nADD --unpack=true --chown=3:4 {url} /o/\n").describe()
    inner = hashlib.sha256(b"abc").hexdigest()[:12]
    assert tree["u/in/f"] == f"file 0644 5:0 3 {inner}" and tree["o/in/f"] == f"file 0644 3:4 3 {inner}"
    assert tree["k"] == f"file 0600 0:0 {len(data)} {hashlib.sha256(data).hexdigest()[:12]}"


def test_text_that_is_no_utf8_makes_valid_json(context, runner):
    odd = b"f\xff".decode("utf-8", "surrogateescape")
    context.write(odd, "odd")
    context.write("Dockerfile", b"# Andr\xe9\nFROM scratch\nCOPY f\xff /x/\nCOPY <<EOF /latin1\n\xe9\nEOF\n")
    image = context.build()
    assert f"x/{odd}" in image.describe() and facts(image, "latin1").endswith(hashlib.sha256(b"\xe9\n").hexdigest()[:12])
    assert [h["created_by"] for h in image.config["history"]] == ["COPY f\ufffd /x/", "COPY <<EOF /latin1"]
    first = context.digest
    assert context.build(source_date_epoch=0) and context.cached == 2 and context.digest == first
    kept = json.loads(runner("cache", "ls", "--json", cwd=context.folder).out)
    assert "COPY f\ufffd /x/" in {r["created_by"] for r in kept["results"]}
    context.write("Dockerfile", b"FROM scratch\nLABEL a=\xc3\xa9 b=\xe9\n")
    failed = context.build(code=1)
    assert "the byte 0xe9 is no UTF-8" in failed.text and "Dockerfile:2:14" in failed.text


def test_several_platforms_make_an_index(context):
    context.write("a", "a")
    context.build("FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY a /\n", platform=None, platforms=["linux/amd64", "linux/arm64"])
    for platform in ("linux/amd64", "linux/arm64"):
        image = Image.from_layout(context.folder / "layout", platform)
        assert image.config["architecture"] == platform.split("/")[1] == image.config["config"]["Labels"]["arch"]


def test_docker_archive_and_labels_and_annotations(context):
    context.write("a", "a")
    image = context.build("FROM scratch\nLABEL x=1 y=1\nCOPY a /\n", archive="image.tar", tags=["example.com/a:1"], labels={"y": "2"}, annotations={"who": "me"})
    assert image.config["config"]["Labels"] == {"x": "1", "y": "2"}
    assert image.manifest["annotations"] == {"who": "me"}
    seen = json.loads(subprocess.run(["skopeo", "inspect", "--config", f"docker-archive:{context.folder}/image.tar"], capture_output=True, check=True).stdout)
    assert seen["config"]["Labels"] == {"x": "1", "y": "2"}


@pytest.fixture
def podman():
    """podman(*args) -> what it prints, with a store of its own. It refuses longer paths."""
    with tempfile.TemporaryDirectory(dir="/tmp") as store:
        place = ["--root", f"{store}/root", "--runroot", f"{store}/run", "--storage-driver", "vfs"]
        yield lambda *args: subprocess.run(["podman", *place, *args], check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="podman keeps images as root here")
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_podman_loads_the_docker_archive(context, podman, compression):
    context.write("a", "content\n")
    tags = ["example.com/a:1", "example.com/other:2"]
    image = context.build('FROM scratch\nCOPY --chown=5:6 --chmod=4711 a /d/\nENV E=1\nCMD ["/d/a"]\n', archive="image.tar", tags=tags, compression=compression)
    podman("load", "-i", context.folder / "image.tar")
    for tag in tags:
        seen = json.loads(podman("image", "inspect", tag))[0]
        assert seen["Id"] == image.manifest["config"]["digest"][7:] and seen["Config"]["Cmd"] == ["/d/a"] and "E=1" in seen["Config"]["Env"]
    root = Path(podman("image", "mount", tags[0]).strip())
    try:
        status = (root / "d/a").stat()
        assert (root / "d/a").read_text() == "content\n" and (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o4711, 5, 6)
    finally:
        podman("image", "unmount", tags[0])


def test_an_unused_build_argument_is_said(context):
    context.write("a", "a")
    context.build("FROM scratch\nCOPY a /\n", build_args={"NOBODY": "1"})
    assert "no ARG asks for NOBODY" in context.text


def test_onbuild_triggers_of_a_base_run_first(context):
    context.write("a", "a")
    context.build("FROM scratch\nONBUILD COPY a /from-trigger\nONBUILD ENV T=1\n")
    (context.folder / "layout").rename(context.folder / "base-layout")
    image = context.build("FROM base\nLABEL after=$T\n", build_contexts={"base": "oci-layout://base-layout"})
    assert "from-trigger" in image.describe()
    assert image.config["config"]["Labels"] == {"after": "1"}
    assert "OnBuild" not in image.config["config"]


def test_hard_links_of_an_archive_stay_links(context):
    path = context.folder / "context/t.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("one")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("two")
        link.type, link.linkname = tarfile.LNKTYPE, "one"
        tar.addfile(link)
    image = context.build("FROM scratch\nADD t.tar /d/\n")
    assert facts(image, "d/two").endswith("= d/one")


def test_an_archive_that_leaves_the_root_is_kept_inside(context):
    path = context.folder / "context/t.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("../../outside", "/absolute"):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        link = tarfile.TarInfo("escape")
        link.type, link.linkname = tarfile.SYMTYPE, "/../../.."
        tar.addfile(link)
        info = tarfile.TarInfo("escape/through")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    image = context.build("FROM scratch\nADD t.tar /d/\n")
    assert {"d/outside", "d/absolute", "d/escape", "through"} <= set(image.describe())
