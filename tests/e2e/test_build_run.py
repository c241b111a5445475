# SPDX-License-Identifier: Apache-2.0
"""RUN of oci-build: what a command sees, what stays of it, how it fails, mounts, secrets, and the shell into a step."""

import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import tarfile
import termios
from pathlib import Path

import pytest

import harness_base
import support
from build_context import Context, Image
from engine import processes, wait_for

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="the other rungs are in test_build_rungs.py")]


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """FROM line of a small busybox image."""
    folder = tmp_path_factory.mktemp("base") / "base"
    harness_base.layout(folder)
    return f"FROM oci-layout://{folder}\n"


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def members(image):
    """(tar, member) of each layer, the uppermost first."""
    for data in reversed(image.layers):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                yield tar, member


def out(image, path="out"):
    """Content of a file of the image."""
    return next(tar.extractfile(m).read().decode() for tar, m in members(image) if m.name == path)


def everything_on_disk(context, *, without=()):
    """All bytes below the test's folder, but for what is named."""
    skip = {Path(p) for p in without}
    for path in context.folder.parent.rglob("*"):
        if path.is_file() and not path.is_symlink() and path not in skip:
            yield path, path.read_bytes()


def test_environment(context, base):
    image = context.build(base + "ENV A=env HOME2=x\nARG A=arg\nARG B=arg\nARG NONE\nRUN env | grep -v PWD= | grep -v SHLVL= > /out\n",
                          build_args={"HTTP_PROXY": "http://p", "B": "given"}, source_date_epoch=1700000000)
    assert set(out(image).splitlines()) == {"A=env", "B=given", "HOME=/root", "HOME2=x", "HTTP_PROXY=http://p", "PATH=/bin",
                                            "SOURCE_DATE_EPOCH=1700000000"}
    history = [h["created_by"] for h in image.config["history"]]
    assert history[-1].startswith("RUN |1 B=given /bin/sh -c env") and "http://p" not in str(history)


def test_user(context, base):
    image = context.build(base + "RUN mkdir -m 777 /u\nUSER app\nRUN echo $HOME $(id -u) $(id -g) $(id -G) > /u/a\nUSER 4242:7\n"
                                 "RUN echo $HOME $(id -u) $(id -g) $(id -G) > /u/b\nUSER nobody-here\n")
    assert out(image, "u/a") == "/home/app 1000 1000 1000 50 51\n" and out(image, "u/b") == "/ 4242 7 7\n"
    failed = context.build(base + "USER nobody-here\nRUN true\n", code=None)
    assert failed.code and 'no user "nobody-here"' in failed.text and "Dockerfile:3" in failed.text


def test_names_of_hosts_are_there_and_not_in_the_layer(context, base):
    image = context.build(base + "RUN hostname > /name; wc -c < /etc/resolv.conf > /size; cat /etc/hosts > /hosts; "
                                 "echo gone > /etc/resolv.conf; echo gone > /etc/hosts; mkdir /dev/x /proc/x 2>/dev/null; true\n")
    assert out(image, "name") == "build\n" and "localhost" in out(image, "hosts")
    assert int(out(image, "size")) == len(Path("/etc/resolv.conf").read_bytes())
    assert out(image, "etc/resolv.conf") == "" and out(image, "etc/hosts") == ""
    with tarfile.open(fileobj=io.BytesIO(image.layers[-1])) as tar:
        assert tar.getnames() == ["hosts", "name", "size"]


def test_output_comes_line_by_line_in_its_order(context, base):
    context.build(base + "RUN echo one; echo two >&2; echo three; printf 'a\\rlast\\n'; printf no-newline\n")
    lines = re.findall(r"image \| (.*)", context.text)
    at = lines.index("one")
    assert lines[at:at + 5] == ["one", "two", "three", "last", "no-newline"]


