# SPDX-License-Identifier: Apache-2.0
"""Which stages run, in what order and why: needs, conditions, selection, resume, dry run, plan, destroy."""

import json
import os
import re

import pytest
from engine import PATH, journal, pipeline, reasons, sh, stage, statuses, wait_for
from support import PATIENCE


def order(cwd):
    return [e["stage"] for e in journal(cwd) if e["event"] == "stage-start"]


def note(id, **keys):  # noqa: A002
    return sh(id, f"echo {id} >> order", **keys)


# ---- order ----

def test_stages_run_in_the_order_of_the_file(runner, pipe, tmp_path):
    runner(pipe(pipeline(note("c"), note("a"), note("b"))))
    assert (tmp_path / "order").read_text().split() == ["c", "a", "b"]


def test_a_reference_makes_a_stage_wait(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "sleep 0.3; echo v=1 >> $RUNNER_OUTPUT", needs=[]),
                         sh("b", "echo got ${{ stages.a.v }} > b", needs=[])))
    runner(file)
    assert (tmp_path / "b").read_text() == "got 1\n"


def test_what_is_free_runs_in_parallel_and_jobs_bounds_it(runner, pipe, tmp_path):
    meet = "mkdir -p m; touch m/$RUNNER_STAGE; n=0; until [ $(ls m | wc -l) = 3 ]; do n=$((n+1)); [ $n -lt %d ]; sleep 0.05; done"
    together = pipe(pipeline(*[sh(i, meet % 4000, needs=[]) for i in "abc"]))
    runner("run", "--jobs", "3", together)
    (tmp_path / "m/a").unlink()
    (tmp_path / "m/b").unlink()
    (tmp_path / "m/c").unlink()
    runner("run", "--jobs", "1", pipe(pipeline(*[sh(i, meet % 4, needs=[]) for i in "abc"])), code=1)


def test_a_failure_stops_what_depends_on_it_and_nothing_else(runner, pipe, tmp_path):
    runner(pipe(pipeline(sh("a", "false"), note("b"), note("c", needs=[]), note("d", needs=["c"]))), code=1)
    assert statuses(tmp_path) == {"a": "failed", "b": "skipped", "c": "ok", "d": "ok"}
    assert reasons(tmp_path)["b"] == "a stage before it failed"


def test_conditions(runner, pipe, tmp_path):
    runner(pipe(pipeline(
        sh("a", "echo v=yes >> $RUNNER_OUTPUT"),
        note("taken", **{"if": "${{ stages.a.v == 'yes' }}"}),
        note("left", **{"if": "${{ stages.a.v == 'no' }}"}),
        note("after"),
        sh("bad", "exit 9"),
        note("normal"),
        note("rescue", **{"if": "failure()"}),
        note("always", **{"if": "always()"}),
        note("end"))), code=1)
    assert statuses(tmp_path) == {"a": "ok", "taken": "ok", "left": "skipped", "after": "ok", "bad": "failed", "normal": "skipped",
                                  "rescue": "ok", "always": "ok", "end": "skipped"}
    assert "if: " in reasons(tmp_path)["left"]


def test_continue_on_error_goes_on(runner, pipe, tmp_path):
    out = runner(pipe(pipeline(sh("a", "exit 4", continue_on_error=True), note("b")))).out
    assert statuses(tmp_path) == {"a": "ignored", "b": "ok"}
    assert "ended with exit status 4" in out


def test_an_output_that_was_not_set_is_an_error_at_its_place(runner, pipe):
    out = runner(pipe("""name: test
stages:
  - id: a
    uses: exec
    with: {command: "true"}
  - id: b
    uses: exec
    with:
      command: echo ${{ stages.a.nothing }}
"""), code=1).out
    assert 'stage "a" did not set its output "nothing"' in out and "test.pipe:9:" in out


