# SPDX-License-Identifier: Apache-2.0
"""The language when it runs: values reach stages as written, errors stop everything before anything runs."""

import json

import pytest

import support
from engine import cpu_seconds

PLUGINS = support.BUILD / "tests/plugins"

VALUES = """
name: values
vars: {region: sa-east-1, version: 1.10, account: 000123456789, list: [a, "b c"]}
secrets: {token: {env: T_TOKEN}}
defaults: {env: {COMMON: "${{ vars.region }}"}}
stages:
  - id: first
    uses: exec
    env: {TOKEN: "${{ secrets.token }}", HOST: "${{ default(env.T_HOST, 'localhost') }}"}
    with:
      command: |
        echo "saw $COMMON $HOST ${#TOKEN}"
        echo "token is $TOKEN"
        printf 'text=hello\\njson={"a": [1, {"b": "deep"}]}\\n' >>"$RUNNER_OUTPUT"
  - id: second
    uses: exec
    with:
      argv: [printf, "%s|", "${{ vars.version }}", "${{ vars.account }}", "list ${{ vars.list }}", "${{ stages.first.text }} there",
             "${{ stages.first.json.a[1].b }}"]
"""


def logged(result):
    return result.out + result.err


def test_values_reach_stages_as_the_file_writes_them(runner, pipe):
    said = logged(runner("run", pipe(VALUES), env={"T_TOKEN": "s3cr3t-t0k3n"}))
    assert "saw sa-east-1 localhost 12" in said
    assert '1.10|000123456789|list ["a","b c"]|hello there|deep|' in said
    assert "s3cr3t-t0k3n" not in said
    assert "token is ***" in said


def test_set_wins_over_the_file_and_keeps_text_as_text(runner, pipe):
    said = logged(runner("run", pipe(VALUES), "--set", "version=2.50", "--set", "region=eu", "--set", 'list=["x"]',
                         env={"T_TOKEN": "s3cr3t-t0k3n"}))
    assert "saw eu localhost" in said
    assert '2.50|000123456789|list ["x"]|' in said


def test_an_unknown_variable_of_set_is_named(runner, pipe):
    done = runner("run", pipe(VALUES), "--set", "regoin=eu", env={"T_TOKEN": "x"}, code=2)
    assert 'the file has no variable "regoin"' in done.err
    assert 'did you mean "region"?' in done.err


def test_every_type_reaches_the_plugin(runner, pipe):
    said = logged(runner("run", "--plugin-path", PLUGINS, pipe("""
vars: {n: 7}
stages:
  - id: a
    uses: golden
    with: {text: x, count: "${{ vars.n }}", wait: 1h30m, room: 64KiB, items: one, labels: {a: 1, b: true}, place: ../here}
""", name="sub/test.pipe")))
    assert f"count=7 wait=5400000 room=65536 items=1 labels=2 place={runner.cwd}/here" in said


# ---- what stops a run before it starts ----------------------------------------------

GOOD = "  - {id: marker, uses: exec, with: {command: touch ran}}\n"

