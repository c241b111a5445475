# SPDX-License-Identifier: Apache-2.0
"""The command line: help, unknown words, helper programs, graph, completion, the manual page."""

import json
import subprocess

import pytest

import support

COMMANDS = ["run", "plan", "destroy", "validate", "graph", "outputs", "logs", "plugins", "completion", "version", "help"]

DIAMOND = """name: diamond
stages:
  - {id: top, uses: exec, with: {command: 'true'}}
  - {id: left, uses: exec, needs: [top], with: {command: 'true'}}
  - {id: right, uses: exec, needs: [top], with: {command: 'true'}}
  - {id: bottom, uses: exec, needs: [left, right, top], if: always(), with: {command: 'true'}}
"""


def test_help_lists_every_command(runner):
    text = runner("--help").out
    for name in COMMANDS:
        assert f"\n  {name} " in text
    assert runner(code=2).err == text  # nothing at all: the same, as an error


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(runner, name):
    text = runner(name, "--help").out
    assert text.startswith(f"Usage: runner {name} ")
    assert "--help" in text
    assert text == runner("help", name).out
    assert max(map(len, text.splitlines())) <= 100


def test_subcommands_explain_themselves(runner):
    for name in ("list", "describe", "new"):
        assert runner("plugins", name, "--help").out.startswith(f"Usage: runner plugins {name} ")
    assert 'did you mean "runner plugins list"' in runner("plugins", "lst", code=2).err


def test_unknown_words_get_the_nearest_name(runner):
    assert 'did you mean "runner validate"?' in runner("valdate", code=2).err
    assert "did you mean --jobs?" in runner("run", "--job=4", "x.pipe", code=2).err
    assert "neither a command nor a pipeline file" in runner("frobnicate", code=2).err


def test_wrong_numbers_of_arguments(runner):
    assert "an argument is missing" in runner("validate", code=2).err
    assert "too many arguments" in runner("graph", "a.pipe", "b.pipe", code=2).err
    assert "it takes no arguments" in runner("version", "x", code=2).err


def test_version_names_the_abi(runner):
    assert runner("version").out == runner("--version").out
    assert "plugin ABI 1." in runner("version").out


def test_a_file_name_runs_it(runner, pipe):
    path = pipe(DIAMOND)
    assert "4 of 4 stages ok" in runner(path).text
    assert "4 of 4 stages ok" in runner("--jobs", "1", path).text


def test_an_unknown_command_executes_the_helper_of_that_name(runner, tmp_path):
    helper = tmp_path / "runner-greet"
    helper.write_text('#!/bin/sh\necho "greet: $@"\nexit 7\n')
    helper.chmod(0o755)
    done = runner("greet", "a b", "--flag", env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, code=7)
    assert done.out == "greet: a b --flag\n"


def test_graph_shows_steps_and_leaves_out_what_follows(runner, pipe):
    text = runner("graph", pipe(DIAMOND)).out
    rows = [line.split() for line in text.splitlines()[2:]]
    assert [(r[0], r[1]) for r in rows] == [("1", "top"), ("2", "left"), ("2", "right"), ("3", "bottom")]
    assert "left, right  (if: always())" in text


def test_graph_as_dot_and_mermaid(runner, pipe):
    path = pipe(DIAMOND)
    dot = runner("graph", "--format", "dot", path).out
    assert dot.startswith('digraph "diamond" {') and dot.count(" -> ") == 4
    mermaid = runner("graph", "-f", "mermaid", path).out
    assert mermaid.startswith("flowchart LR\n") and mermaid.count(" --> ") == 4


def test_graph_refuses_a_wrong_file(runner, pipe):
    assert "unknown key" in runner("graph", pipe(DIAMOND.replace("needs", "neds", 1)), code=2).err


def test_the_completion_offers_commands_options_and_choices(runner, tmp_path):
    script = tmp_path / "completion"
    script.write_text(runner("completion", "bash").out)

    def complete(*words):
        quoted = " ".join(f"'{w}'" for w in words)
        code = f". {script}; COMP_WORDS=(runner {quoted}); COMP_CWORD={len(words)}; _runner; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()

    assert "validate" in complete("va")
    assert "--plugin-path" in complete("validate", "--pl")
    assert complete("validate", "--output", "j") == ["json"]
    assert "describe" in complete("plugins", "d")
    assert "--markdown" in complete("plugins", "describe", "--m")
    (tmp_path / "my.pipe").touch()
    assert "my.pipe" in complete("run", "my")
    assert "no completion" in runner("completion", "fish", code=2).err


def test_the_manual_has_every_command_and_option(runner, tmp_path):
    page = runner("help", "--man").out
    assert page.startswith('.TH RUNNER 1 ""')
    for name in COMMANDS:
        assert f'"runner {name} ' in page
    assert "\\-\\-plugin\\-path" in page
    assert (support.SOURCE / "docs/man/runner.1").read_text() == page, "run `make docs`"


def test_plugins_are_listed_and_described(runner):
    names = {p["name"]: p for p in json.loads(runner("plugins", "list", "--output", "json").out)}
    assert {"exec", "iam", "lambda", "apigw", "oci-build", "ecr-push", "smoke-test"} <= set(names)
    assert all(p["summary"] and p["version"] for p in names.values())
    golden = support.BUILD / "tests/plugins"
    described = json.loads(runner("plugins", "describe", "--json", "--plugin-path", golden, "golden").out)
    assert [p["name"] for p in described["params"]][:3] == ["text", "choice", "token"]
    markdown = runner("plugins", "describe", "--markdown", "--plugin-path", golden, "golden").out
    assert "| `choice` | string | `blue` | One of red, green, blue. |" in markdown
    assert "| `text` | string | required | Any text. |" in markdown
    text = runner("plugins", "describe", "--plugin-path", golden, "golden").out
    assert "text (string, required)" in text and "token (secret)" in text
    assert 'did you mean "golden"?' in runner("plugins", "describe", "--plugin-path", golden, "goldn", code=2).err


def test_every_shipped_plugin_documents_all_it_declares(runner):
    for p in json.loads(runner("plugins", "list", "--output", "json").out):
        told = json.loads(runner("plugins", "describe", "--json", p["name"]).out)
        for param in told["params"]:
            assert param.get("help"), f"{p['name']}: {param['name']} has no help"
        for output in told["outputs"]:
            assert output.get("help"), f"{p['name']}: {output['name']} has no help"
