# SPDX-License-Identifier: Apache-2.0
"""lib/sandbox on every rung: what a program sees, what stays behind, and how it ends."""

import concurrent.futures
import json
import os
import shutil
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

import sandbox_root
from engine import wait_for
from support import PATIENCE

BUILD = Path(os.environ.get("RUNNER_BUILD", "build/release")).absolute()
IS_ROOT = os.getuid() == 0
NAMESPACED = ["root", "mapped-as-root", "mapped", "single-id"]
RUNGS = [*NAMESPACED, "chroot"]


class Box:
    """One rung: run(*options, command=...) -> CompletedProcess, with a root of its own."""

    def __init__(self, rung, folder, user, build, image):
        self.rung, self.folder, self.user = rung, folder, user
        self.tool, self.lockdown = build / "tests/tools/sandbox", build / "tests/tools/lockdown"
        self.root = folder / "image"
        shutil.copytree(image, self.root, symlinks=True)
        self.root.chmod(0o755)
        self.upper, self.work = folder / "upper", folder / "work"
        self.upper.mkdir(), self.work.mkdir()
        self.own()

    def own(self):
        if self.user:
            subprocess.run(["chown", "-R", f"{self.user.uid}:{self.user.gid}", self.folder], check=True)

    @property
    def overlay(self):
        return self.rung != "chroot"

    def argv(self, *options, command, script=True):
        rung = {"mapped-as-root": "mapped"}.get(self.rung, self.rung)
        before = [self.lockdown] if self.rung == "chroot" else []
        program = ["sh", "-c", command] if script else command
        return [*before, self.tool, "--dir", self.folder, "--rung", rung, "--report", self.folder / "report", "--env",
                "PATH=/bin", *map(str, options), "--", *program]

    def changes(self):
        """Options of a root whose changes are kept: in `upper`, or in the root itself."""
        if self.overlay:
            return ["--lower", self.root, "--upper", self.upper, "--work", self.work]
        return ["--rootfs", self.root]

    def fixed(self):
        """Options of a root that is not to be changed."""
        return ["--lower", self.root] if self.overlay else ["--rootfs", self.root, "--uid", 993, "--gid", 990]

    def kept(self, path):
        return (self.upper if self.overlay else self.root) / path

    def start(self, *options, command, **more):
        argv = self.argv(*options, command=command)
        kwargs = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder, **more)
        if self.user:
            kwargs.update(user=self.user.uid, group=self.user.gid, extra_groups=[])
        return subprocess.Popen(list(map(str, argv)), **kwargs)

    def run(self, *options, command, timeout=PATIENCE):
        process = self.start(*options, command=command)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def report(self):
        return dict(line.split("=", 1) for line in (self.folder / "report").read_text().splitlines())


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    return sandbox_root.make(tmp_path_factory.mktemp("image"))


