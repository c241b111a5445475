# SPDX-License-Identifier: Apache-2.0
"""RUN --mount=type=ssh and ADD of a repository over ssh, with OpenSSH's agent and clients."""

import asyncio
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import threading

import asyncssh
import pytest

import harness_base
import support
from build_context import Image

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="makes the plain user and the locked-down container itself")]
RUNGS = ["root", "mapped", "single-id", "chroot"]


class Agent:
    """An ssh-agent with one key of its own, in `folder`, as the user that the words `wrap` before a command make."""

    def __init__(self, folder, comment, wrap=()):
        self.folder, self.wrap = folder, wrap
        self.key, self.socket = folder / "key", folder / "agent"
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", "key")
        self.public = (folder / "key.pub").read_text().strip()
        self.process = subprocess.Popen([*wrap, "ssh-agent", "-D", "-a", "agent"], cwd=folder, stdout=subprocess.PIPE, text=True)
        assert "SSH_AUTH_SOCK" in self.process.stdout.readline()  # it listens now
        self.run("ssh-add", "-q", "key")

    def run(self, *argv):
        subprocess.run([*self.wrap, *argv], cwd=self.folder, env={**support.clean_env(self.folder), "SSH_AUTH_SOCK": "agent"}, check=True)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Place:
    """A folder to build in on a rung: busybox and OpenSSH's ssh-add as the base, two agents."""

    def __init__(self, rung, user):
        if rung == "mapped" and not shutil.which("newuidmap"):
            pytest.skip("needs newuidmap")
        self.home, self.build_folder = user.path(f"ssh-{rung}"), user.build
        self.wrap = user.on_rung(rung)
        self.env = {**support.clean_env(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        self.owner = (user.uid, user.gid) if rung in ("mapped", "single-id") else (0, 0)
        harness_base.layout(self.home / "base")
        linked = subprocess.run(["ldd", shutil.which("ssh-add")], capture_output=True, text=True, check=True).stdout
        for path in ["/usr/bin/ssh-add", *re.findall(r"(/\S+) \(0x", linked)]:
            copy = self.home / "context" / path.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(path), copy)
        short, long = self.home / "agent", self.home / ("a-long-name-of-a-folder" * 5)  # more than the address of a socket holds
        short.mkdir()
        long.mkdir()
        self.own()
        plain = user.as_self() if self.owner[0] else []
        self.one, self.two = Agent(short, "key one", plain), Agent(long, "key two", plain)

    def own(self):
        subprocess.run(["chown", "-R", "-h", "%d:%d" % self.owner, self.home], check=True)

    def build(self, dockerfile, code=0, **params):
        """What the runner said, and the image when it is built."""
        base = f"FROM oci-layout://{self.home}/base\nENV PATH=/bin:/usr/bin\nCOPY --exclude=Dockerfile . /\n"
        (self.home / "context/Dockerfile").write_text(base + dockerfile)
        given = {"context": "context", "layout": "layout", "platform": "linux/amd64", **params}
        (self.home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": given}]}))
        self.own()
        done = subprocess.run([*self.wrap, str(self.build_folder / "bin/runner"), "b.pipe"], cwd=self.home, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=support.PATIENCE)
        assert done.returncode == code, done.stdout
        return done.stdout, None if code else Image.from_layout(self.home / "layout")

    def close(self):
        self.one.close()
        self.two.close()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(params=RUNGS)
def place(request, plain_user):
    made = Place(request.param, plain_user)
    yield made
    made.close()


def files(image):
    """Path -> content of the uppermost layer."""
    with tarfile.open(fileobj=io.BytesIO(image.layers[-1])) as tar:
        return {m.name: tar.extractfile(m).read().decode() if m.isfile() else None for m in tar}


def test_a_client_in_run_speaks_to_the_agent(place):
    said, image = place.build("RUN --mount=type=ssh ssh-add -L > /out && echo $SSH_AUTH_SOCK >> /out\n", ssh={"default": "agent/agent"})
    assert files(image) == {"out": place.one.public + "\n/run/buildkit/ssh_agent.0\n"}, said


def test_the_variable_names_one_agent(place):
    """Of several mounts the first; ENV may name another one. As BuildKit does. No shell in between, which would hide a second value."""
    step = 'RUN --mount=type=ssh --mount=type=ssh,id=two ["/bin/busybox", "env"]\n'
    both = {"default": "agent/agent", "two": str(place.two.socket)}
    for before, number in (("", 0), ("ENV SSH_AUTH_SOCK=/run/buildkit/ssh_agent.1\n", 1)):
        said, _ = place.build(before + step, ssh=both)
        assert re.findall(r"\| SSH_AUTH_SOCK=(.*)", said) == [f"/run/buildkit/ssh_agent.{number}"], said


def test_two_agents_at_their_places(place):
    said, image = place.build("RUN --mount=type=ssh,id=one,target=/a/sock --mount=type=ssh,id=two ssh-add -L > /out && "
                              "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.1 ssh-add -L >> /out && echo $SSH_AUTH_SOCK >> /out\n",
                              ssh={"one": str(place.one.socket), "two": str(place.two.socket)})
    assert files(image)["out"] == f"{place.one.public}\n{place.two.public}\n/a/sock\n", said


def test_the_socket_belongs_to_whom_the_mount_says(plain_user):
    place = Place("root", plain_user)
    try:
        agent = {"default": str(place.one.socket)}
        step = "RUN --mount=type=ssh%s ls -ln $SSH_AUTH_SOCK > /tmp/out; ssh-add -L >> /tmp/out 2>&1; true\n"
        start = "USER 1000\n"
        _, image = place.build(start + step % ",uid=1000,gid=1001,mode=0640", ssh=agent)
        assert re.fullmatch(r"srw-r----- +1 1000 +1001 .*\n" + re.escape(place.one.public) + "\n", files(image)["tmp/out"])
        _, image = place.build(start + step % "", ssh=agent)
        assert re.fullmatch(r"srw------- +1 0 +0 .*\n.*(Permission denied|Error connecting).*\n", files(image)["tmp/out"])
    finally:
        place.close()


def test_an_agent_that_is_not_given(plain_user):
    place = Place("root", plain_user)
    try:
        _, image = place.build("RUN --mount=type=ssh echo \"<$SSH_AUTH_SOCK>\" > /out\n")
        assert files(image)["out"] == "<>\n"
        said, _ = place.build("RUN --mount=type=ssh,required true\n", code=1)
        assert 'no ssh "default"' in said and "Dockerfile:4:" in said and "ssh: {default: SOCKET}" in said
        said, _ = place.build("RUN --mount=type=ssh true\n", code=1, ssh={"default": str(place.one.key)})
        assert "not the socket of an ssh agent" in said and "ssh-add" in said
        place.one.process.terminate()
        place.one.process.wait()
        said, _ = place.build("RUN --mount=type=ssh true\n", code=1, ssh={"default": str(place.one.socket)})
        assert "ssh agent" in said and "Dockerfile:4:" in said
    finally:
        place.close()


# ---- ADD of a repository over ssh --------------------------------------------------------------


async def pass_on(source, to):
    while data := await source.read(65536):
        to.write(data)
        await to.drain()


class Server:
    """An ssh server on loopback that takes one key and serves the repository `app.git` below `folder`."""

    def __init__(self, folder, authorized):
        self.commands = []
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.com"]
        for words in (["init", "-q", "-b", "main", "app.git"], ["-C", "app.git", "commit", "-q", "--allow-empty", "-m", "nothing"]):
            subprocess.run([*git, *words], check=True)
        (folder / "app.git/README").write_text("over ssh\n")
        subprocess.run([*git, "-C", "app.git", "add", "README"], check=True)
        subprocess.run([*git, "-C", "app.git", "commit", "-q", "-m", "one"], check=True)
        self.folder, self.authorized = folder, authorized
        self.loop, ready = asyncio.new_event_loop(), threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(ready),))
        self.thread.start()
        assert ready.wait(support.PATIENCE)

    async def serve(self, ready):
        self.done = asyncio.Event()
        keys = asyncssh.import_authorized_keys(self.authorized)
        async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[self.key], authorized_client_keys=keys, encoding=None,
                                   process_factory=self.run) as acceptor:
            self.port = acceptor.get_port()
            ready.set()
            await self.done.wait()

    async def run(self, process):
        self.commands.append((process.get_extra_info("username"), process.command))
        program, path = shlex.split(process.command)
        assert program == "git-upload-pack"
        child = await asyncio.create_subprocess_exec("git", "upload-pack", str(self.folder / path.lstrip("/")), stdin=asyncio.subprocess.PIPE,
                                                     stdout=asyncio.subprocess.PIPE)
        questions = asyncio.create_task(pass_on(process.stdin, child.stdin))
        await pass_on(child.stdout, process.stdout)
        questions.cancel()
        process.exit(await child.wait())

    @property
    def known(self):
        """Its line of known_hosts."""
        return f"[127.0.0.1]:{self.port} {self.key.export_public_key().decode()}"

    def close(self):
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join(support.PATIENCE)
        assert not self.thread.is_alive()
        self.loop.close()


