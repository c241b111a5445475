# SPDX-License-Identifier: Apache-2.0
"""What the fixtures are made of: running the runner, the local cloud, clients, another user."""

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

SOURCE = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release")).resolve()

PATIENCE = 300  # seconds until what does not end is given up, however busy the machine is; no test is decided by it

# A shell without job control starts us with SIGINT ignored, and programs inherit that; one that is handled is the default to them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


def clean_env(home):
    """The environment of a user without any AWS or runner settings."""
    keep = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
    env = {k: v for k, v in os.environ.items() if k in keep}
    env.update(HOME=str(home), XDG_CACHE_HOME=str(Path(home) / "cache"), AWS_EC2_METADATA_DISABLED="true", TERM="dumb",
               AWS_CONFIG_FILE=str(Path(home) / "aws/config"), AWS_SHARED_CREDENTIALS_FILE=str(Path(home) / "aws/credentials"))
    return env


@dataclass
class Result:
    argv: list
    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self):
        return self.out + self.err

    def json_lines(self):
        """Decoded lines of `--output json`."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]

    def __str__(self):
        return f"{' '.join(map(str, self.argv))} -> {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Runner:
    def __init__(self, tmp, build=BUILD):
        self.home = Path(tmp) / "home"
        self.cwd = Path(tmp)
        self.build = Path(build)
        self.program = self.build / "bin/runner"
        self.env = clean_env(self.home)
        self.home.mkdir(exist_ok=True)

    def argv(self, *args):
        return [str(self.program), *map(str, args)]

    def full_env(self, env=None):
        return {k: v for k, v in {**self.env, **(env or {})}.items() if v is not None}

    def __call__(self, *args, env=None, cwd=None, code=0, timeout=PATIENCE, input=None):
        """Runs to the end; asserts the exit code (code=None: any)."""
        begin = time.monotonic()
        done = subprocess.run(self.argv(*args), env=self.full_env(env), cwd=cwd or self.cwd, timeout=timeout, input=input,
                              stdin=subprocess.DEVNULL if input is None else None, capture_output=True, text=True, errors="replace")
        result = Result(self.argv(*args), done.returncode, done.stdout, done.stderr, time.monotonic() - begin)
        if code is not None:
            assert result.code == code, str(result)
        return result

    def start(self, *args, env=None, cwd=None, **more):
        """Popen in a process group of its own, with SIGINT as a terminal would have it."""
        return subprocess.Popen(self.argv(*args), env=self.full_env(env), cwd=cwd or self.cwd, stdin=subprocess.DEVNULL,
                                stdout=more.pop("stdout", subprocess.PIPE), stderr=more.pop("stderr", subprocess.PIPE), text=True,
                                process_group=0, **more)


def write_pipe(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False, width=200))
    return path


def _readable(fd, seconds):
    """Not select(), which takes no number above 1023."""
    look = select.poll()
    look.register(fd, select.POLLIN)
    return look.poll(seconds * 1000)


class Cloud:
    """`runner-cloud` on a state folder; usable as a context manager."""

    def __init__(self, state, build=BUILD, args=()):
        self.state = Path(state)
        self.program = Path(build) / "libexec/runner/runner-cloud"
        self.args = args
        self.process = None
        self.env = {}
        self.log = self.state.with_name(self.state.name + ".log")

    def start(self):
        assert self.process is None
        self.state.parent.mkdir(parents=True, exist_ok=True)
        read_end, write_end = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--env-fd", str(write_end), "--state", str(self.state), *self.args],
                                            pass_fds=[write_end], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=clean_env(self.state.parent))
        os.close(write_end)
        text = self._read_ready(read_end)
        os.close(read_end)
        if not text.endswith("\n\n"):
            self.kill()
            raise AssertionError(f"the cloud did not get ready: {text!r}\n{self.log.read_text()[-4000:]}")
        self.env = dict(line.split("=", 1) for line in text.strip().splitlines())

    @staticmethod
    def _read_ready(fd):
        text, deadline = b"", time.monotonic() + PATIENCE
        while not text.endswith(b"\n\n") and (left := deadline - time.monotonic()) > 0:
            if _readable(fd, left):
                piece = os.read(fd, 65536)
                if not piece:
                    break
                text += piece
        return text.decode()

    def stop(self):
        """TERM; returns the exit code."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    @property
    def pid(self):
        """The process that serves: the one that was started only holds it."""
        return int((self.state / "environment").read_text().split()[2])

    def kill(self):
        """-9, of the cloud itself."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(OSError):
                pidfd = os.pidfd_open(self.pid)
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                _readable(pidfd, PATIENCE)
                os.close(pidfd)
            process.kill()
            process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def http(method, url, headers=None, data=None, json=None, timeout=PATIENCE):  # noqa: A002
    """(status, headers, body) of a plain request; no status raises."""
    if json is not None:
        data, headers = _dumps(json), {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, method=method, data=data, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def _dumps(value):
    return json.dumps(value).encode()


@contextlib.contextmanager
def connections(listener, serve):
    """Gives each connection of the socket `listener` to serve(connection), one after the other, and closes it.

    Closing a socket does not end an accept() on it in another thread, which may then go on with whatever got the
    number of the descriptor next: the thread has ended before the listener is closed.
    """
    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # clients that give up are part of the tests
                serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # accept() fails with EINVAL (Linux)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a connection is still being served"
        listener.close()


@contextlib.contextmanager
def nobody():
    """An address where nobody listens: the port is taken meanwhile, so that nobody else gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def clear_of_midnight():
    """Quotas begin anew at midnight (UTC): a test that counts calls of a day does not begin right before it."""
    left = 86400 - time.time() % 86400
    if left < 120:
        time.sleep(left + 1)


