# SPDX-License-Identifier: Apache-2.0
"""ADD of git repositories, from git's own server over HTTP."""

import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from build_context import Context
from support import PATIENCE

BACKEND = "/usr/lib/git-core/git-http-backend"


class Git:
    """Repositories in a folder, served over HTTP."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.requests = []
        self.moved_to = None  # where /moved is
        self.password = None  # the Authorization header that /private wants
        self.waiting, self.go_on = threading.Event(), threading.Event()
        git = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                path, _, query = self.path.partition("?")
                git.requests.append((path, self.headers.get("Authorization")))
                if path.startswith("/moved") and git.moved_to:
                    self.send_response(301)
                    self.send_header("Location", git.moved_to + path.removeprefix("/moved") + ("?" + query if query else ""))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if path.startswith("/slow"):
                    git.waiting.set()
                    git.go_on.wait(PATIENCE)
                if path.startswith("/private"):
                    if not git.password or self.headers.get("Authorization") != git.password:
                        self.send_response(401)
                        self.send_header("WWW-Authenticate", 'Basic realm="git"')
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    path = path.removeprefix("/private")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                       "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                       "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                       "CONTENT_LENGTH": str(len(body))}
                answer = subprocess.run([BACKEND], input=body, env=env, capture_output=True).stdout
                head, _, content = answer.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in {**fields, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __call__(self, name, *args, day=1):
        """Runs git in the repository's working tree."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1",
               **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", "n"), ("EMAIL", "e@example.com"), ("DATE", f"2001-01-{day:02}T00:00:00Z"))}}
        return subprocess.run(["git", "-C", self.folder / name, *args], env=env, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, name, path, content, mode=0o644):
        file = self.folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def commit(self, name, message, day=1):
        self(name, "add", "-A")
        self(name, "commit", "-q", "-m", message, day=day)
        return self(name, "rev-parse", "HEAD")

    def make(self, name):
        """A repository with two commits, a tag, an annotated tag and a branch; the commits by name."""
        (self.folder / name).mkdir()
        self(name, "init", "-q", "-b", "main")
        self.write(name, "README", "one\n")
        self.write(name, "bin/run", "#!/bin/sh\n", 0o755)
        os.symlink("README", self.folder / name / "link")
        first = self.commit(name, "first")
        self(name, "tag", "v1")
        self(name, "tag", "-a", "-m", "signed", "v1-annotated")
        self.write(name, "README", "two\n")
        second = self.commit(name, "second", day=2)
        self(name, "checkout", "-q", "-b", "work")
        self.write(name, "work", "branch\n")
        third = self.commit(name, "third", day=3)
        self(name, "checkout", "-q", "main")
        os.symlink(name, self.folder / f"{name}.git")
        return {"first": first, "second": second, "third": third, "tag": self(name, "rev-parse", "v1-annotated")}


@pytest.fixture(scope="module")
def git(tmp_path_factory):
    if not os.path.exists(BACKEND):
        pytest.skip("git-http-backend is not installed")
    g = Git(tmp_path_factory.mktemp("git") / "repositories")
    g.commits = g.make("app")
    yield g
    g.close()


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def tree(image, below="r"):
    return {path: facts for path, facts in image.describe().items() if path == below or path.startswith(below + "/")}


def test_every_way_to_name_a_commit(context, git):
    u, c = f"{git.url}/app.git", git.commits
    words = {f"{u}": "second", f"{u}#main": "second", f"{u}#v1": "first", f"{u}#v1-annotated": "first", f"{u}?tag=v1": "first",
             f"{u}?branch=work": "third", f"{u}?ref=refs/heads/work": "third", f"{u}#{c['first']}": "first", f"{u}?commit={c['third']}": "third"}
    lines = [f'ADD "{word}" /r{i}/' for i, word in enumerate(words)]
    image = context.build("FROM scratch\n" + "\n".join(lines) + "\n")
    files = image.describe()
    sizes = {"first": {"README": "one"}, "second": {"README": "two"}, "third": {"work": "branch"}}
    for i, (word, name) in enumerate(words.items()):
        assert (f"r{i}/work" in files) == (name == "third"), word
        assert files[f"r{i}/README"].startswith("file 0644 0:0 4")
        assert files[f"r{i}/bin/run"].startswith("file 0755 0:0 10")
        assert files[f"r{i}/link"].startswith("symlink") or "-> README" in files[f"r{i}/link"]
        assert f"r{i}/.git" not in files
    readme = {name: files[f"r{i}/README"] for i, name in enumerate(words.values())}
    assert len(sizes) == 3 and readme["first"] != readme["second"]