@pytest.fixture(params=RUNGS)
def box(request, tmp_path_factory, plain_user, image):
    rung = request.param
    if rung in ("root", "mapped-as-root", "chroot") and not IS_ROOT:
        pytest.skip("needs root")
    if rung == "mapped" and not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap")
    user = plain_user if rung in ("mapped", "single-id") else None
    folder = Path(plain_user.home) / f"box-{rung}-{os.urandom(4).hex()}" if user else tmp_path_factory.mktemp("box")
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    if user and not (Path(user.build) / "tests/tools").exists():
        shutil.copytree(BUILD / "tests/tools", Path(user.build) / "tests/tools")
        (Path(user.build) / "tests").chmod(0o755)
    made = Box(rung, folder, user, Path(plain_user.build) if user else BUILD, image)
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def alive(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace").split("\0")
            state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in line and state != "Z":
            found.append((pid, line))
    return found


def gone(mark):
    wait_for(lambda: not alive(mark), "they are gone")
    return True


def test_the_rung_is_what_was_asked_for(box):
    done = box.run(*box.changes(), command="echo hello; echo oops >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello\n", "oops\n")
    assert box.report()["rung"] == {"mapped-as-root": "mapped"}.get(box.rung, box.rung)
    assert box.report()["overlay"] == ("1" if box.overlay else "0")


def test_changes_and_nothing_else_are_kept(box):
    done = box.run(*box.changes(), "--set", "keep-caps", "--tmpfs", "/tmp", "--file", "/etc/resolv.conf=nameserver 1.1.1.1",
                   "--file", "/run/secrets/token=hunter2",
                   command="touch /new && echo more >> /etc/motd && rm /var/data/old && mkdir /made && touch /tmp/x /dev/shm/y "
                           "&& cat /etc/resolv.conf /run/secrets/token")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "nameserver 1.1.1.1hunter2"
    assert box.kept("new").exists() and box.kept("made").is_dir() and "more" in box.kept("etc/motd").read_text()
    for path in ("proc", "sys", "dev", "tmp", "run", "etc/resolv.conf"):
        assert not box.kept(path).exists(), path
    if box.overlay:
        mark = os.lstat(box.kept("var/data/old"))
        assert stat.S_ISCHR(mark.st_mode) and mark.st_rdev == 0
        assert (box.root / "etc/motd").read_text() == "of the image\n"
        assert not (box.root / "new").exists()
    else:
        assert not box.kept("var/data/old").exists()
        assert not list(box.folder.glob(".aside-*"))


def test_what_was_covered_comes_back(box):
    (box.root / "tmp").mkdir()
    (box.root / "tmp/kept").write_text("kept")
    (box.root / "etc/resolv.conf").symlink_to("../run/resolv.conf")
    box.own()
    done = box.run(*box.changes(), "--tmpfs", "/tmp", "--file", "/etc/resolv.conf=mine",
                   command="test ! -e /tmp/kept && cat /etc/resolv.conf && rm -rf /tmp/* && echo z > /tmp/z")
    assert (done.returncode, done.stdout) == (0, "mine"), done.stderr
    assert (box.root / "tmp/kept").read_text() == "kept"
    assert os.readlink(box.root / "etc/resolv.conf") == "../run/resolv.conf"
    assert not (box.root / "tmp/z").exists()


def test_binds(box):
    source, cache = box.folder / "source", box.folder / "cache"
    source.mkdir(), cache.mkdir()
    (source / "a").write_text("from outside")
    (box.folder / "file").write_text("a file")
    (box.folder / "scratch").mkdir()
    box.own()
    done = box.run(*box.changes(), "--set", "keep-caps", "--bind", f"{source}:/mnt/source", "--bind", f"{box.folder}/file:/mnt/file",
                   "--bind-rw", f"{cache}:/var/cache", "--bind-discard", f"{source}:/mnt/dropped:{box.folder}/scratch",
                   command="cat /mnt/source/a /mnt/file; echo cached > /var/cache/c; echo dropped > /mnt/dropped/d; "
                           "cat /mnt/dropped/a /mnt/dropped/d; echo changed > /mnt/source/a || echo refused")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("from outsidea file")
    assert (cache / "c").read_text() == "cached\n"
    assert not (source / "d").exists() and (source / "a").read_text() == "from outside"
    assert not box.kept("mnt").exists() and not box.kept("var/cache").exists()
    if box.overlay:
        assert done.stdout.endswith("refused\n")


def test_a_root_that_is_not_to_be_changed(box):
    done = box.run(*box.fixed(), "--tmpfs", "/tmp", "--file", "/etc/hosts=127.0.0.1 localhost",
                   command="touch /new || echo refused; touch /etc/motd || echo refused; touch /tmp/x && ls /tmp; ls /etc/hosts")
    assert done.stdout == "refused\nrefused\nx\n/etc/hosts\n", done.stderr
    assert not (box.root / "new").exists()


def test_who_it_is(box):
    done = box.run(*box.changes(), "--uid", 12, "--gid", 34, "--group", 56, "--set", "no-new-privs", command="id -u; id -g; id -G")
    uid, gid, groups = done.stdout.splitlines()
    assert (uid, gid) == ("12", "34")
    if box.rung != "single-id":
        assert groups.split() == ["34", "56"]


def test_capabilities(box):
    if box.rung == "chroot":
        read = "id -u"  # no /proc there
        assert box.run(*box.changes(), command=read).stdout == "0\n"
        return
    show = "grep -E 'Cap(Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status"
    container = box.run(*box.changes(), "--set", "keep-caps", command=show).stdout.split()
    assert container[container.index("CapEff:") + 1] == "00000000a80425fb"
    assert container[container.index("CapBnd:") + 1] == "00000000a80425fb"
    assert container[container.index("Seccomp:") + 1] == "2"
    none = box.run(*box.changes(), "--set", "no-new-privs", "--uid", 9, "--gid", 9, command=show).stdout.split()
    assert int(none[none.index("CapEff:") + 1], 16) == 0 and int(none[none.index("CapBnd:") + 1], 16) == 0
    assert none[none.index("NoNewPrivs:") + 1] == "1"


def test_files_of_the_kernel(box):
    done = box.run(*box.changes(), command="echo x > /dev/null; head -c 4 /dev/zero | stat -c %F -; stat -c %F /dev/null /dev/urandom; "
                                           "test ! -e /proc/self || readlink /proc/self; test ! -w /proc/sys/kernel/hostname && echo frozen")
    assert "character special file\ncharacter special file\n" in done.stdout, done.stderr
    assert done.stdout.endswith("frozen\n")


def test_network_none(box):
    done = box.run(*box.changes(), "--set", "net-none", command="grep -c : /proc/net/dev; grep -c lo: /proc/net/dev")
    if box.rung == "chroot":
        assert done.returncode == 125 and "cutting the network is not possible here" in done.stderr
        assert "seccomp" in done.stderr  # the cure
    else:
        assert done.stdout == "1\n1\n", done.stderr


def test_environment_and_place(box):
    done = box.run(*box.changes(), "--env", "A=b c", "--cwd", "/var/data", command="env; echo $A; readlink -f .")
    lines = done.stdout.splitlines()
    assert "A=b c" in lines and "b c" in lines and lines[-1] == "/var/data"
    assert {line.split("=")[0] for line in lines if "=" in line} <= {"A", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}


@pytest.mark.parametrize("box", NAMESPACED, indirect=True)  # chroot has no /proc to look into
def test_no_descriptor_leaks(box):
    done = box.run(*box.changes(), command="ls /proc/self/fd")
    assert done.stdout.split() == ["0", "1", "2", "3"]  # 3 is that of ls


def test_background_processes_end_with_it(box):
    mark = f"10{os.getpid()}{RUNGS.index(box.rung)}"
    done = box.run(*box.changes(), command=f"sleep {mark} & (sleep {mark} &) ; sleep {mark} > /dev/null 2>&1 & echo done")
    assert done.stdout == "done\n"
    assert gone(mark)


def test_what_ended_without_a_parent_is_reaped(box):
    """A process that nobody waits for stays in the process table until init takes it."""
    orphan = "orphan=$( (sleep 0.05 > /dev/null & echo $!) )"
    if box.rung != "chroot":
        done = box.run(*box.changes(), command=f"{orphan}; cat /proc/1/comm; while test -e /proc/$orphan; do sleep 0.02; done; echo reaped")
        assert done.stdout == "runner-sandbox\nreaped\n", done.stderr
        return
    process = box.start(*box.changes(), command=f"{orphan}; echo $orphan; until test -e /go; do sleep 0.02; done")
    pid = process.stdout.readline().strip()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "it is reaped")
    assert pid.isdigit() and process.poll() is None
    (box.root / "go").touch()
    assert process.communicate(timeout=PATIENCE) == ("", "") and process.returncode == 0