def aws_cli(env, *args, check=True):
    """The stock aws CLI with this environment; decoded JSON when it prints JSON."""
    if "AWS_ENDPOINT_URL" in env and "--endpoint-url" not in args:  # Debian's CLI does not read the variable
        args = ("--endpoint-url", env["AWS_ENDPOINT_URL"], *args)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["aws", *map(str, args)], env={**clean_env(home), **env, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    if check:
        assert done.returncode == 0, f"aws {' '.join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}"
    else:
        return done
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout


class User:
    def __init__(self, name, uid, gid, home, build):
        self.name, self.uid, self.gid, self.home, self.build = name, uid, gid, Path(home), Path(build)

    def path(self, name):
        """A fresh folder of this user below its home."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.home))
        os.chown(folder, self.uid, self.gid)
        return folder

    def run(self, argv, env=None, cwd=None, timeout=PATIENCE, code=0):
        """Runs a program as this user; asserts the exit code (None: any)."""
        options = {} if os.getuid() == self.uid else {"user": self.uid, "group": self.gid, "extra_groups": []}
        full = {**clean_env(self.home), "USER": self.name, "LOGNAME": self.name, **(env or {})}
        begin = time.monotonic()
        done = subprocess.run([str(a) for a in argv], env=full, cwd=cwd or self.home, timeout=timeout, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", **options)
        result = Result(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - begin)
        if code is not None:
            assert result.code == code, str(result)
        return result

    def as_self(self):
        """What starts a program as this user, without supplementary groups."""
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]

    def on_rung(self, rung):
        """What starts a program where the sandbox gets this rung: as root, as this user or in a locked-down container."""
        return {"root": [], "mapped": self.as_self(), "single-id": [*self.as_self(), "--no-new-privs"],
                "chroot": [str(BUILD / "tests/tools/lockdown")]}[rung]

    def runner(self, *args, **more):
        return self.run([self.build / "bin/runner", *args], **more)


def _copy_build(to):
    """Programs and plugins where any user may read them and nobody else may write."""
    for part in ("bin", "libexec", "lib/runner"):
        if (BUILD / part).exists():
            shutil.copytree(BUILD / part, to / part)
    for folder, _, files in os.walk(to):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(Path(folder) / name, 0o755)


@contextlib.contextmanager
def _users():
    """The machine's list of users, which one worker changes at a time."""
    with open(BUILD / "users.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def plain_user():
    top = Path(tempfile.mkdtemp(prefix="runner-user-", dir="/tmp"))
    os.chmod(top, 0o755)
    home, build = top / "home", top / "build"
    home.mkdir(mode=0o755)
    _copy_build(build)
    name = None
    try:
        if os.getuid() == 0:
            name = f"rt{secrets.token_hex(5)}"
            with _users():
                subprocess.run(["useradd", "--no-create-home", "--home-dir", home, "--shell", "/bin/sh", name], check=True)
            entry = pwd.getpwnam(name)
        else:
            entry = pwd.getpwuid(os.getuid())
        os.chown(home, entry.pw_uid, entry.pw_gid)
        yield User(entry.pw_name, entry.pw_uid, entry.pw_gid, home, build)
    finally:
        if name:
            with _users():
                subprocess.run(["userdel", name], check=False, capture_output=True)
        shutil.rmtree(top, ignore_errors=True)
