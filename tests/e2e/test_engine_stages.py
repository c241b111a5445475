# SPDX-License-Identifier: Apache-2.0
"""What one stage can do to the engine: crash, hang, flood, leave processes behind, fail, be tried again."""

import os
import re
import signal
import time

import pytest
from engine import PATH, children, cpu_seconds, journal, pipeline, plain_build, processes, sh, stage, statuses, wait_for
from support import PATIENCE

NOT_KILLED = {"RUNNER_STOP_GRACE": "1h"}


def test_every_host_service_reaches_the_plugin(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("one", "good", text="hi", count=-3, items=["a", "b"], pairs={"k": "v"}, data={"x": [1, None]},
                               file="here.txt", wait="2s")))
    out = runner("run", *PATH, file).out
    assert "text=hi count=-3 ratio=0.5 flag=1 wait=2000 limit=65536" in out
    assert "item 0: a" in out and "item 1: b" in out and "pair k=v" in out and 'data {"x":[1,null]}' in out
    assert f"warning: file {tmp_path}/here.txt" in out
    assert "set: text 1, count 1" in out and "stage one of test" in out
    assert re.search(r"created +one +thing/a +it was not there", out) and re.search(r"unchanged +one +thing/b", out)
    assert 'warning: output "nowhere" is not declared by the plugin' in out
    assert "generated-key-0123456789" not in out and "learnt-on-the-way" not in out
    assert re.search(r"one\.key +\*\*\*", out)


@plain_build
def test_a_crash_is_the_failure_of_its_stage_with_the_signal(runner, pipe, tmp_path):
    result = runner("run", *PATH, pipe(pipeline(stage("one", "crash"), sh("two", "true"))), code=1)
    assert "crashed: signal 11 (SIGSEGV" in result.out and "about to crash" in result.out
    assert "test.pipe:3:3" in result.out
    assert statuses(tmp_path) == {"one": "failed", "two": "skipped"}


def test_a_stage_that_hangs_is_killed_after_its_timeout(runner, pipe, tmp_path):
    result = runner("run", *PATH, pipe(pipeline(stage("one", "hang", {"timeout": "500ms"}))), code=1)
    assert "did not end within its timeout of 500ms" in result.out and "raise `timeout:`" in result.out


def test_a_stage_that_listens_ends_at_once_when_its_time_is_over(runner, pipe):
    result = runner("run", *PATH, pipe(pipeline(stage("one", "patient", {"timeout": "3s"}))), env=NOT_KILLED, code=1)
    assert "cancelled: 1" in result.out and "did not end within its timeout of 3.0s" in result.out


def test_how_long_a_stage_has_to_end_by_itself_can_be_set(runner, pipe):
    file = pipe(pipeline(stage("one", "hang", {"timeout": "1s"})))
    process = runner.start("run", *PATH, file, env=NOT_KILLED)
    wait_for(lambda: "hanging" in runner("logs", "one", code=None).out, "it hangs")
    time.sleep(8)  # more than its second and the usual time to end
    assert process.poll() is None
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        assert any("interrupted" in line or "cancelled" in line for line in process.stdout)
    process.communicate(timeout=PATIENCE)
    assert process.returncode in (1, 130)
    assert "did not end within its timeout" in runner("run", *PATH, file, env={"RUNNER_STOP_GRACE": "1ms"}, code=1).out
    for wrong in ("soon", "0s", "2h"):
        assert "RUNNER_STOP_GRACE" in runner("run", *PATH, file, env={"RUNNER_STOP_GRACE": wrong}, code=2).err


def test_the_time_of_the_whole_run_can_be_bounded(runner, pipe, tmp_path):
    result = runner("run", "--timeout", "3s", *PATH, pipe(pipeline(stage("one", "patient"), sh("two", "true"))), code=1)
    assert "--timeout" in result.out
    assert statuses(tmp_path) == {"one": "failed", "two": "skipped"}