def test_a_signal_is_told(box):
    done = box.run(*box.changes(), command="kill -9 $$")
    assert done.returncode == 137 and box.report()["signal"] == "9"


def test_cancelled_politely_then_hard(box):
    mark = f"11{os.getpid()}{RUNGS.index(box.rung)}"
    process = box.start(*box.changes(), command=f"trap 'echo stopping; exit 3' TERM; echo ready; sleep {mark} & wait")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    out, err = process.communicate(timeout=PATIENCE)
    assert out == "stopping\n" and process.returncode == 125 and err.startswith("cancelled: ")
    assert gone(mark)
    process = box.start(*box.changes(), command=f"trap '' TERM; echo ready; while :; do sleep {mark}; done")
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert gone(mark)


def test_timeout(box):
    mark = f"12{os.getpid()}{RUNGS.index(box.rung)}"
    done = box.run(*box.changes(), "--timeout", 2000, command=f"sleep {mark}")
    assert done.returncode == 125 and done.stderr.startswith("timeout: ")
    assert gone(mark)


def test_it_dies_with_its_caller(box):
    mark = f"13{os.getpid()}{RUNGS.index(box.rung)}"
    process = box.start(*box.changes(), command=f"(sleep {mark} &); echo ready; sleep {mark}")
    assert process.stdout.readline() == "ready\n"
    wait_for(lambda: alive(mark), "the command sleeps")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert gone(mark)


