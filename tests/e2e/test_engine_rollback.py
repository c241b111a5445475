# SPDX-License-Identifier: Apache-2.0
"""`on_failure: rollback`, `runner rollback`, and what happens to the records in between."""

import json
import os
import signal

import pytest
from engine import PATH, journal, pipeline, reasons, sh, stage, statuses, wait_for
from support import PATIENCE


@pytest.fixture
def world(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"old {name}")
    return lambda *names: [(tmp_path / n).read_text() if (tmp_path / n).exists() else None for n in names or ("a", "b")]


def keeper(id, on_failure="rollback", keys=None, **params):  # noqa: A002
    return stage(id, "keeper", {**({"on_failure": on_failure} if on_failure else {}), **(keys or {})},
                 **{"file": id, "text": f"new {id}", **params})


def rolled(cwd, run="latest"):
    return [(e["stage"], e["status"]) for e in journal(cwd, run) if e["event"] == "rollback-end"]


def test_a_later_failure_puts_back_what_was_changed_in_reverse_order(runner, pipe, tmp_path, world):
    file = pipe(pipeline(keeper("a"), keeper("c"), keeper("b"), keeper("d", on_failure=None), sh("e", "exit 7")))
    result = runner("run", *PATH, file, code=1)
    assert world("a", "b", "c", "d") == ["old a", "old b", None, "new d"]
    assert rolled(tmp_path) == [("b", "ok"), ("c", "ok"), ("a", "ok")]
    put_back = result.out.partition("Put back (on_failure: rollback)")[2]
    assert "deleted    c" in put_back and "updated    a" in put_back and "3 put back" in put_back
    assert "a.text" not in put_back and "d.text" in put_back, "what was put back has no outputs"
    assert "exit status 7" in result.out
    # nothing is left to put back but what was kept
    assert "it was put back already" in runner("rollback", *PATH, file).out
    assert world("a", "b", "c", "d") == ["old a", "old b", None, None]
    result = runner("run", "--resume", *PATH, file, code=1)
    assert "was put back" in reasons(tmp_path)["a"] and world("a") == ["old a"]


def test_the_failed_stage_itself_is_put_back_too(runner, pipe, tmp_path, world):
    runner("run", *PATH, pipe(pipeline(keeper("a", fail=True))), code=1)
    assert world("a") == ["old a"] and rolled(tmp_path) == [("a", "ok")]


def test_the_state_before_the_first_attempt_counts(runner, pipe, tmp_path, world):
    file = pipe(pipeline(keeper("a", keys={"retry": {"attempts": 3, "backoff": "1ms"}}, fail=True)))
    runner("run", *PATH, file, code=1)
    assert len([e for e in journal(tmp_path) if e["event"] == "stage-start"]) == 3
    assert len([e for e in journal(tmp_path) if e["event"] == "remember"]) == 1
    assert world("a") == ["old a"]


def test_what_is_kept_unchanged_or_forgiven_is_not_put_back(runner, pipe, tmp_path, world):
    runner("run", *PATH, pipe(pipeline(keeper("a"), sh("x", "false", continue_on_error=True))))
    assert world("a") == ["new a"] and not rolled(tmp_path)
    file = pipe(pipeline(keeper("a"), keeper("b", on_failure="keep"), sh("x", "false"), defaults={"on_failure": "rollback"}))
    runner("run", *PATH, file, code=1)  # a is as it should be already; exec cannot put back, and defaults ask only those that can
    assert world() == ["new a", "new b"] and not rolled(tmp_path)


def test_a_rollback_that_fails_is_told_and_the_others_go_on(runner, pipe, tmp_path, world):
    (tmp_path / "broken").touch()
    file = pipe(pipeline(keeper("a"), keeper("b", broken="broken"), sh("x", "exit 7")))
    result = runner("run", *PATH, file, code=1)
    assert world() == ["old a", "new b"] and rolled(tmp_path) == [("b", "failed"), ("a", "ok")]
    assert 'what stage "b" (keeper) changed could not be put back' in result.out
    assert "the old one is gone" in result.out and "look for it" in result.out and "runner rollback" in result.out
    assert "exit status 7" in result.out
    (tmp_path / "broken").unlink()
    runner("rollback", *PATH, file)
    assert world() == ["old a", "old b"] and statuses(tmp_path) == {"a": "skipped", "b": "ok", "x": "skipped"}