@plain_build
def test_a_flood_of_100_mb_is_kept_on_disk_and_not_in_memory(runner, pipe, tmp_path):
    process = runner.start("run", *PATH, pipe(pipeline(stage("one", "flood"))), stdout=open(tmp_path / "out", "w"))
    peak = {}
    while process.poll() is None:  # the peak of each process so far, seen as often as possible
        for pid in [process.pid, *children(process.pid)]:
            peak[pid] = max(peak.get(pid, 0), peak_kib(pid))
        time.sleep(0.005)
    assert process.returncode == 0
    assert len(peak) >= 2 and 0 < max(peak.values()) < 32 * 1024, peak
    assert (tmp_path / ".runner/latest/logs/one.log").stat().st_size == 100_000_000
    out = (tmp_path / "out").read_text()
    assert "the rest of its log is in .runner/runs/" in out and len(out) < 10_000_000


def peak_kib(pid):
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1))
    except (OSError, AttributeError):
        return 0


def test_what_a_stage_leaves_behind_is_killed(runner, pipe):
    out = runner("run", *PATH, pipe(pipeline(stage("one", "spawn"), sh("two", "true")))).out
    assert "killed what the stage left behind: " in out and "sleep" in out
    for marker in ("sleep 1001", "sleep 1002", "sleep 1003", "sleep 1004"):
        assert processes(marker, runner.cwd) == []


def test_a_process_that_ends_by_itself_right_behind_the_stage_is_let_finish(runner, pipe, tmp_path):
    # what writes the last line sees the end of the stage, and ends then
    runner("run", pipe(pipeline(stage("one", "exec", command="exec 9> >(cat; echo tail)", shell="bash"))))
    assert "tail" in (tmp_path / ".runner/latest/logs/one.log").read_text()


def test_no_descriptor_but_its_own_reaches_a_stage(runner, pipe):
    file = pipe(pipeline(stage("one", "leak-fd")))
    # descriptors that the caller forgot to close must not get in either
    extra = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(extra, True)
    process = runner.start("run", *PATH, file, close_fds=False)
    out = process.communicate(timeout=PATIENCE)[0]
    os.close(extra)
    assert process.returncode == 0
    own = dict(re.findall(r"\| fd (\d+) -> (.*)", out))
    assert set(own) <= {"0", "1", "2", "3", "4", "5", "6"}, own
    assert own.pop("0") == "/dev/null" and own.pop("1").startswith("pipe:") and own.pop("2").startswith("pipe:")
    assert own.pop("3").startswith("pipe:") and own.pop("4").startswith("pipe:") and "eventfd" in own.pop("5")
    assert all("/proc/" in to for to in own.values()), own  # the listing itself
    child = re.findall(r":\d\d (\d+) -> (.*)", out)  # as `ls -l` has it, behind the time
    assert {n for n, to in child if "/proc/" not in to} == {"0", "1", "2"}, child


@pytest.mark.parametrize("plugin, words", [
    ("leave", "ended its process with exit status 0 instead of returning"),
    ("silent", "returned -1 without a reason"),
    ("garble", "wrote into the runner's own descriptor"),
])
def test_breaches_of_the_contract_are_told_in_words(runner, pipe, plugin, words):
    assert words in runner("run", *PATH, pipe(pipeline(stage("one", plugin))), code=1).out


def test_events_as_large_as_they_may_be_come_through(runner, pipe, tmp_path):
    text = "x" * 1_000_000
    file = pipe(pipeline(stage("one", "good", data="${{ vars.big }}"), sh("two", "true"), vars={"big": text}))
    events = runner("run", "--output", "json", *PATH, file).json_lines()
    assert [e["value"] for e in events if e["event"] == "output" and e["name"] == "data"] == [text]


def test_host_services_may_be_called_from_many_threads(runner, pipe, tmp_path):
    events = runner("run", "--output", "json", *PATH, pipe(pipeline(stage("one", "threads")))).json_lines()
    lines = [e["text"] for e in events if e["event"] == "log"]
    assert len(lines) == 8 * 500
    assert all(re.fullmatch(r"line \d+ of a thread, long enough to be torn by a careless writer", line) for line in lines)
    assert sum(e["event"] == "change" for e in events) == 8 * 500


def test_a_failure_names_parameter_place_reason_and_cure(runner, pipe):
    out = runner("run", *PATH, pipe("""name: test
stages:
  - id: one
    uses: fail
    with:
      message: the door is locked
      hint: use the key
      param: message
"""), code=1).out
    assert 'stage "one" (fail) failed, parameter "message"' in out
    assert re.search(r"at +test\.pipe:6:\d+\n +why +the door is locked\n +do +use the key", out)
    assert "runner run --plugin-path" in out and "--resume" in out