def test_a_subfolder_alone(context, git):
    image = context.build(f"FROM scratch\nADD {git.url}/app.git#v1:bin /r/\nADD {git.url}/app.git?subdir=bin /q\n")
    assert set(tree(image)) == {"r", "r/run"} and set(tree(image, "q")) == {"q", "q/run"}


def test_owner_mode_and_exclude(context, git):
    image = context.build(f"FROM scratch\nADD --chown=5:6 --chmod=640 --exclude=bin {git.url}/app.git /r/\n")
    files = tree(image)
    assert files["r/README"].startswith("file 0640 5:6") and "r/bin" not in files


def test_a_checksum_is_the_commit(context, git):
    u, c = f"{git.url}/app.git", git.commits
    context.build(f"FROM scratch\nADD --checksum={c['first']} {u}#v1 /a/\nADD --checksum={c['first'][:12]} {u}#v1 /b/\nADD {u}?tag=v1-annotated&checksum={c['tag']} /c/\n"
                  f"ADD --checksum={c['third']} {u} /d/\n")
    result = context.build(f"FROM scratch\nADD --checksum={c['second']} {u}#v1 /a/\n", code=None)
    assert result.code == 1 and c["first"] in result.text and "Dockerfile:2:" in result.text
    result = context.build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {u}#v1 /a/\n", code=None)
    assert result.code == 1 and "is not a commit" in result.text