def test_programs_that_cannot_be_executed(box):
    for path, content, mode in (("data", "x", 0o644), ("script", "#!/missing\n", 0o755), ("noexec", "\x7fELFx", 0o755)):
        (box.root / path).write_text(content)
        (box.root / path).chmod(mode)
    box.own()
    for command, text in ((["missing"], "not-found: exec missing"), (["/data"], "auth: exec /data: Permission denied"),
                          (["/script"], "its interpreter is not"), (["/noexec"], "exec /noexec: Exec format error")):
        argv = list(map(str, box.argv(*box.changes(), command=command, script=False)))
        ids = {"user": box.user.uid, "group": box.user.gid, "extra_groups": []} if box.user else {}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, cwd=box.folder, **ids)
        assert done.returncode == 125 and text in done.stderr
    done = box.run(*box.changes(), "--cwd", "/nowhere", command="true")
    assert done.returncode == 125 and "not-found: working directory /nowhere" in done.stderr
    for path in ("proc", "dev", "sys"):
        assert not box.kept(path).exists()


def test_owners(box):
    done = box.run(*box.changes(), "--set", "keep-caps,fake-ids", command="touch /x && chown 5:6 /x && stat -c %u:%g /x")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("0:0\n" if box.rung == "single-id" else "5:6\n")


@pytest.mark.parametrize("box", ["root", "mapped-as-root"], indirect=True)  # those that may make control groups
def test_limit_of_processes(box):
    many = "i=0; while test $i -lt 40; do sleep 5 & i=$((i+1)); done; echo all"
    limited = box.run(*box.changes(), "--pids", 20, command=many)
    assert "all" not in limited.stdout or "ork" in limited.stderr
    assert "all" in box.run(*box.changes(), "--pids", 200, command=many).stdout


def test_the_machines_own_root_with_other_ids(box):
    done = box.run("--rootfs", "/", "--uid", 0, command="id -u; test -d /proc/self && cat /proc/self/uid_map")
    lines = done.stdout.splitlines()
    assert lines[0] == "0"
    if box.rung == "mapped":
        assert len(lines) == 3 and lines[2].split()[0] == "1"
    mark = f"14{os.getpid()}{RUNGS.index(box.rung)}"
    box.run("--rootfs", "/", command=f"(sleep {mark} &); true")
    assert gone(mark)


@pytest.mark.parametrize("box", NAMESPACED, indirect=True)  # in chroot a folder belongs to one sandbox at a time
def test_several_on_one_root(box):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda i: box.run(*box.fixed(), "--tmpfs", "/tmp", command=f"echo {i} > /tmp/x; cat /tmp/x"), range(8)))
    assert [d.stdout for d in done] == [f"{i}\n" for i in range(8)]


def doctor(user, *before, code=0, folder="/tmp"):
    """What `runner doctor --json` says when it is started by `before`."""
    done = subprocess.run([*map(str, before), Path(user.build) / "bin/runner", "doctor", "--json", "--dir", folder], capture_output=True, text=True,
                          timeout=PATIENCE, env={"PATH": os.environ["PATH"], "HOME": str(user.home)})
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def as_user(uid, *more):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *more]


