# SPDX-License-Identifier: Apache-2.0
"""RUN --mount in odd places and combinations, and how commands end, on every rung of the sandbox: what the command sees, and what the
layers have. One pipeline a rung builds all cases, a stage each.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import harness_base
import support
from build_context import Context
from engine import processes, wait_for
from test_build_rungs import contents, linked_base
from tree import Image

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="makes the plain user and the locked-down container itself")]

RUNGS = ["root", "mapped", "single-id", "chroot"]
WHOLE = "-whole"  # the layers of the base cannot be stacked: the root is a folder, compared before and after
SECRET = "a-secret-of-mounts"
LENGTH = f"{len(SECRET)}\n"
LINKS = "RUN mkdir /there && echo old > /there/f && ln -s /there /byway && ln -s there/f /to-f && ln -s ../srv/new /etc/dangling\n"
MADE = ["etc/dangling", "there", "there/f", "to-f", "byway"]


class Case:
    """A Dockerfile behind FROM; the files `out*` that it must make and all else that its layers must have, or words of its failure."""

    def __init__(self, name, text, out=None, also=(), fails=None, params=None, stages="", on=None):
        self.name, self.text, self.out, self.also, self.fails = name, text, out or {}, set(also), fails
        self.params, self.stages, self.on = params or {}, stages, on or {}

    def expected(self, rung):
        """(files, words of the failure) on a rung."""
        mine = self.on.get(rung, {})
        return mine.get("out", None if "fails" in mine else self.out), mine.get("fails", None if "out" in mine else self.fails)


def secret(options=""):
    return f"--mount=type=secret,id=tok{options}"


READ_ONLY = {"chroot": {"out": {"out": "new\n"}}}  # there what is bound is a copy
CASES = [
    # what lies in what, in any order
    Case("tmpfs-in-a-cache", "RUN --mount=type=tmpfs,target=/v/lists --mount=type=cache,id=m1,target=/v echo x > /v/lists/f && echo y > /v/kept && "
         "ls /v/lists > /out\nRUN --mount=type=cache,id=m1,target=/v ls /v > /out2\n", {"out": "f\n", "out2": "kept\n"}),
    Case("tmpfs-in-a-bind", "RUN --mount=type=bind,target=/src,rw --mount=type=tmpfs,target=/src/dir echo x > /src/dir/f && ls /src/dir > /out\n", {"out": "f\n"}),
    Case("cache-in-a-bind", "WORKDIR /src\nRUN --mount=target=. --mount=type=cache,id=m2,target=dir ls dir > /out; echo x > dir/f\n"
         "RUN --mount=type=cache,id=m2,target=/c ls /c > /out2\n", {"out": "", "out2": "f\n"}, ["src"]),
    Case("file-in-a-cache-named-first", "RUN --mount=source=dir/one.txt,target=/p/q/f --mount=type=cache,id=m3,target=/p cat /p/q/f > /out\n", {"out": "one\n"}),
    Case("new-folder-in-a-writable-bind", "WORKDIR /src\nRUN --mount=target=.,rw --mount=type=cache,id=m4,target=new touch new/f && ls > /out\n",
         {"out": "Dockerfile\na.txt\ndir\nnew\n"}, ["src"]),
    Case("new-folder-in-a-bind", "WORKDIR /src\nRUN --mount=target=. --mount=type=cache,id=m5,target=new ls -d new > /out\n", also=["src"],
         fails=["Read-only file system", "mounted read-only and has no such folder"], on=READ_ONLY),
    Case("secret-in-a-tmpfs", f"RUN {secret()} --mount=type=tmpfs,target=/run ls /run /run/secrets > /out\n",
         {"out": "/run:\nsecrets\n\n/run/secrets:\ntok\n"}),
    Case("the-last-at-one-target", "RUN --mount=source=dir,target=/m --mount=source=dir/sub,target=/m ls /m > /out\n", {"out": "two.txt\n"}),
    # targets
    Case("secret-where-nothing-is", f"RUN {secret(',target=/x/y/z')} wc -c < /x/y/z > /out\n", {"out": LENGTH}),
    Case("secret-beside-what-is-made", f"RUN {secret(',target=/x/y/z')} echo kept > /x/y/out\n", {"x/y/out": "kept\n"}, ["x", "x/y"]),
    Case("secret-over-a-file", f"RUN {secret(',target=/etc/motd')} wc -c < /etc/motd > /out\nRUN cat /etc/motd > /out2\n",
         {"out": LENGTH, "out2": "hello\n"}),
    Case("relative-with-dots", "WORKDIR /w\nRUN --mount=source=dir/../dir/sub,target=../m/./n/../o ls /m/o > /out\n", {"out": "two.txt\n"}, ["w"]),
    Case("through-links", f"{LINKS}RUN {secret(',target=/to-f')} wc -c < /there/f > /out && ls -l /to-f | cut -c1 >> /out\n"
         "RUN --mount=source=a.txt,target=/byway/f cat /there/f > /out2\nRUN --mount=source=dir,target=/byway ls /there > /out3\n"
         f"RUN {secret(',target=/etc/dangling')} wc -c < /srv/new > /out4\nRUN ls /srv /byway > /out5; cat /there/f >> /out5\n",
         {"out": LENGTH + "l\n", "out2": "a\n", "out3": "one.txt\nsub\n", "out4": LENGTH, "out5": "/byway:\nf\n\n/srv:\nold\n"}, MADE),
    Case("link-that-is-replaced", f"{LINKS}RUN --mount=type=cache,id=m6,target=/byway/c echo x > /byway/c/f && rm /byway && echo y > /byway\n"
         "RUN --mount=type=cache,id=m6,target=/c cat /c/f /byway > /out\n", {"out": "x\ny\n"}, MADE),
    Case("folder-over-a-file", "RUN --mount=source=dir,target=/etc/motd true\n", fails=["/etc/motd is a file", "mounted there is a folder"]),
    Case("file-over-a-folder", "RUN --mount=source=a.txt,target=/srv true\n", fails=["/srv is a folder", "mounted there is a file"]),
    Case("tmpfs-over-a-file", "RUN --mount=type=tmpfs,target=/etc/motd true\n", fails=["/etc/motd is a file", "mounted there is a folder"]),
    Case("secret-over-a-folder", f"RUN {secret(',target=/srv')} true\n", fails=["/srv is a folder", "mounted there is a file"]),
    Case("own-file-for-hosts", "RUN --mount=source=a.txt,target=/etc/hosts cat /etc/hosts > /out\n", {"out": "a\n"}),
    Case("names-of-hosts-behind-links", "COPY links /etc\nRUN test -s /run/r/stub && grep -c localhost /run/h/hosts | wc -l > /out\nRUN ls /run > /out2\n",
         {"out": "1\n", "out2": "h\nr\n"}, ["etc/hosts", "etc/resolv.conf"]),  # the second RUN has them too, where they are made anew
    # options
    Case("variables", f"ARG i=tok t=z ty=tmpfs\nENV u=1000 m=0440\nRUN --mount=type=secret,id=$i,uid=${{u}},gid=${{g:-50}},mode=$m,target=/q/$t "
         "--mount=type=$ty,target=/$ty stat -c '%a %u %g' /q/z > /out && stat -c %a /tmpfs >> /out\n", {"out": "440 1000 50\n1777\n"},
         on={"single-id": {"out": {"out": "440 0 0\n1777\n"}}}),
    Case("names-in-capitals-and-quotes", "RUN --mount=TYPE=TMPFS,\"TARGET=/a b\" ls -d '/a b' > /out\n", {"out": "/a b\n"}),
    Case("secret-as-file-and-variable", f"RUN {secret(',env=T,target=/s')} wc -c < /s > /out; echo -n $T | wc -c >> /out; ls /run >> /out\nRUN env > /out2\n",
         {"out": LENGTH * 2, "out2": None}),
    Case("secret-of-another-user", f"RUN mkdir -m 777 /u\nUSER app\nRUN {secret(',uid=1000')} wc -c < /run/secrets/tok > /u/out\n"
         f"RUN {secret()} cat /run/secrets/tok > /dev/null || echo refused > /u/out2\n", {"u/out": LENGTH, "u/out2": "refused\n"}, ["u"],
         on={"single-id": {"out": {"u/out": LENGTH}}}),  # there is no other user
    Case("cache-that-is-read-only", "RUN --mount=type=cache,id=m7,target=/c echo x > /c/f\nRUN --mount=type=cache,id=m7,target=/c,ro echo y > /c/g || cat /c/f > /out\n"
         "RUN --mount=type=cache,id=m7,target=/c ls /c > /out2\n", {"out": "x\n", "out2": "f\n"}, on={"chroot": {"out": {"out2": "f\n"}}}),
    Case("cache-with-a-beginning", "RUN --mount=type=cache,id=m8,from=seed,source=/x,target=/c,mode=0750,uid=1000,gid=50 stat -c '%a %u %g' /c /c/f > /out\n",
         {"out": "750 1000 50\n600 7 8\n"}, stages="RUN mkdir /x && echo s > /x/f && chown 7:8 /x/f && chmod 600 /x/f\n",
         on={"single-id": {"out": {"out": "750 0 0\n600 0 0\n"}}}),
    Case("owners-of-a-writable-bind", "RUN --mount=from=seed,source=/f,target=/f,rw --mount=from=seed,source=/d,target=/d,rw stat -c '%a %u %g' /f /d > /out; "
         "echo y >> /f; touch /d/y; cat /f >> /out\nRUN --mount=from=seed,target=/m cat /m/f > /out2; ls /m/d >> /out2\n",
         {"out": "640 1000 50\n700 1000 0\nx\ny\n", "out2": "x\n"},
         stages="RUN echo x > /f && chown 1000:50 /f && chmod 640 /f && mkdir -m 700 /d && chown 1000 /d\n",
         on={"single-id": {"out": {"out": "640 0 0\n700 0 0\nx\ny\n", "out2": "x\n"}}}),
    Case("link-as-source", "RUN --mount=source=links/to-dir,target=/m --mount=source=links/to-one,target=/f cat /m/one.txt /f > /out\n", {"out": "one\none\n"}),
    Case("link-out-of-the-context", "RUN --mount=source=links/out,target=/m ls /m\n", fails=['"links/out" is not in the build context']),
    Case("mounts-of-onbuild", "", {"out": "one.txt\nsub\n" + LENGTH},
         stages=f"ONBUILD RUN --mount=source=dir,target=/m {secret()} ls /m > /out && wc -c < /run/secrets/tok >> /out\n"),
    Case("heredoc-with-a-secret", f"RUN {secret()} <<EOF\nwc -c < /run/secrets/tok > /out\nEOF\nRUN {secret()} <<EOF\n#!/bin/sh\nwc -c < /run/secrets/tok > /out2\nEOF\n",
         {"out": LENGTH, "out2": LENGTH}),
    Case("shell-of-its-own", 'SHELL ["/bin/sh", "-c", "echo $0 $1 > /out; eval \\"$1\\"", "zero"]\nRUN echo x > /out2\nRUN ["/bin/touch", "/out3"]\n',
         {"out": "zero echo x > /out2\n", "out2": "x\n", "out3": ""}),
    Case("shell-that-stops", 'SHELL ["/bin/sh", "-e", "-c"]\nRUN false; true\n', fails=["the command exited with status 1"]),
    # how it ends, and what is left
    Case("status", "RUN exit 9\n", fails=["the command exited with status 9"]),
    Case("signal", "RUN kill -11 $$\n", fails=["the command was killed by signal 11 (SIGSEGV)"]),
    Case("not-executable", 'RUN ["/etc/motd"]\n', fails=["exec /etc/motd: Permission denied"]),
    Case("no-network", "RUN --network=none ls /sys/class/net > /out\n", {"out": "lo\n"}, on={"chroot": {"fails": ["cutting the network is not possible here"]}}),
    Case("network-of-the-machine", "RUN --network=host busybox readlink /proc/self/ns/net > /out || true\n", {"out": os.readlink("/proc/self/ns/net") + "\n"},
         on={"chroot": {"out": {"out": ""}}}),  # no /proc to look into
    Case("what-is-written-to-the-kernels-folders", "RUN echo x > /dev/x; mkdir -p /dev/d /proc/d /sys/d 2>/dev/null; echo x > /proc/x 2>/dev/null; "
         "echo y | tee /dev/stdout > /dev/null; mkdir -p /dev/shm/d; ls -d /dev/x /dev/d /dev/shm/d > /out\nRUN ls /dev/x /dev/d /proc/x /proc/d /sys/d > /out2 2>&1 || wc -l < /out2 > /out3\n",
         {"out": "/dev/d\n/dev/shm/d\n/dev/x\n", "out2": None, "out3": "5\n"}),
    Case("streams-by-name", "RUN mkdir -m 777 /u\nUSER app\nRUN echo one | tee /dev/stderr > /dev/stdout && cat < /dev/stdin > /u/out\n", {"u/out": ""}, ["u"],
         on={"chroot": {"fails": ["the command exited with status"]}}),  # no /proc and so no /dev/fd
    Case("its-streams", "RUN cat > /out; echo one; echo two >&2; echo three\n", {"out": ""}),
    Case("groups", "RUN mkdir -m 777 /u\nUSER app\nRUN id -G > /u/out\nUSER web\nRUN id -G > /u/out2; echo $HOME >> /u/out2\nUSER app:web\nRUN id -G > /u/out3\n"
         "USER 4242\nRUN id -G > /u/out4; echo $HOME >> /u/out4\n",
         {"u/out": "1000 50 51\n", "u/out2": "33 51\n/srv\n", "u/out3": "33\n", "u/out4": "0\n/\n"}, ["u"],
         on={"single-id": {"out": {"u/out": "1000\n", "u/out2": "33\n/srv\n", "u/out3": "33\n", "u/out4": "0\n/\n"}}}),
]


class Bench:
    """The cases on a rung, built when the first one is asked for."""

    def __init__(self, user):
        self.user, self.folder, self.said = user, user.path("mounts"), {}
        (self.folder / "done").mkdir()
        self.folder.chmod(0o755)

    def write(self, home, case):
        context = home / case.name
        for name, text in (("a.txt", "a\n"), ("dir/one.txt", "one\n"), ("dir/sub/two.txt", "two\n")):
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            (context / name).write_text(text)
        if "links" in case.text:
            (context / "links").mkdir()
            for name, to in (("resolv.conf", "../run/r/stub"), ("hosts", "/run/h/hosts"), ("to-dir", "../dir"), ("to-one", "../dir/one.txt"), ("out", "/etc")):
                if "COPY links" not in case.text or "run" in to:
                    (context / "links" / name).symlink_to(to)
        base = f"oci-layout://{home}/base"
        stages = f"FROM {base} AS seed\n{case.stages}FROM {'seed' if 'ONBUILD' in case.stages else base}\n" if case.stages else f"FROM {base}\n"
        (context / "Dockerfile").write_text(stages + case.text)
        return {"id": case.name, "uses": "oci-build", "needs": [], "continue_on_error": True, "with": {
            "context": case.name, "layout": f"done/{case.name}", "platform": "linux/amd64", "secrets": {"tok": {"env": "TOKEN"}}, **case.params}}

    def build(self, rung):
        """(home, what was said) of all cases."""
        if rung in self.said:
            return self.said[rung]
        home = self.folder / rung
        self.said[rung] = home, "it was not built"
        linked_base(home / "base") if rung.endswith(WHOLE) else harness_base.layout(home / "base")
        (home / "all.pipe").write_text(json.dumps({"name": "all", "stages": [self.write(home, case) for case in CASES]}))
        process = start(self.user, rung.removesuffix(WHOLE), home, "--jobs", "2", "all.pipe")
        said = process.communicate(timeout=1000)[0]
        assert process.returncode == 0, said
        self.said[rung] = home, said
        return self.said[rung]


def start(user, rung, home, *argv):
    """runner on a rung, in a folder that it may write."""
    wrap = user.on_rung(rung)
    if rung in ("mapped", "single-id") and not (home / "cache").exists():
        subprocess.run(["chown", "-R", "-h", f"{user.uid}:{user.gid}", home], check=True)
    env = {**support.clean_env(home), "XDG_CACHE_HOME": str(home / "cache"), "TOKEN": SECRET}
    return subprocess.Popen([*map(str, wrap), str(user.build / "bin/runner"), *map(str, argv)], cwd=home, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", process_group=0)


def need(rung):
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")


@pytest.fixture(params=RUNGS)
def rung(request):
    need(request.param)
    return request.param


@pytest.fixture(scope="module")
def bench(plain_user):
    made = Bench(plain_user)
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("where", [*RUNGS, "root" + WHOLE, "mapped" + WHOLE])
def test_mounts(bench, where, case):
    rung = where.removesuffix(WHOLE)
    need(rung)
    home, said = bench.build(where)
    mine = "\n".join(line for line in said.splitlines() if line.split(" ")[0] == case.name)
    layout = home / "done" / case.name
    out, fails = case.expected(rung)
    if fails:
        about = said[said.index(f'stage "{case.name}"'):] if f'stage "{case.name}"' in said else ""
        about = about.split("\n\n")[0] + "\n".join(about.split("\n\n")[1:2])
        assert all(words in about for words in fails) and "Dockerfile:" in about, about + mine
        assert not (layout / "index.json").exists()
        return
    assert (layout / "index.json").exists(), mine + said[-3000:]
    image = Image.from_layout(layout)
    made = [tarfile.open(fileobj=io.BytesIO(data)).getnames() for data in image.layers[3 if where != rung else 1:]]
    assert {name for names in made for name in names} == set(out) | case.also, made
    for path, text in out.items():
        found = contents(image, path).decode()
        assert found == text if text is not None else SECRET not in found, found
    assert not any(SECRET.encode() in data for data in image.layers) and SECRET not in said


def test_a_failed_step_is_entered_with_its_mounts(plain_user, rung):
    home = plain_user.path(f"look-{rung}")
    harness_base.layout(home / "base")
    (home / "context").mkdir()
    (home / "context/file").write_text("bound\n")
    (home / "context/Dockerfile").write_text(
        f"FROM oci-layout://{home}/base\nENV A=b\nWORKDIR /w\nUSER app\nRUN echo $A > /home/app/whole\n"
        "RUN --mount=type=cache,id=look,target=/c,uid=1000 --mount=source=file,target=/f --mount=type=tmpfs,target=/t "
        "--mount=type=secret,id=tok,uid=1000 echo half > /home/app/half && echo cached > /c/f && echo t > /t/f && exit 7\n")
    (home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": {
        "context": "context", "secrets": {"tok": {"env": "TOKEN"}}}}]}))

    def run(*argv, code):
        process = start(plain_user, rung, home, *argv)
        said = process.communicate(timeout=support.PATIENCE)[0]
        assert process.returncode == code, said
        return said

    def nowhere():
        found = subprocess.run(["grep", "-rlF", SECRET, home], capture_output=True, text=True)
        assert found.returncode == 1, found.stdout

    failed = run("b.pipe", code=1)
    assert f"runner shell {home}/b.pipe image" in failed and "exited with status 7" in failed
    nowhere()
    look = "id -u; pwd; echo $A; cat /home/app/* /c/f /f; wc -c < /run/secrets/tok; ls /t; exit 5"
    for _ in range(2):
        assert "1000\n/w\nb\nhalf\nb\ncached\nbound\n" + LENGTH in run("shell", "b.pipe", "image", "--", "/bin/sh", "-c", look, code=5)
    before = run("shell", "b.pipe", "image:6", "--", "/bin/sh", "-c", "ls /home/app; cat /c/f /f; wc -c < /run/secrets/tok; echo $A; echo spoilt > /c/f", code=0)
    assert "whole\ncached\nbound\n" + LENGTH + "b\n" in before
    assert "/w\nb\n" in run("shell", "b.pipe", "image:4", "--", "/bin/sh", "-c", "pwd; echo $A; ls /home/app", code=0)
    nowhere()
    assert not list((home / "cache/runner/rootfs").glob("*/steps/*"))


def test_a_build_that_is_killed_hard(plain_user, rung):
    """Nobody can tell the command to end: it ends, its cache is where it was, and the secret lies nowhere."""
    home = plain_user.path(f"killed-{rung}")
    harness_base.layout(home / "base")
    (home / "context").mkdir()
    sleep = f"sleep 8{os.getpid()}"
    text = (f"FROM oci-layout://{home}/base\nRUN --mount=type=cache,id=k,target=/c echo one >> /c/f\n"
            "RUN --mount=type=cache,id=k,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=tok echo two >> /c/f; echo x > /half; "
            f"wc -c < /run/secrets/tok; echo begun; {sleep}\n")
    (home / "context/Dockerfile").write_text(text)
    (home / "b.pipe").write_text(json.dumps({"name": "b", "stages": [{"id": "image", "uses": "oci-build", "with": {
        "context": "context", "layout": "layout", "secrets": {"tok": {"env": "TOKEN"}}}}]}))
    process = start(plain_user, rung, home, "b.pipe")
    while "| begun" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, 9)
    wait_for(lambda: not processes(sleep), "the command ends")
    wait_for(lambda: subprocess.run(["grep", "-rqsF", SECRET, home]).returncode != 0, "the secret is gone")
    wait_for(lambda: [p.read_text() for p in (home / "cache/runner/rootfs").glob("mounts/*/*/f")] == ["one\ntwo\n"], "the cache is there")
    process.communicate(timeout=support.PATIENCE)
    (home / "context/Dockerfile").write_text(text.replace(sleep, "test $(ls /half) && cat /c/f > /out"))
    said = end(start(plain_user, rung, home, "b.pipe"))
    assert contents(Image.from_layout(home / "layout"), "out") == b"one\ntwo\ntwo\n" and said.count("| cached") == 1
    assert not list((home / "cache/runner/rootfs").glob("*/steps/*"))


# ---- two builds and one cache ----

HOLD = "echo a-in >> /c/log; until test -e /c/go; do sleep 0.02; done; echo a-out >> /c/log"


@pytest.fixture
def two(runner, tmp_path):
    """Two contexts of one machine, and the FROM line. What they began ends with the test."""
    harness_base.layout(tmp_path / "base")
    runner.begun = []
    yield Context(runner, tmp_path / "one"), Context(runner, tmp_path / "two"), f"FROM oci-layout://{tmp_path}/base\n"
    for process in runner.begun:
        process.kill()
        process.communicate(timeout=support.PATIENCE)


def begin(context, text):
    process = context.runner.start("run", context.pipeline(text), cwd=context.folder, stderr=subprocess.STDOUT)
    context.runner.begun.append(process)
    return process


def end(process):
    said = process.communicate(timeout=support.PATIENCE)[0]
    assert process.returncode == 0, said
    return said


def held(context):
    """The folder of the cache, once the first step is in."""
    def found():
        return list((context.store.parent / "rootfs").glob("mounts/*/*/log"))

    wait_for(found, "the first step has the cache")
    return found()[0].parent


def result(context):
    return contents(Image.from_layout(context.folder / "layout"), "out").decode()


@pytest.mark.parametrize("first, second", [("locked", "locked"), ("locked", "shared"), ("shared", "locked")])
def test_a_locked_cache_is_one_steps_at_a_time(two, first, second):
    one, other, base = two
    holder = begin(one, f"{base}RUN --mount=type=cache,id=c,target=/c,sharing={first} {HOLD}\n")
    cache = held(one)
    waiting = begin(other, f"{base}RUN --mount=type=cache,id=c,target=/c,sharing={second} echo b-in >> /c/log; cat /c/log > /out\n")
    while "waiting for another step that uses the same cache" not in (line := waiting.stdout.readline()):
        assert line
    assert (cache / "log").read_text() == "a-in\n"
    (cache / "go").touch()
    end(holder), end(waiting)
    assert result(other) == "a-in\na-out\nb-in\n"


def test_a_shared_cache_is_several_steps_at_a_time(two):
    one, other, base = two
    holder = begin(one, f"{base}RUN --mount=type=cache,id=c,target=/c {HOLD}\n")
    cache = held(one)
    end(begin(other, f"{base}RUN --mount=type=cache,id=c,target=/c,sharing=shared echo b-in >> /c/log; cat /c/log > /out\n"))
    assert result(other) == "a-in\nb-in\n" and holder.poll() is None
    (cache / "go").touch()
    end(holder)


def test_a_private_cache_is_another_one_while_it_is_in_use(two):
    one, other, base = two
    holder = begin(one, f"{base}RUN --mount=type=cache,id=c,target=/c,sharing=private {HOLD}\n")
    cache = held(one)
    read = f"{base}RUN --mount=type=cache,id=c,target=/c,sharing=private ls /c > /out; echo $N >> /out; touch /c/second\n"
    end(begin(other, read))
    assert result(other) == "\n" and holder.poll() is None
    (cache / "go").touch()
    end(holder)
    end(begin(other, read.replace("$N", "again")))
    assert result(other) == "go\nlog\nagain\n"