WRONG = {
    "unknown_key": ("stages:\n" + GOOD + "  - {id: a, uses: exec, neds: [], with: {command: x}}\n",
                    'unknown key "neds" in a stage', 'did you mean "needs"?'),
    "unknown_parameter": ("stages:\n" + GOOD + "  - {id: a, uses: exec, with: {comand: x}}\n",
                          '"exec" has no parameter "comand"', 'did you mean "command"?'),
    "wrong_type": ("stages:\n" + GOOD + "  - {id: a, uses: exec, with: {argv: {a: b}}}\n",
                   'parameter "argv" must be a list, not a map', None),
    "duplicate_id": ("stages:\n" + GOOD + "  - {id: marker, uses: exec, with: {command: x}}\n",
                     'duplicate stage id "marker"', "first used at line 2"),
    "cycle": ("stages:\n" + GOOD + "  - {id: a, uses: exec, needs: [b], with: {command: x}}\n"
              "  - {id: b, uses: exec, needs: [a], with: {command: x}}\n",
              "stages wait for each other: a -> b -> a", "because of its `needs`"),
    "unknown_output": ("stages:\n" + GOOD + "  - {id: a, uses: smoke-test, with: {url: 'http://x'}}\n"
                       "  - {id: b, uses: exec, with: {command: 'echo ${{ stages.a.stauts }}'}}\n",
                       'stage "a" (smoke-test) has no output "stauts"', 'did you mean "status"?'),
    "unknown_stage": ("stages:\n" + GOOD + "  - {id: b, uses: exec, with: {command: 'echo ${{ stages.markr.x }}'}}\n",
                      'no stage "markr"', 'did you mean "marker"?'),
    "missing_secret": ("secrets: {token: {env: T_NOT_SET}}\nstages:\n" + GOOD +
                       "  - {id: b, uses: exec, env: {T: '${{ secrets.token }}'}, with: {command: x}}\n",
                       'the secret "token" has no value: the environment variable T_NOT_SET is not set', "set T_NOT_SET"),
    "missing_secret_file": ("secrets: {token: {file: no/such}}\nstages:\n" + GOOD +
                            "  - {id: b, uses: exec, env: {T: '${{ secrets.token }}'}, with: {command: x}}\n",
                            'the secret "token" has no value:', "no/such"),
    "missing_env": ("stages:\n" + GOOD + "  - {id: b, uses: exec, with: {command: 'echo ${{ env.T_NOT_SET }}'}}\n",
                    "the environment variable T_NOT_SET is not set", "default(env."),
    "syntax": ("stages:\n" + GOOD + "  - {id: b, uses: exec\n", "YAML syntax:", None),
    "plugin_missing": ("stages:\n" + GOOD + "  - {id: b, uses: exce}\n", 'there is no plugin "exce"', 'did you mean "exec"?'),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_before_anything_runs(runner, pipe, case):
    text, message, hint = WRONG[case]
    path = pipe(text)
    done = runner("run", path, code=2)
    assert message in done.err
    assert hint is None or hint in done.err
    assert f"{path}:" in done.err, "the place is missing"
    assert not (runner.cwd / "ran").exists()


def test_run_plan_destroy_and_validate_refuse_alike(runner, pipe):
    path = pipe(WRONG["unknown_key"][0])
    said = {command: runner(command, path, code=2).err for command in ("run", "plan", "destroy", "validate")}
    assert all('unknown key "neds"' in text for text in said.values())


def test_all_errors_are_shown_at_once_with_their_places(runner, pipe):
    path = pipe("""name: several
stages:
  - {id: a, uses: exec, nedes: []}
  - {id: b, uses: exec, with: {comand: x, argv: {}}}
  - {id: a, uses: none-such, with: {x: "${{ vars.y }}"}}
""")
    err = runner("validate", path, code=2).err
    for place in (":3:25:", ":4:32:", ":4:49:", ":5:10:", ":5:19:", ":5:50:"):
        assert f"{path}{place}" in err, place
    assert "6 errors" in err


def test_a_file_that_is_not_there(runner):
    done = runner("run", "nowhere.pipe", code=2)
    assert "nowhere.pipe" in done.err and "No such file" in done.err


def test_validate_needs_no_values_but_says_so(runner, pipe):
    done = runner("validate", pipe(WRONG["missing_secret"][0]))
    assert "warning: the secret" in done.err
    assert "valid, 2 stages, 1 warning" in done.out


def test_validate_several_files_as_json(runner, pipe):
    good, bad = pipe(VALUES, "good.pipe"), pipe(WRONG["unknown_parameter"][0], "bad.pipe")
    files = json.loads(runner("validate", "--output", "json", good, bad, code=2, env={"T_TOKEN": "x"}).out)
    assert [f["valid"] for f in files] == [True, False]
    diagnostic, = files[1]["diagnostics"]
    assert (diagnostic["line"], diagnostic["column"], diagnostic["length"]) == (3, 32, 6)
    assert diagnostic["severity"] == "error"


def test_a_broken_plugin_is_the_machines_fault(runner, pipe):
    folder = runner.cwd / "plugins"
    folder.mkdir()
    (folder / "fake.so").write_text("not an object")
    done = runner("validate", pipe("stages: [{id: a, uses: fake}]\n"), code=3)
    assert "fake.so" in done.err


# ---- if -----------------------------------------------------------------------------

CONDITIONS = """
vars: {deploy: false}
stages:
  - {id: works, uses: exec, with: {command: 'true'}}
  - {id: fails, uses: exec, continue_on_error: %s, with: {command: exit 3}}
  - {id: skipped, uses: exec, if: vars.deploy, with: {command: echo RAN-deploy}}
  - {id: cleanup, uses: exec, if: always(), with: {command: echo RAN-cleanup}}
  - {id: rescue, uses: exec, needs: [fails], if: failure(), with: {command: echo RAN-rescue}}
  - {id: after, uses: exec, needs: [works], if: "${{ success() && !vars.deploy }}", with: {command: echo RAN-after}}
"""


def test_if_sees_failures_of_what_the_stage_waits_for(runner, pipe):
    said = logged(runner("run", pipe(CONDITIONS % "false"), code=1))
    assert "RAN-cleanup" in said and "RAN-rescue" in said and "RAN-after" in said
    assert "| RAN-deploy" not in said


def test_a_failure_that_is_allowed_is_none(runner, pipe):
    said = logged(runner("run", pipe(CONDITIONS % "true"), "--set", "deploy=true"))
    assert "RAN-deploy" in said


# ---- speed --------------------------------------------------------------------------

def test_validating_the_main_job_is_quick(runner):
    path = support.SOURCE / "pipelines/serverless.pipe"
    assert min(cpu_seconds(lambda: runner("validate", path)) for _ in range(10)) < 0.05