@pytest.mark.skipif(os.cpu_count() < 2, reason="one core runs one stage at a time")
def test_output_of_stages_side_by_side_says_whose_it_is(context, base):
    """Each of the two commands waits for the other one."""
    step = "RUN --mount=type=cache,target=/meet touch /meet/{0}; until test -e /meet/{1}; do sleep 0.02; done; echo hello of {0}; echo x > /{0}\n"
    context.build(base.replace("\n", " AS one\n") + step.format("one", "two") + base.replace("\n", " AS two\n") + step.format("two", "one")
                  + base + "COPY --from=one /one /\nCOPY --from=two /two /\n")
    assert sorted(re.findall(r"image \| (.*hello of .*)", context.text)[-2:]) == ["one 2/2: hello of one", "two 2/2: hello of two"]


@pytest.mark.parametrize("command, why", [("exit 9", "exited with status 9"), ("kill -9 $$", "killed by signal 9 (SIGKILL)"),
                                          ("no-such-program", "status 127: a program was not found")])
def test_failures_say_what_where_and_what_to_do(context, base, command, why):
    failed = context.build(base + "RUN true\nRUN echo before; " + command + "\nRUN echo never\n", code=1)
    assert why in failed.text and "Dockerfile:3:1" in failed.text and "before" in failed.text.split("last lines")[1]
    assert "runner shell" in failed.text and "| never" not in failed.text


def test_what_is_not_supported_is_refused_at_its_line(context, base):
    for flag, words in (("--security=insecure", "RUN always runs in the sandbox"), ("--device=gpu", "no devices of the machine"),
                        ("--network=bridge", "default, none or host"), ("--mount=type=bind,target=/", "cannot be the root"),
                        ("--mount=type=bind,from=$x,target=/m", "takes no variables"), ("--mount=type=tmpfs,size=x,target=/t", "size")):
        failed = context.build(base + f"ARG x=1\nRUN {flag} true\n", code=None)
        assert failed.code in (1, 2, 3) and words in failed.text and "Dockerfile:3" in failed.text, failed.text


def test_several_heredocs_and_stdin(context, base):
    image = context.build(base + "ARG x=1\nRUN cat > /a <<A && cat <<'B' > /b && cat <<-C > /c\n$x\nA\n$x\nB\n\tin\nC\n"
                                 "RUN <<SCRIPT\n#!/bin/cat\nbody\nSCRIPT\n")
    assert (out(image, "a"), out(image, "b"), out(image, "c")) == ("1\n", "$x\n", "in\n")
    assert "#!/bin/cat" in context.text and "| body" in context.text


def test_network_none(context, base):
    look = "ls /sys/class/net > /out{0}; busybox readlink /proc/self/ns/net >> /out{0}; ip addr show dev lo | grep -c 127.0.0.1 >> /out{0}"
    image = context.build(base + "".join(f"RUN {flag} {look.format(i)}\n" for i, flag in enumerate(("--network=none", "", "--network=host"))), network="none")
    machine = os.readlink("/proc/self/ns/net")
    for i in range(2):
        names, space, loopback = out(image, f"out{i}").splitlines()
        assert names == "lo" and space != machine and loopback == "1"
    assert machine in out(image, "out2").splitlines()
    image = context.build(base + "RUN busybox readlink /proc/self/ns/net > /out\nRUN --network=default busybox readlink /proc/self/ns/net > /out2\n")
    assert out(image) == out(image, "out2") == machine + "\n"


def test_network_default_is_what_the_pipeline_says_also_for_the_cache(context, base):
    text = base + "RUN --network=default busybox readlink /proc/self/ns/net > /out\n"
    machine = os.readlink("/proc/self/ns/net") + "\n"
    assert out(context.build(text, network="none")) != machine
    assert out(context.build(text, network="host")) == machine and context.cached == 0
    assert out(context.build(text, network="none")) != machine and context.cached == 1


# ---- mounts ----

