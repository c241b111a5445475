# SPDX-License-Identifier: Apache-2.0
"""Ends that nobody planned: Ctrl-C, kill -9, a second run, a full disk, a folder that cannot be written."""

import contextlib
import os
import signal
import subprocess

import pytest
from engine import PATH, journal, pipeline, processes, reasons, sh, stage, statuses, wait_for
from support import PATIENCE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextlib.contextmanager
def mounted(path, *options):
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_ctrl_c_stops_everything_and_the_run_can_be_resumed(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo once >> a"), sh("b", "[ -e again ] && exit 0; setsid sleep 1011 & sleep 1012"), sh("c", "true")))
    process = runner.start("run", file)
    wait_for(lambda: processes("sleep 1011", tmp_path) and processes("sleep 1012", tmp_path), "b sleeps")
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130
    assert not processes("sleep 1011", tmp_path) and not processes("sleep 1012", tmp_path)
    assert statuses(tmp_path) == {"a": "ok", "b": "cancelled", "c": "cancelled"}
    assert "interrupted" in out and "--resume" in out
    (tmp_path / "again").touch()
    runner("run", "--resume", file)
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "c": "ok"}
    assert "it was stopped in run" in reasons(tmp_path)["b"]
    assert (tmp_path / "a").read_text() == "once\n"


def test_a_second_ctrl_c_kills_what_does_not_listen(runner, pipe):
    process = runner.start("run", *PATH, pipe(pipeline(stage("one", "hang"))), env={"RUNNER_STOP_GRACE": "1h"})
    wait_for(lambda: "hanging" in runner("logs", "one", code=None).out, "it hangs")
    process.send_signal(signal.SIGINT)
    line = ""
    while "interrupted" not in line:
        line = process.stdout.readline()
        assert line, "the first one is answered"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_stop_are_heard_too(runner, pipe, sig):
    process = runner.start("run", *PATH, pipe(pipeline(stage("one", "patient"))))
    wait_for(lambda: "waiting" in runner("logs", "one", code=None).out, "it waits")
    process.send_signal(sig)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130


def test_kill_9_leaves_no_orphan_and_a_readable_journal(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo v=1 >> $RUNNER_OUTPUT"), sh("b", "[ -e again ] && exit 0; setsid sleep 1021 & sleep 1022"),
                         sh("c", "echo got ${{ stages.a.v }}")))
    process = runner.start("run", file)
    wait_for(lambda: processes("sleep 1021", tmp_path) and processes("sleep 1022", tmp_path), "b sleeps")
    process.kill()
    process.wait()
    wait_for(lambda: not processes("sleep 1021", tmp_path) and not processes("sleep 1022", tmp_path), "nothing is left")
    assert [e["event"] for e in journal(tmp_path)][-1] == "stage-start"
    (tmp_path / "again").touch()
    out = runner("run", "--resume", file).out
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "c": "ok"} and "got 1" in out
    assert "it was interrupted in run" in reasons(tmp_path)["b"]


def test_a_torn_line_of_the_journal_is_no_line(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo v=1 >> $RUNNER_OUTPUT"), sh("b", "true")))
    runner("run", file)
    path = tmp_path / ".runner/latest/journal"
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, 0, -97):
        path.write_bytes(whole[:cut])
        runner("outputs", code=None)
        assert runner("run", "--dry-run", "--resume", file).code == 0