@pytest.fixture
def repository(plain_user, tmp_path):
    """(Place of the plain user, who knows the server; the server, which takes the key of the place's first agent)."""
    place = Place("mapped", plain_user)
    server = Server(tmp_path, place.one.public)
    known = plain_user.home / ".ssh/known_hosts"  # ssh asks the password file where the home is
    known.parent.mkdir(mode=0o700, exist_ok=True)
    known.write_text(server.known)
    subprocess.run(["chown", "-R", f"{plain_user.uid}:{plain_user.gid}", known.parent], check=True)
    yield place, server, known
    server.close()
    shutil.rmtree(known.parent)
    place.close()


@pytest.mark.parametrize("how", ["parameter", "environment"])
def test_add_of_a_repository_takes_the_key_from_the_agent(repository, how):
    place, server, _ = repository
    place.env["SSH_AUTH_SOCK"] = str((place.one if how == "environment" else place.two).socket)
    params = {"ssh": {"default": "agent/agent"}} if how == "parameter" else {}
    said, image = place.build(f"ADD ssh://someone@127.0.0.1:{server.port}/app.git /r/\n", **params)
    assert files(image) == {"r": None, "r/README": "over ssh\n"}, said
    assert server.commands and all(c == ("someone", "git-upload-pack '/app.git'") for c in server.commands)


def test_a_server_that_refuses_the_key(repository):
    place, server, _ = repository
    place.one.run("ssh-add", "-q", "-D")
    said, _ = place.build(f"ADD ssh://someone@127.0.0.1:{server.port}/app.git /r/\n", code=1, ssh={"default": "agent/agent"})
    assert "Permission denied" in said and "Dockerfile:4:" in said and "ssh: {default: SOCKET}" in said


def test_a_server_that_nobody_knows(repository):
    place, server, known = repository
    known.write_text("")
    said, _ = place.build(f"ADD ssh://someone@127.0.0.1:{server.port}/app.git /r/\n", code=1)
    assert "Host key verification failed" in said and "known_hosts" in said and "Dockerfile:4:" in said and not server.commands