def test_binds_see_what_dockerignore_leaves(context, base):
    context.write("d/kept", "kept\n")
    context.write("d/ignored", "ignored\n")
    context.write(".dockerignore", "d/ignored\n")
    image = context.build(base + "ARG from=d\nWORKDIR /w\nRUN --mount=type=bind,source=$from,target=m ls m > /out; touch m/x || echo refused >> /out\n"
                                 "RUN --mount=source=d/kept,target=/f,rw echo more >> /f; cat /f >> /out\n")
    assert out(image) == "kept\nrefused\nkept\nmore\n"
    assert (context.folder / "context/d/kept").read_text() == "kept\n"
    assert "w/m" not in image.describe() and "f" not in image.describe()


def test_a_changed_bind_runs_again(context, base):
    context.write("d/f", "1")
    text = base + "RUN --mount=source=d,target=/m cat /m/f > /out\n"
    assert out(context.build(text)) == "1"
    context.write("d/f", "2")
    assert out(context.build(text)) == "2" and context.cached == 0
    assert out(context.build(text)) == "2" and context.cached == 1


def test_a_bind_from_another_stage_alone_builds_it(context, base):
    image = context.build(base.replace("\n", " AS tools\n") + "RUN echo tool > /tool\n" + base.replace("\n", " AS unused\n") + "RUN exit 1\n"
                          + base + "RUN --mount=from=tools,source=/tool,target=/t cat /t > /out\n")
    assert out(image) == "tool\n"


def test_caches_outlive_builds_and_are_in_no_layer(context, base):
    text = base + "ARG n\nRUN --mount=type=cache,target=/c,mode=0700,uid=5,gid=6 echo $n >> /c/f; cat /c/f > /out; stat -c '%a %u %g' /c >> /out\n"
    assert out(context.build(text, build_args={"n": "1"})) == "1\n700 5 6\n"
    image = context.build(text, build_args={"n": "2"})
    assert out(image) == "1\n2\n700 5 6\n" and "c" not in image.describe()
    other = base + "RUN --mount=type=cache,target=/c,id=other,from=seed,source=/x cat /c/f > /out\n"
    seed = base.replace("\n", " AS seed\n") + "RUN mkdir /x && echo seeded > /x/f\n"
    assert out(context.build(seed + other)) == "seeded\n"


def test_tmpfs_has_its_size(context, base):
    image = context.build(base + "RUN --mount=type=tmpfs,target=/t,size=1m dd if=/dev/zero of=/t/f bs=1k count=4000 2>/dev/null || stat -c %s /t/f > /out\n")
    assert out(image) == f"{1 << 20}\n" and "t" not in image.describe()


def test_secrets_are_nowhere(context, base):
    secret, other = "correct-horse-battery", "staple-of-the-environment"
    context.write("../secret.txt", secret + "\n")
    text = base + ("RUN --mount=type=secret,id=file,mode=0440,uid=7,gid=8 --mount=type=secret,id=env,env=TOKEN "
                   "cat /run/secrets/file && echo token=$TOKEN && stat -c '%a %u %g' /run/secrets/file > /out && echo $TOKEN | wc -c >> /out && exit 0\n")
    secrets = {"file": {"file": "secret.txt"}, "env": {"env": "OTHER_TOKEN"}}
    image = context.build(text, env={"OTHER_TOKEN": other}, secrets=secrets)
    assert out(image) == f"440 7 8\n{len(other) + 1}\n" and "token=***" in context.text
    failed = context.build(text.replace("exit 0", "exit 3"), env={"OTHER_TOKEN": other}, secrets=secrets, code=1)
    for word in (secret, other):
        assert word not in failed.text and word not in context.text
        for path, data in everything_on_disk(context, without=[context.folder / "secret.txt"]):
            assert word.encode() not in data, path


def test_a_secrets_variable_takes_the_place_of_others(context, base):
    """No shell in between, which would hide a second value."""
    context.build(base + 'ENV T=plain\nARG U=arg\nRUN --mount=type=secret,id=t,env=T --mount=type=secret,id=t,env=U ["/bin/busybox", "env"]\n',
                  secrets={"t": {"value": "correct-horse-battery"}})
    assert sorted(re.findall(r"image \| ([TU]=.*)", context.text)) == ["T=***", "U=***"]