def test_outputs_of_several_lines_and_the_environment_of_a_stage(runner, pipe, tmp_path):
    runner(pipe(pipeline(
        sh("a", "printf 'x<<EOF\\none\\ntwo\\nEOF\\ny=a=b\\n' >> $RUNNER_OUTPUT"),
        sh("b", 'printf %s "$X" > b', env={"X": "${{ stages.a.x }}"}),
        stage("c", "exec", argv=["sh", "-c", 'printf %s "$1$Z" > c', "sh", "${{ stages.a.y }}"], env={"Z": "zed"}))))
    assert (tmp_path / "b").read_text() == "one\ntwo"
    assert (tmp_path / "c").read_text() == "a=bzed"


def test_a_malformed_output_file_fails_the_stage(runner, pipe):
    out = runner(pipe(pipeline(sh("a", "echo nonsense >> $RUNNER_OUTPUT"))), code=1).out
    assert "$RUNNER_OUTPUT: line 1 is neither NAME=VALUE nor NAME<<END" in out


# ---- selection ----

THREE = pipeline(sh("a", "echo ran-a; echo v=1 >> $RUNNER_OUTPUT"), sh("b", "echo b-${{ stages.a.v }}"), sh("c", "echo ran-c"))


@pytest.mark.parametrize("args, ran", [
    (["--only", "b"], ["b"]), (["--only", "c", "--only", "a"], ["a", "c"]), (["--from", "b"], ["b", "c"]),
    (["--until", "b"], ["a", "b"]), (["--from", "b", "--until", "b"], ["b"]),
])
def test_selected_stages_run_with_outputs_of_earlier_runs(runner, pipe, tmp_path, args, ran):
    file = pipe(THREE)
    runner("run", file)
    out = runner("run", *args, file).out
    assert order(tmp_path) == ran
    if "b" in ran:
        assert "| b-1" in out


def test_a_selected_stage_without_what_it_needs_says_what_to_do(runner, pipe):
    out = runner("run", "--only", "b", pipe(THREE), code=1).out
    assert 'output "v" of stage "a" is needed' in out and "--from a" in out


def test_a_selection_of_nothing_known_is_a_usage_error(runner, pipe, tmp_path):
    result = runner("run", "--only", "bb", pipe(THREE), code=2)
    assert 'there is no stage "bb"' in result.err and 'did you mean "b"?' in result.err
    runner("run", "--from", "c", "--until", "a", pipe(THREE), code=2)


# ---- resume ----

def test_resume_takes_over_what_finished_and_says_why(runner, pipe, tmp_path):
    text = pipeline(sh("a", "echo x >> count-a; echo v=1 >> $RUNNER_OUTPUT"), sh("b", "test -e ready"), sh("c", "echo c"))
    file = pipe(text)
    runner("run", file, code=1)
    (tmp_path / "ready").touch()
    out = runner("run", "--resume", file).out
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "c": "ok"}
    why = reasons(tmp_path)
    assert "nothing changed" in why["a"] and "it failed in run" in why["b"] and why["c"] == "it has not run before"
    assert why["a"] in out and why["b"] in out
    assert (tmp_path / "count-a").read_text() == "x\n"
    # a run that resumed can be resumed from
    runner("run", "--resume", file)
    assert set(statuses(tmp_path).values()) == {"reused"}
    assert runner("outputs", "a.v").out == "1\n"


def test_resume_runs_again_what_changed_and_names_the_change(runner, pipe, tmp_path):
    runner("run", pipe(pipeline(sh("a", "true"), sh("b", "echo one"), sh("c", "true", env={"E": "1"}))))
    runner("run", "--resume", pipe(pipeline(sh("a", "true"), sh("b", "echo two"), sh("c", "true", env={"E": "2"}))))
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "c": "ok"}
    assert reasons(tmp_path)["b"] == 'parameter `command` changed: "echo one" -> "echo two"'
    assert reasons(tmp_path)["c"] == 'variable `E` changed: "1" -> "2"'