def test_the_git_folder_is_kept_when_asked_and_the_same_everywhere(runner, git, tmp_path):
    digests = set()
    for i in range(2):
        context = Context(runner, tmp_path / f"work{i}")
        image = context.build(f"FROM scratch\nADD --keep-git-dir {git.url}/app.git#v1 /r/\n", no_cache=True, tags=["example.com/r:v1"],
                              env={"XDG_CACHE_HOME": str(tmp_path / f"cache{i}")})
        digests.add(context.digest)
    assert len(digests) == 1
    files = tree(image)
    assert "r/.git/HEAD" in files and "r/README" in files
    subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{context.folder}/layout:v1", tmp_path / "bundle"], check=True, capture_output=True)
    work = tmp_path / "bundle/rootfs/r"
    seen = subprocess.run(["git", "-c", "safe.directory=*", "-C", work, "log", "--format=%H"], capture_output=True, text=True, check=True).stdout
    assert seen.strip() == git.commits["first"]
    status = subprocess.run(["git", "-c", "safe.directory=*", "-C", work, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    assert status == ""


def test_a_commit_that_did_not_move_is_cached(context, git):
    git.make("moving")
    text = f"FROM scratch\nADD {git.url}/moving.git /r/\n"
    context.build(text)
    first = context.digest
    context.build(text)
    assert context.cached == 1 and context.digest == first
    git.write("moving", "README", "three\n")
    git.commit("moving", "third", day=4)
    context.build(text)
    assert context.cached == 0 and context.digest != first


def test_submodules_come_along(context, git):
    git.make("inner")
    git.make("outer")
    git("outer", "-c", "protocol.file.allow=always", "submodule", "add", "-q", f"{git.url}/inner.git", "sub")
    git.commit("outer", "with a submodule", day=5)
    image = context.build(f"FROM scratch\nADD {git.url}/outer.git /r/\nADD {git.url}/outer.git?submodules=false /q/\n")
    files = image.describe()
    assert "r/sub/README" in files and "q/sub/README" not in files
    assert not [f for f in files if f.endswith(".git")]


@pytest.mark.parametrize("word, words", [
    ("#nothing", ["no branch or tag \"nothing\""]),
    ("#v1:gone", ["gone"]),
    ("?tag=v1&branch=work", ["given twice"]),
    ("?flavour=x", ["no option \"flavour\"", "subdir"]),
])
def test_what_is_wrong_stands_at_its_place(context, git, word, words):
    result = context.build(f"FROM scratch\nADD {git.url}/app.git{word} /r/\n", code=None)
    assert result.code == 1 and "Dockerfile:2:5" in result.text, result.text
    for w in words:
        assert w in result.text


TOKEN = "ghp-correct-horse-battery"


def basic(token, user="x-access-token"):
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@pytest.fixture
def private(git):
    """The server's folder of private repositories."""
    git.requests.clear()
    yield f"{git.url}/private"
    git.password = None
    git.requests.clear()


def wanted(git, header):
    """What the server wants: git writes the scheme as it is given, and ours is in lower case."""
    git.password = header.replace("Basic", "basic")


def everything_on_disk(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.mark.parametrize("secrets, header", [
    ({"GIT_AUTH_TOKEN": {"value": TOKEN}}, basic(TOKEN)),
    ({"GIT_AUTH_TOKEN": {"value": "another-that-is-wrong"}, "GIT_AUTH_TOKEN.{host}": {"value": TOKEN + "\n"}}, basic(TOKEN)),
    ({"GIT_AUTH_HEADER": {"value": "Bearer " + TOKEN}}, "Bearer " + TOKEN),
    ({"GIT_AUTH_TOKEN": {"value": "another-that-is-wrong"}, "GIT_AUTH_HEADER": {"value": "Bearer " + TOKEN}}, "Bearer " + TOKEN),
    ({"GIT_AUTH_HEADER": {"value": "another-that-is-wrong"}, "GIT_AUTH_TOKEN.{host}": {"env": "GIT_TOKEN"}}, basic(TOKEN)),
])
def test_a_private_repository_takes_the_stages_secret(context, git, private, secrets, header):
    wanted(git, header)
    secrets = {name.replace("{host}", git.host): value for name, value in secrets.items()}
    image = context.build(f"FROM scratch\nADD {private}/app.git#v1 /r/\n", secrets=secrets, env={"GIT_TOKEN": TOKEN})
    assert tree(image)["r/README"].startswith("file 0644")
    assert {auth for path, auth in git.requests} == {git.password}
    context.build(secrets={"GIT_AUTH_HEADER": {"value": git.password}})
    assert context.cached == 1  # how it was allowed does not count


def test_the_secret_of_a_private_repository_is_nowhere(context, git, private, tmp_path):
    """Not in a command line (recorded by a git of our own), a file of .git, the cache, the layout or what the run says."""
    wanted(git, basic(TOKEN))
    folder = tmp_path / "bin"
    folder.mkdir()
    record = tmp_path / "argv"
    (folder / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{record}\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    image = context.build(f"FROM scratch\nADD --keep-git-dir {private}/app.git#v1 /r/\n", secrets={"GIT_AUTH_TOKEN": {"env": "MINE"}}, provenance=True,
                          env={"PATH": f"{folder}:{os.environ['PATH']}", "MINE": TOKEN})
    assert "r/.git/config" in tree(image) and "ls-remote" in record.read_text()
    words = [TOKEN.encode(), basic(TOKEN)[6:].encode()]
    for path, data in everything_on_disk(tmp_path).items():
        for word in words:
            assert word not in data, path
    for layer in image.layers:
        assert not any(word in layer for word in words)
    assert TOKEN not in context.text and basic(TOKEN)[6:] not in context.text


def test_a_wrong_secret_is_refused_and_says_what_to_do(context, git, private):
    wanted(git, basic(TOKEN))
    result = context.build(f"FROM scratch\nADD {private}/app.git /r/\n", secrets={"GIT_AUTH_TOKEN": {"value": "another-that-is-wrong"}}, code=1)
    assert "GIT_AUTH_TOKEN" in result.text and "another-that-is-wrong" not in result.text and "Dockerfile:2:5" in result.text
    result = context.build(secrets={"GIT_AUTH_TOKEN": {"value": "two\nlines"}}, code=1)
    assert "of several lines" in result.text


def test_a_secret_of_another_host_stays_here(context, git, private):
    wanted(git, basic(TOKEN))
    result = context.build(f"FROM scratch\nADD {private}/app.git /r/\n", secrets={"GIT_AUTH_TOKEN.example.com": {"value": TOKEN}}, code=1)
    assert TOKEN not in result.text and {auth for path, auth in git.requests} == {None}


def test_a_secret_does_not_follow_a_redirect(context, git, private, tmp_path):
    other = Git(tmp_path / "other")
    other.make("app")
    git.moved_to = other.url
    context.build(f"FROM scratch\nADD {git.url}/moved/app.git#v1 /r/\n")
    assert other.requests
    other.requests.clear()
    result = context.build(f"FROM scratch\nADD {git.url}/moved/app.git#v1 /q/\n", secrets={"GIT_AUTH_TOKEN": {"value": TOKEN}}, code=1)
    assert other.requests == [] and ("/moved/app.git/info/refs", basic(TOKEN).replace("Basic", "basic")) in git.requests
    assert "Dockerfile:2:5" in result.text and "redirect" in result.text and TOKEN not in result.text
    git.moved_to = None
    other.close()


def test_nothing_secret_goes_over_plain_http(context, git):
    result = context.build("FROM scratch\nADD http://127.example.invalid/app.git /r/\n", secrets={"GIT_AUTH_TOKEN": {"value": TOKEN}}, code=1)
    assert "without the secret GIT_AUTH_TOKEN: over plain http" in result.text


def test_private_submodules_come_along(context, git, private):
    wanted(git, basic(TOKEN))
    git.make("within")
    git.make("around")
    git("around", "-c", f"http.{git.url}/.extraHeader=Authorization: {git.password}", "submodule", "add", "-q", f"{private}/within.git", "sub")
    git.commit("around", "with a submodule", day=5)
    image = context.build(f"FROM scratch\nADD {private}/around.git /r/\n", secrets={"GIT_AUTH_TOKEN": {"value": TOKEN}})
    assert "r/sub/README" in tree(image)


def test_over_https(context, git, private, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), git.server.RequestHandlerClass)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    wanted(git, basic(TOKEN))
    image = context.build(f"FROM scratch\nADD https://localhost:{server.server_port}/private/app.git#v1 /r/\n", env={"GIT_SSL_CAINFO": str(certificate)},
                          secrets={f"GIT_AUTH_TOKEN.localhost:{server.server_port}": {"value": TOKEN}})
    assert "r/README" in tree(image)
    server.shutdown()
    server.server_close()


def test_an_interrupt_ends_it_at_once(context, git):
    """A server that never answers: the run ends, git too, and nothing is left in a temporary folder."""
    git.waiting.clear()
    git.go_on.clear()
    file = context.pipeline(f"FROM scratch\nADD {git.url}/slow/app.git /r/\n")
    process = context.runner.start("run", file, cwd=context.folder, env={"RUNNER_STOP_GRACE": "1h"})  # it is not killed
    assert git.waiting.wait(PATIENCE)
    os.killpg(process.pid, signal.SIGINT)
    said = "".join(process.communicate(timeout=PATIENCE))
    git.go_on.set()
    assert process.returncode == 130, said
    assert subprocess.run(["pgrep", "-f", f"{git.url}/slow"], capture_output=True).returncode == 1
    assert not list(context.folder.rglob("git-*"))


def test_no_question_is_asked_and_no_credential_given(context, git, tmp_path):
    (context.runner.home / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (context.runner.home / ".gitconfig").write_text('[credential]\n\thelper = "!echo password=hunter2; echo username=me; :"\n')
    result = context.build(f"FROM scratch\nADD {git.url}/private.git /r/\n", code=1)
    assert "ssh" in result.text and "hunter2" not in result.text
    assert all(auth is None for path, auth in git.requests)
    result = context.build("FROM scratch\nADD http://me:hunter2@127.0.0.1:1/x.git /r/\n", code=1)
    assert "password" in result.text and "history" in result.text


def test_a_machine_without_git_says_so(context, git, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    os.symlink(shutil.which("true"), folder / "true")
    result = context.build(f"FROM scratch\nADD {git.url}/app.git /r/\n", code=None, env={"PATH": str(folder)})
    assert result.code and "needs the program git" in result.text and "install git" in result.text


def test_copy_takes_no_repository(context, git):
    result = context.build(f"FROM scratch\nCOPY {git.url}/app.git /r/\n", code=1)
    assert "COPY takes no git repository" in result.text and "use ADD" in result.text


def test_provenance_names_every_commit_with_what_it_was_asked_for_also_from_the_cache(context, git):
    dockerfile = f"FROM scratch\nADD {git.url}/app.git#v1 /a\nADD {git.url}/app.git#work /b\nADD {git.url}/app.git /c\n"
    seen = []
    for _ in range(2):
        context.build(dockerfile, provenance=True)
        index = json.loads((context.folder / "layout/index.json").read_text())
        manifest = json.loads(blob(context, index["manifests"][1]["digest"]))
        predicate = json.loads(blob(context, manifest["layers"][0]["digest"]))["predicate"]
        seen.append({d["uri"]: d["digest"] for d in predicate["buildDefinition"]["resolvedDependencies"] if "uri" in d})
    u, c = f"git+{git.url}/app.git", git.commits
    assert context.cached == 3
    assert seen[0] == seen[1] == {f"{u}@v1": {"gitCommit": c["first"]}, f"{u}@work": {"gitCommit": c["third"]}, u: {"gitCommit": c["second"]}}


def blob(context, digest):
    return (context.folder / "layout/blobs" / digest.replace(":", "/")).read_bytes()