def test_a_failure_can_point_into_another_file(runner, pipe):
    out = runner("run", *PATH, pipe(pipeline(stage("one", "fail", source="Dockerfile", line=7))), code=1).out
    assert re.search(r"at +Dockerfile:7\n", out)


@pytest.mark.parametrize("cls, code", [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 3), (7, 3)])
def test_the_class_of_a_failure_decides_the_exit_code(runner, pipe, cls, code):
    runner("run", *PATH, pipe(pipeline(stage("one", "fail", cls=cls))), code=code)


def test_a_stage_is_tried_again_until_it_succeeds(runner, pipe, tmp_path):
    keys = {"retry": {"attempts": 5, "backoff": "10ms"}}
    out = runner("run", *PATH, pipe(pipeline(stage("one", "fail", keys, counter="count", until=3)))).out
    assert (tmp_path / "count").stat().st_size == 3
    assert "attempt 1 failed: it failed as it was told; next one in 10ms" in out and "attempt 3" in out
    assert [e["pause_ms"] for e in journal(tmp_path) if e["event"] == "stage-retry"] == [10, 20]


def test_tries_come_to_an_end(runner, pipe, tmp_path):
    keys = {"retry": {"attempts": 3, "backoff": "1ms"}}
    runner("run", *PATH, pipe(pipeline(stage("one", "fail", keys, counter="count"))), code=1)
    assert (tmp_path / "count").stat().st_size == 3


@pytest.mark.parametrize("cls, retryable, tries", [(2, False, 1), (3, False, 1), (7, False, 1), (5, False, 2), (3, True, 2)])
def test_only_what_can_end_otherwise_is_tried_again(runner, pipe, tmp_path, cls, retryable, tries):
    keys = {"retry": {"attempts": 2, "backoff": "1ms"}}
    runner("run", *PATH, pipe(pipeline(stage("one", "fail", keys, counter="count", cls=cls, retryable=retryable))), code=None)
    assert (tmp_path / "count").stat().st_size == tries


def test_a_crash_and_a_timeout_are_tried_again(runner, pipe):
    keys = {"retry": {"attempts": 2, "backoff": "1ms"}, "needs": []}
    out = runner("run", *PATH, pipe(pipeline(stage("a", "crash", keys), stage("b", "patient", {**keys, "timeout": "2s"}))), code=1).out
    assert out.count("about to crash") >= 2 and out.count("b | waiting") == 2


def test_a_supervisor_that_is_killed_leaves_no_orphan(runner, pipe, tmp_path):
    process = runner.start("run", pipe(pipeline(sh("one", "setsid sleep 1005 & sleep 1006"))))
    wait_for(lambda: processes("sleep 1005", runner.cwd) and processes("sleep 1006", runner.cwd), "both sleep")
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1 and "the process that supervises the stage ended: SIGKILL" in out
    wait_for(lambda: not processes("sleep 1005", runner.cwd) and not processes("sleep 1006", runner.cwd), "both are gone")


@plain_build
def test_200_stages_take_less_than_three_seconds(runner, pipe):
    file = pipe(pipeline(*[sh(f"s{i}", "true") for i in range(200)]))
    runner("run", file)  # the reports of bench/ have the wall time; processor time is the part that is ours
    assert any(cpu_seconds(lambda: runner("run", file)) < 3 for _ in range(5))


def test_scratch_folders_are_private_and_gone_afterwards(runner, pipe, tmp_path):
    runner("run", pipe(pipeline(sh("one", 'd=$(dirname "$RUNNER_OUTPUT"); stat -c %a "$d" > mode; echo "$d" > where'))))
    assert (tmp_path / "mode").read_text().strip() == "700"
    assert not os.path.exists((tmp_path / "where").read_text().strip())


def test_a_folder_that_cannot_be_made_is_told_once(runner, pipe, tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "a-file").touch()
    file = pipe(pipeline(stage("a", "oci-build", context="context")))
    text = runner("run", file, env={"XDG_CACHE_HOME": str(tmp_path / "a-file")}, code=None).text
    assert text.count("warning: make folder") == 1 and "set XDG_CACHE_HOME" in text, text