def test_resume_follows_a_changed_output(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo v=$(cat seed) >> $RUNNER_OUTPUT"), sh("b", "echo ${{ stages.a.v }}"), sh("c", "true")))
    (tmp_path / "seed").write_text("1")
    runner("run", file)
    (tmp_path / "seed").write_text("2")
    runner("run", "--only", "a", file)
    runner("run", "--resume", file)
    assert statuses(tmp_path) == {"a": "reused", "b": "ok", "c": "reused"}


def test_resume_runs_again_when_the_plugin_changed(runner, pipe, tmp_path):
    import shutil

    from engine import PLUGINS

    (tmp_path / "p").mkdir()
    shutil.copy(PLUGINS / "thing.so", tmp_path / "p")
    file = pipe(pipeline(stage("a", "thing", path="t")))
    runner("run", "--plugin-path", "p", file)
    with open(tmp_path / "p/thing.so", "ab") as f:
        f.write(b"\0")
    runner("run", "--plugin-path", "p", "--resume", file)
    assert reasons(tmp_path) == {"a": "the plugin `thing` changed"}


SECRET = pipeline(stage("t", "thing", path="t"), sh("mid", "true"), sh("use", "test -e ready; echo ${{ stages.t.token }} | wc -c"))


def test_a_secret_output_that_is_needed_makes_its_stage_run_again(runner, pipe, tmp_path):
    file = pipe(SECRET)
    runner("run", *PATH, file, code=1)
    (tmp_path / "ready").touch()
    out = runner("run", *PATH, "--resume", file).out
    assert "use | 22" in out
    ends = [(e["stage"], e["status"]) for e in journal(tmp_path) if e["event"] == "stage-end"]
    assert ends[-2:] == [("t", "ok"), ("use", "ok")] and ("mid", "reused") in ends
    assert "its secret output `token` is needed by `use`, and secrets are not kept" in reasons(tmp_path)["t"]
    # nothing is left to do: then the secret is not needed either
    runner("run", *PATH, "--resume", file)
    assert set(statuses(tmp_path).values()) == {"reused"}


def test_a_selected_stage_cannot_have_a_secret_of_an_earlier_run(runner, pipe, tmp_path):
    (tmp_path / "ready").touch()
    file = pipe(SECRET)
    runner("run", *PATH, file)
    out = runner("run", *PATH, "--only", "use", file, code=1).out
    assert "secret outputs of earlier runs are not kept" in out and "--from t" in out


def test_a_destroy_ends_what_can_be_resumed(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("a", "thing", path="t")))
    runner("run", *PATH, file)
    runner("destroy", *PATH, file)
    assert not (tmp_path / "t").exists()
    runner("run", *PATH, "--resume", file)
    assert (tmp_path / "t").exists() and reasons(tmp_path) == {"a": "it has not run before"}


# ---- dry run, plan, destroy ----

def test_a_dry_run_says_what_would_run_and_does_nothing(runner, pipe, tmp_path):
    file = pipe(pipeline(note("a"), note("b", **{"if": "failure()"})))
    out = runner("run", "--dry-run", file).out
    assert re.search(r"a +run exec", out) and re.search(r"b +not run: its condition", out)
    assert not (tmp_path / "order").exists() and not (tmp_path / ".runner").exists()
    runner("run", file)
    assert re.search(r"a +not run: finished in run .*, nothing changed", runner("run", "-n", "--resume", file).out)


TWO_THINGS = pipeline(stage("a", "thing", path="ta", content="x"), stage("b", "thing", path="tb", content="${{ stages.a.path }}"))


def test_a_plan_reads_only_and_shows_what_would_change(runner, pipe, tmp_path):
    file = pipe(TWO_THINGS)
    out = runner("plan", *PATH, file).out
    assert re.search(r"created +a +\S*/ta +x", out) and re.search(r"created +b .*content not known yet", out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "test.pipe"]
    runner("plan", *PATH, "--detailed-exitcode", file, code=2)
    runner("run", *PATH, file)
    before = sorted(os.listdir(tmp_path / ".runner/runs"))
    (tmp_path / "ta").write_text("drift")
    plan = json.loads(runner("plan", *PATH, "--json", "--only", "a", file).out)
    assert [(c["action"], c["stage"]) for c in plan["changes"]] == [("updated", "a")]
    assert plan["counts"] == {"unchanged": 0, "created": 0, "updated": 1, "deleted": 0}
    assert sorted(os.listdir(tmp_path / ".runner/runs")) == before
    assert (tmp_path / "ta").read_text() == "drift"