def test_rollback_by_hand_takes_the_last_run_that_changed_something(runner, pipe, tmp_path, world):
    file = pipe(pipeline(keeper("a", on_failure=None), keeper("b", on_failure=None)))
    assert "can be put back" in runner("rollback", *PATH, file, code=3).err
    runner("run", *PATH, file)
    first = os.readlink(tmp_path / ".runner/latest").rpartition("/")[2]
    runner("run", *PATH, file)  # changes nothing
    runner("run", *PATH, pipe(pipeline(keeper("a", on_failure=None, text="newer a"), keeper("b", on_failure=None))))
    runner("rollback", *PATH, file)
    assert world() == ["new a", "new b"]
    runner("rollback", *PATH, "--run", first, "--only", "b", file)
    assert world() == ["new a", "old b"]
    assert "no run 7" in runner("rollback", *PATH, "--run", "7", file, code=3).err
    runner("destroy", *PATH, file)
    runner("rollback", *PATH, file, code=3)


def test_after_kill_9_the_next_run_knows_what_was_there(runner, pipe, tmp_path, world):
    (tmp_path / "hang").touch()
    file = pipe(pipeline(keeper("a"), keeper("b", hang="hang"), sh("x", "[ ! -e bad ]")))
    process = runner.start("run", *PATH, file)
    wait_for(lambda: "remembered" in runner("logs", "b", code=None).out, "b has remembered")
    process.kill()
    process.wait()
    (tmp_path / "hang").unlink()
    (tmp_path / "bad").touch()
    result = runner("run", "--resume", *PATH, file, code=1)
    assert "did not come to its end after it had changed a, b" in result.out and "runner rollback" in result.out
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "x": "failed"}
    assert world() == ["old a", "old b"] and rolled(tmp_path) == [("b", "ok"), ("a", "ok")]
    (tmp_path / "bad").unlink()
    assert "did not come" not in runner("run", *PATH, file).out  # it is decided now
    assert world() == ["new a", "new b"]


def test_after_kill_9_it_can_be_put_back_by_hand(runner, pipe, tmp_path, world):
    file = pipe(pipeline(keeper("a"), sh("x", "touch started; sleep 1031")))
    process = runner.start("run", *PATH, file)
    wait_for(lambda: (tmp_path / "started").exists(), "x runs")
    process.kill()
    process.wait()
    runner("rollback", *PATH, file)
    assert world("a") == ["old a"]


def test_ctrl_c_puts_nothing_back_by_itself_and_says_so(runner, pipe, tmp_path, world):
    file = pipe(pipeline(keeper("a"), sh("x", "touch started; sleep 1041")))
    process = runner.start("run", *PATH, file)
    wait_for(lambda: (tmp_path / "started").exists(), "x runs")
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130 and world("a") == ["new a"]
    assert "runner rollback" in out


@pytest.mark.parametrize("record, words", [
    ("{", "is not JSON"),
    ('"hunter2-hunter2"', "holds a secret"),
    ('"' + "x" * 300_000 + '"', "more than 256 KiB"),
])
def test_what_cannot_be_kept_is_not_changed(runner, pipe, tmp_path, world, record, words):
    file = pipe(pipeline(keeper("a", record=record, secret="${{ secrets.s }}"), secrets={"s": {"env": "S"}}))
    result = runner("run", *PATH, file, env={"S": "hunter2-hunter2"}, code=1)
    assert words in result.text and "returned -1 without a reason" not in result.text
    assert world("a") == ["old a"] and "hunter2" not in (tmp_path / ".runner/latest/journal").read_text()


def test_on_failure_is_checked_where_it_stands(runner, pipe):
    text = runner("validate", *PATH, pipe(pipeline(keeper("a", on_failure="rolback"))), code=2).text
    assert "test.pipe:" in text and '"rolback"' in text and 'did you mean "rollback"?' in text
    text = runner("validate", pipe(pipeline(sh("x", "true", on_failure="rollback"))), code=2).text
    assert "`exec` cannot put anything back" in text and "test.pipe:" in text


def test_plan_shows_each_field_and_masks_secrets(runner, pipe, world):
    file = pipe(pipeline(keeper("a")))
    out = runner("plan", *PATH, file).out
    assert "text   old a -> new a" in out and "token  *** -> ***" in out and "size   1 -> [2]" in out
    assert json.loads(runner("plan", *PATH, "--json", file).out)["changes"][0]["fields"] == [
        {"name": "text", "before": "old a", "after": "new a"},
        {"name": "token", "before": "***", "after": "***", "secret": True},
        {"name": "size", "before": 1, "after": [2]}]
    assert world("a") == ["old a"]