def test_doctor_names_the_rung_and_the_cure(plain_user):
    if not IS_ROOT:
        pytest.skip("needs root")
    told = doctor(plain_user, BUILD / "tests/tools/lockdown")
    assert told["rung"] == "chroot" and not told["overlay"]
    assert "seccompProfile" in told["cure"] and "security_opt" in told["cure"]
    failed = [c for c in told["checks"] if not c["ok"]]
    assert any("Operation not permitted" in c["detail"] for c in failed) and all(c.get("cure") for c in failed if c["name"] != "overlay")


NO_IDS = 3000000000  # a user without a line in /etc/subuid


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_doctor_says_what_a_range_of_ids_needs(plain_user):
    """The rung, why not the one above it, and the setting that cures it."""
    told = doctor(plain_user, *as_user(NO_IDS))
    assert told["rung"] == "single-id" and "no subordinate ids" in told["summary"] and "usermod --add-subuids" in told["cure"]
    told = doctor(plain_user, *as_user(plain_user.uid, "--no-new-privs"))
    assert told["rung"] == "single-id" and "newuidmap failed" in told["summary"] and "allowPrivilegeEscalation: true" in told["cure"]
    assert [f for f in told["facts"] if f["name"] == "no_new_privs"][0]["value"] == "yes"


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_doctor_says_what_stands_in_the_way_of_all(plain_user):
    """Where nothing can run, the cure is what makes something run, not what would make that better."""
    for user in (plain_user.uid, NO_IDS):
        told = doctor(plain_user, BUILD / "tests/tools/lockdown", *as_user(user), code=3)
        assert told["rung"] == "none" and "seccompProfile" in told["cure"] and "one id" in told["summary"]


@pytest.mark.skipif(not IS_ROOT or not shutil.which("newuidmap"), reason="needs root and newuidmap")
def test_a_machine_without_user_namespaces(plain_user):
    """The limit is that of a user namespace made for it, so that the machine's stays."""
    folder = plain_user.path("none")
    (folder / "context").mkdir()
    sandbox_root.make(folder / "context/root")
    text = "FROM scratch\nCOPY root /\n"
    for name, more in (("copies", ""), ("runs", "RUN true\n")):
        (folder / f"context/{name}").write_text(text + more)
        (folder / f"{name}.pipe").write_text(json.dumps({"name": name, "stages": [{"id": "image", "uses": "oci-build", "with": {
            "context": "context", "dockerfile": name, "layout": f"{name}.layout"}}]}))
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
    before = [*as_user(plain_user.uid), "unshare", "--user", "--map-root-user", "--map-auto", "sh", "-c",
              forbid + 'setpriv --reuid=5 --regid=5 --clear-groups --bounding-set=-all "$@"', "sh"]
    told = doctor(plain_user, *before, code=3, folder=folder)
    assert told["rung"] == "none" and "limit of user namespaces" in told["summary"] and "sysctl -w user.max_user_namespaces=" in told["cure"]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CACHE_HOME": f"{folder}/cache"}
    for name, code in (("copies", 0), ("runs", 3)):
        done = subprocess.run([*map(str, before), plain_user.build / "bin/runner", f"{name}.pipe"], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == code, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "runs:3:1" in said and "RUN cannot execute anything on this machine" in said and "sysctl -w user.max_user_namespaces=" in said
    assert (folder / "copies.layout/index.json").exists() and not (folder / "runs.layout/index.json").exists()


@pytest.mark.parametrize("box", ["chroot"], indirect=True)  # an overlay does not mind
def test_a_program_that_is_still_open_for_writing_is_waited_for(box):
    """As one that was just unpacked is in a child that another thread is starting."""
    with (box.root / "bin/sh").open("r+b") as written:
        process = box.start(*box.fixed(), command="echo ran")
        threading.Timer(0.5, written.close).start()
        assert process.communicate(timeout=PATIENCE) == ("ran\n", "") and process.returncode == 0