def test_two_runs_of_one_pipeline_do_not_meet(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo $$ >> pids; until [ -e go ]; do sleep 0.02; done")))
    first = runner.start("run", file)
    wait_for(lambda: (tmp_path / "pids").exists(), "the first one runs")
    refused = runner("run", file, code=3)
    assert f"process {first.pid}, `runner run {file}`, run 2" in refused.err and "--lock-wait" in refused.err
    assert "is still being run after 1ms of waiting" in runner("run", "--lock-wait", "1ms", file, code=3).err
    waiting = runner.start("run", "--wait", file)
    said = waiting.stderr.readline()
    assert "waiting for " in said and f"process {first.pid}" in said
    assert len((tmp_path / "pids").read_text().split()) == 1
    (tmp_path / "go").touch()
    assert first.wait(PATIENCE) == 0 and waiting.wait(PATIENCE) == 0
    assert len((tmp_path / "pids").read_text().split()) == 2
    # another pipeline in the same folder is nobody's business, also from inside a run
    inner = pipe(pipeline(sh("x", "true"), name="inner"), "inner.pipe")
    runner("run", pipe(pipeline(sh("outer", f"{runner.program} run {inner}")), "outer.pipe"))


def test_runs_of_one_name_do_not_meet_wherever_their_file_lies(runner, pipe, tmp_path):
    first = runner.start("run", pipe(pipeline(sh("a", "touch begun; until [ -e go ]; do sleep 0.02; done"))))
    wait_for(lambda: (tmp_path / "begun").exists(), "the first one runs")
    again = pipe(pipeline(sh("a", "true")), "elsewhere/again.pipe")
    env = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "42"}
    for command in ("run", "destroy", "rollback"):
        assert f"process {first.pid}" in runner(command, again, code=3).err
    runner("plan", again)  # reads only
    (tmp_path / "go").touch()
    assert first.wait(PATIENCE) == 0
    # a run that was killed is in nobody's way, and names where it ran
    for sig in (signal.SIGKILL, signal.SIGTERM):
        (tmp_path / "begun").unlink()
        (tmp_path / "go").unlink(missing_ok=True)
        dead = runner.start("run", pipe(pipeline(sh("a", "touch begun; until [ -e go ]; do sleep 0.02; done"))), env=env)
        wait_for(lambda: (tmp_path / "begun").exists(), "it runs")
        assert "https://github.com/o/r/actions/runs/42" in runner("run", again, code=3).err
        dead.send_signal(sig)
        dead.wait(PATIENCE)
        said = runner("run", again).err
        assert ("took over from a run that is dead" in said) == (sig == signal.SIGKILL)


@needs_root
def test_a_read_only_folder_is_told_before_anything_runs(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", f"touch {tmp_path}/ran")))
    with mounted(tmp_path / "ro", "-o", "ro") as folder:
        result = runner("run", file, cwd=folder, code=3)
    assert "Read-only file system" in result.err and "make that folder writable" in result.err
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_permission_is_told_before_anything_runs(plain_user):
    folder = plain_user.path("denied")
    file = folder / "x.pipe"
    file.write_text("name: x\nstages:\n  - {id: a, uses: exec, with: {command: 'true'}}\n")
    folder.chmod(0o555)
    done = plain_user.runner("run", file, cwd=folder, code=3)
    assert "Permission denied" in done.err and "make that folder writable" in done.err


@needs_root
def test_a_disk_that_is_full_from_the_start_is_told(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "true")))
    with mounted(tmp_path / "full", "-o", "size=64k") as folder:
        with contextlib.suppress(OSError), open(folder / "ballast", "wb", buffering=0) as f:
            while f.write(b"x" * 4096):
                pass
        result = runner("run", file, cwd=folder, code=3)
    assert "No space left on device" in result.err and "make room" in result.err


@needs_root
def test_a_disk_that_gets_full_stops_the_run_with_its_reason(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("a", "flood"), sh("b", f"touch {tmp_path}/ran-b")))
    with mounted(tmp_path / "small", "-o", "size=2m") as folder:
        result = runner("run", *PATH, file, cwd=folder, code=3)
        (folder / ".runner/latest/logs/a.log").write_text("")
        runner("logs", "a", cwd=folder)
        result2 = runner("run", "--resume", *PATH, pipe(pipeline(sh("a", "true"), sh("b", "true"))), cwd=folder)
        assert "it was" in result2.out
    assert "No space left on device" in result.text and "make room" in result.text
    assert not (tmp_path / "ran-b").exists()


def test_a_closed_stdout_does_not_stop_a_run(runner, pipe, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = runner.start("run", pipe(pipeline(sh("a", "echo hello"), sh("b", "touch done"))), stdout=write_end)
    os.close(write_end)
    assert process.wait(PATIENCE) == 0 and (tmp_path / "done").exists()


def test_the_journal_can_be_read_by_others_while_it_is_written(runner, pipe, tmp_path):
    process = runner.start("run", pipe(pipeline(sh("a", "until [ -e go ]; do sleep 0.02; done"))))
    wait_for(lambda: (tmp_path / ".runner/latest/journal").exists(), "it runs")
    wait_for(lambda: any(e["event"] == "stage-start" for e in journal(tmp_path)), "a begins")
    assert "ended" not in runner("outputs").out
    (tmp_path / "go").touch()
    assert process.wait(PATIENCE) == 0