def test_a_plan_of_what_cannot_tell_says_so_and_exits_as_terraform_does(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("a", "silent"), sh("b", "echo hi")))
    out = runner("plan", *PATH, "--detailed-exitcode", file, code=0).out
    assert "`silent` cannot tell beforehand; it would run" in out and "would run: echo hi" in out
    runner("plan", *PATH, "--detailed-exitcode", pipe(pipeline(stage("a", "nobody"))), code=1)


def test_destroy_goes_backwards_and_leaves_alone_what_others_hang_on(runner, pipe, tmp_path):
    file = pipe(TWO_THINGS)
    runner("run", *PATH, file)
    out = runner("destroy", *PATH, file).out
    assert not (tmp_path / "ta").exists() and not (tmp_path / "tb").exists()
    assert out.index("b | ✓ ok") < out.index("a | thing")
    runner("run", *PATH, file)
    stuck = pipe(pipeline(stage("a", "thing", path="ta"), stage("b", "thing", path="tb", stuck=True),
                          stage("free", "thing", {"needs": []}, path="tf")))
    (tmp_path / "tf").touch()
    runner("destroy", *PATH, stuck, code=1)
    assert statuses(tmp_path) == {"b": "failed", "a": "skipped", "free": "ok"}
    assert reasons(tmp_path)["a"] == "what depends on it could not be removed"
    assert (tmp_path / "ta").exists() and not (tmp_path / "tf").exists()


# ---- outputs and logs ----

def test_outputs_are_printed_for_people_and_scripts(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("a", "good", text="hello", data={"n": [1, 2]}), sh("b", "echo w=5 >> $RUNNER_OUTPUT")))
    runner("run", *PATH, file)
    out = runner("outputs").out
    assert "a.text = hello\n" in out and 'a.data = {"n":[1,2]}\n' in out and "b.w = 5\n" in out
    assert "a.key = *** (secret, not stored)" in out
    assert runner("outputs", "a.text").out == "hello\n" and runner("outputs", "w").out == "5\n"
    assert json.loads(runner("outputs", "--json").out) == {"a": {"text": "hello", "data": {"n": [1, 2]}}, "b": {"w": "5"}}
    assert "is secret" in runner("outputs", "a.key", code=1).err
    assert "no output" in runner("outputs", "zzz", code=2).err
    assert json.loads((tmp_path / ".runner/latest/outputs/a.json").read_text()) == {"text": "hello", "data": {"n": [1, 2]}}


def test_commands_without_a_run_say_so(runner):
    assert "no run is recorded" in runner("outputs", code=2).err
    assert "no run is recorded" in runner("logs", code=2).err


def test_logs_prints_and_follows(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("slow", "echo first; until [ -e go ]; do sleep 0.02; done; echo last"), sh("next", "echo other")))
    run = runner.start("run", file)
    wait_for(lambda: "first" in runner("logs", "slow", code=None).out, "the log begins")
    follow = runner.start("logs", "--follow", "slow")
    assert follow.stdout.readline() == "first\n"
    (tmp_path / "go").touch()
    assert follow.communicate(timeout=PATIENCE)[0] == "last\n" and follow.returncode == 0
    assert run.wait(PATIENCE) == 0
    assert runner("logs").out == "==> slow <==\nfirst\nlast\n==> next <==\nother\n"
    assert "did you mean" in runner("logs", "slwo", code=2).err


def test_old_runs_are_pruned(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "true")))
    for _ in range(23):
        runner("run", file)
    runs = sorted(os.listdir(tmp_path / ".runner/runs"))
    assert len(runs) == 20 and os.readlink(tmp_path / ".runner/latest") == f"runs/{runs[-1]}"