def test_secrets_do_not_count_for_the_cache_but_their_absence_fails(context, base):
    text = base + "RUN --mount=type=secret,id=t,required=true cat /run/secrets/t > /dev/null; echo x > /out\n"
    context.build(text, secrets={"t": "first-value-of-it"})
    context.build(text, secrets={"t": {"value": "second-value-of-it"}})
    assert context.cached == 1
    failed = context.build(text + "\nRUN --mount=type=secret,id=u,required true\n", secrets={"t": "x"}, code=None)
    assert 'no secret "u"' in failed.text and "secrets: {u: {file: PATH}}" in failed.text
    failed = context.build(text, secrets={"t": {"fil": "x"}}, code=None)
    assert "{file: PATH}" in failed.text
    failed = context.build(text.replace("id=t", "id=v"), secrets={"v": "/no/such/file"}, code=None)
    assert "looks like the path of a file" in failed.text and "/no/such/file" not in failed.text


def test_few_descriptors_are_enough(context, base):
    file = context.pipeline(base + "RUN echo ran > /out\n")
    done = subprocess.run(["prlimit", "--nofile=64", *map(str, context.runner.argv("run", file))], cwd=context.folder, env=context.runner.full_env(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert out(Image.from_layout(context.folder / "layout")) == "ran\n"


def test_a_command_has_a_cache_twice(context, base):
    text = base + ("RUN --mount=type=cache,id=c,target=/a --mount=type=cache,id=c,target=/b,sharing=locked "
                   "--mount=type=cache,id=b,target=/d,sharing=locked echo one > /a/f && cat /b/f > /out && test ! -e /d/f\n")
    assert out(context.build(text)) == "one\n"


# ---- life and death ----

def test_a_killed_build_leaves_nothing_that_harms(context, base):
    command = f"sleep 77777{os.getpid()}"
    file = context.pipeline(base + f"RUN echo started; {command}\n")
    process = context.runner.start("run", file, cwd=context.folder)
    while "| started" not in (line := process.stdout.readline()):
        assert line
    os.killpg(process.pid, 9)
    process.communicate(timeout=support.PATIENCE)
    wait_for(lambda: not processes(command), "it does not live on")
    assert out(context.build(base + "RUN echo fine > /out\n")) == "fine\n"
    steps = list((context.store.parent / "rootfs").glob("*/steps/*"))
    assert steps == []


def test_a_base_is_unpacked_once(context, base):
    context.build(base + "RUN echo 1 > /one\n")
    def layers():
        return {p.name: p.stat().st_ino for p in (context.store.parent / "rootfs").glob("*/layers/[0-9a-f]*")}

    first = layers()
    context.build(base + "RUN echo 2 > /two\n")
    assert len(first) == 2 and len(layers()) == 3 and first.items() < layers().items()
    folders = list((context.store.parent / "rootfs").glob("*/layers/[0-9a-f]*"))
    for folder in folders:
        os.utime(folder, (0, 0))
    context.build(base + "RUN echo 3 > /three\n")  # what nothing used for long goes, and what is needed comes back
    assert len(layers()) == 2 and not first.items() <= layers().items()


def test_a_layer_unpacked_while_it_is_written_is_as_run_unpacks_it(context, base):
    context.write("some/deep/file", "x" * 300000, 0o4711)
    (context.folder / "context/some/link").symlink_to("deep/file")
    text = base + "RUN mkdir -p /a/b && chown 5:6 /a/b && chmod 2750 /a/b\nCOPY --chown=7:8 some /a/b/c/\n"

    def layers():
        seen = {}
        for top in (context.store.parent / "rootfs").glob("*/layers/[0-9a-f]*/fs"):
            for path in top.rglob("*"):
                st = path.lstat()
                seen[f"{top.parent.name}/{path.relative_to(top)}"] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, st.st_size)
        return seen

    context.build(text + "RUN --mount=type=secret,id=none,required cat /run/secrets/none\n", code=1)  # it never unpacked anything
    along = layers()
    assert [n for n in along if n.endswith("a/b/c/deep/file")]
    assert not list((context.store.parent / "rootfs").glob("*/layers/.new-*"))
    for folder in (context.store.parent / "rootfs").glob("*/layers/*"):
        if folder.is_dir():
            shutil.rmtree(folder)
    image = context.build(text + "RUN stat -c '%a %u %g' /a/b /a/b/c/deep/file > /out\n")
    assert out(image) == "2750 5 6\n4711 7 8\n"
    again = layers()
    assert {n: again[n] for n in along} == along


def unfinished(context, below=""):
    """What folders of layers have that are still being made."""
    return list((context.store.parent / "rootfs").glob(f"*/layers/.new-*{below}"))


def test_a_file_that_changes_while_its_layer_becomes_a_folder(context, base):
    """RUN sees what the layer has, and the cache does not take that for what the file was when the key was made."""
    os.truncate(context.write("some/large", "x"), 1 << 30)  # holes: time to change what comes after it
    small = context.write("some/small", "before")
    file = context.pipeline(base + "COPY some /some\nRUN cat /some/small > /out\n")
    process = context.runner.start("run", file, cwd=context.folder, stderr=subprocess.STDOUT)
    wait_for(lambda: process.poll() is not None or unfinished(context, "/fs/some/large"), "the layer is written")
    with small.open("r+") as f:
        f.write("after!")
    said = process.communicate(timeout=support.PATIENCE)[0]
    assert process.returncode == 0 and "files changed while they were read" in said, said
    image = Image.from_layout(context.folder / "layout")
    assert out(image) == out(image, "some/small")
    assert unfinished(context) == []
    small.write_text("before")
    assert [(context.build(layout=None), context.cached)[1] for _ in range(2)] == [0, 2]


def test_a_base_that_is_unpacked_ahead_changes_no_error(context, base):
    """With an empty cache a COPY is certain to run, and the base is got while its files are looked at."""
    said = context.build(base + "COPY missing /missing\nRUN true\n", code=1).text
    assert "Dockerfile:2" in said and '"missing" is not in the build context' in said
    assert unfinished(context) == []
    context.write("missing", "here")
    assert out(context.build(base + "COPY missing /missing\nRUN cat /missing > /out\n")) == "here"


def test_a_sparse_file_is_sparse_for_the_next_step(context, base):
    os.truncate(context.write("large", "begin"), 256 << 20)
    text = base + "COPY large /large\nRUN truncate -s 256M /log && echo end >> /log\n"
    check = "RUN [ $(du -k /large | cut -f1) -lt 1024 ] && [ $(du -k /log | cut -f1) -lt 1024 ] && head -c 5 /large > /out && tail -c 4 /log >> /out\n"
    assert out(context.build(text + check)) == "beginend\n"
    for folder in (context.store.parent / "rootfs").glob("*/layers/*"):
        if folder.is_dir():
            shutil.rmtree(folder)
    image = context.build(text + "RUN true\n" + check)
    assert out(image) == "beginend\n" and image.describe()["large"].startswith("file 0644 0:0 268435456 ")


def test_the_same_bytes_from_a_cold_and_a_warm_machine(context, base):
    text = base + "COPY Dockerfile /df\nRUN mkdir -p /a/b && echo x > /a/b/c && ln /a/b/c /a/d && chmod 2755 /a\nRUN rm /a/b/c && touch /etc/motd\n"
    context.build(text)
    first = context.digest
    shutil.rmtree(context.store.parent)
    context.build(text)
    assert context.digest == first


# ---- the shell ----

FAILING = "ENV A=b\nWORKDIR /w\nRUN echo made > /made\nRUN --mount=type=secret,id=t echo half > /half && exit 7\n"


def shell(context, *args, code=0):
    result = context.runner("shell", context.folder / "build.pipe", *args, cwd=context.folder, code=code)
    return result.out, result.err


def test_a_failed_step_is_entered_as_it_was_left(context, base):
    context.build(base + FAILING, code=1, secrets={"t": "hidden-in-the-step"})
    for _ in range(2):  # and again
        told, err = shell(context, "image", "--", "/bin/sh", "-c", "cat /half /made /run/secrets/t; pwd; echo $A; echo again >> /half; exit 5", code=5)
        assert told.replace("again\n", "") == "half\nmade\nhidden-in-the-step/w\nb\n"
        assert "as it was left by RUN --mount" in err
    context.build(base + "RUN true\n")
    _, err = shell(context, "image", "--", "true", code=125)
    assert "no RUN of this stage failed" in err
    assert not list((context.store.parent / "rootfs").glob("*/kept/*"))


def test_what_a_failed_step_left_is_never_another_folder(context, base):
    context.build(base + FAILING, code=1, secrets={"t": "hidden-in-the-step"})
    [description] = context.folder.rglob("failed-step.json")
    precious = context.folder / "precious"
    precious.mkdir()
    description.write_text(json.dumps({**json.loads(description.read_text()), "root": str(precious)}))
    _, err = shell(context, "image", "--", "true", code=125)
    assert "no RUN of this stage failed" in err
    context.build(base + "RUN true\n")
    assert precious.is_dir() and not description.exists()


def test_any_step_is_entered_before_it_runs(context, base):
    context.build(base + FAILING, code=1, secrets={"t": "x-hidden"})
    assert shell(context, "image:5", "--", "ls", "/made", "/half", code=1)[0] == "/made\n"
    assert shell(context, "image:4", "--", "ls", "/made", code=1)[0] == ""
    assert shell(context, "image:3", "--", "/bin/sh", "-c", "echo $A")[0] == "b\n"  # a WORKDIR
    context.build(base.replace("\n", " AS one\n") + "RUN echo 1 > /f\n" + base + "COPY --from=one /f /\n")
    assert "/f" not in shell(context, "image:one.2", "--", "ls", "/")[0].split()
    for step, words in (("nowhere.2", 'no stage "nowhere"'), ("x", "no step"), ("9", "no such step")):
        assert words in shell(context, f"image:{step}", "--", "true", code=125)[1]
    assert context.runner("shell", "x", code=2).err.count("Usage: runner shell") == 1


def test_a_terminal_gets_a_shell_with_job_control(context, base):
    context.pipeline(base + "RUN true\n")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    process = subprocess.Popen(context.runner.argv("shell", context.folder / "build.pipe", "image:2"), stdin=slave, stdout=slave,
                               stderr=subprocess.PIPE, env=context.runner.full_env({"TERM": "vt100"}), cwd=context.folder, start_new_session=True)
    os.close(slave)
    os.write(master, b"busybox stty size; echo term=$TERM; echo tty=$(test -t 0 && echo yes); exit 3\n")
    seen = b""
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
    assert process.wait(support.PATIENCE) == 3, process.stderr.read()
    assert b"term=vt100" in seen and b"tty=yes" in seen and b"job control turned off" not in seen
    os.close(master)


def test_an_empty_image_and_a_mistyped_stage_are_told(context, base):
    """The name of no stage is one of an image; no registry is reached here."""
    away = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""}
    assert "the image is empty, so there is nothing to run" in context.build("FROM scratch\nRUN true\n", code=1).text
    copied = context.build(f"{base.strip()} AS build\nFROM scratch\nCOPY --from=buidl /bin /bin\n", code=1, env=away)
    assert 'did you mean the stage "build"?' in copied.text and "Dockerfile:3:13" in copied.text
    begun = context.build(f"{base.strip()} AS build\nFROM biuld\nRUN true\n", code=1, env=away)
    assert 'did you mean the stage "build"?' in begun.text and "Dockerfile:2:6" in begun.text
    assert "did you mean" not in context.build("FROM far-away\n", code=1, env=away).text
