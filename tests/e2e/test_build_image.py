# SPDX-License-Identifier: Apache-2.0
"""oci-build: layouts that other tools read, digests that do not depend on the machine, errors at their place."""

import http.server
import json
import os
import subprocess
import tarfile
import threading

import pytest

import harness_base
from build_context import Context, Image

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
    import hashlib
    good = "sha256:" + hashlib.sha256(body).hexdigest()
    try:
        image = context.build(f"FROM scratch\nADD --checksum={good} {url}/ok/file.txt /d/\nADD --chmod=644 {url}/ok/x?q=1 /named\n")
        assert facts(image, "d/file.txt").startswith("file 0600 0:0 15")
        assert facts(image, "named").startswith("file 0644 0:0 15")
        result = context.build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {url}/ok /d/\n", code=None)
        assert result.code and good in result.text and "Dockerfile:2:" in result.text
        result = context.build(f"FROM scratch\nADD {url}/gone /d/\n", code=None)
        assert result.code and "404" in result.text
    finally:
        server.shutdown()
        server.server_close()


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
        import io
        tar.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("two")
        link.type, link.linkname = tarfile.LNKTYPE, "one"
        tar.addfile(link)
    image = context.build("FROM scratch\nADD t.tar /d/\n")
    assert facts(image, "d/two").endswith("= d/one")


def test_an_archive_that_leaves_the_root_is_kept_inside(context):
    import io
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
