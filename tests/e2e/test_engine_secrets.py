# SPDX-License-Identifier: Apache-2.0
"""Secrets reach the stage that asks for them and no sink: screen, journal, logs, outputs, JUnit, argv, other stages."""

import base64
import json
import os
import urllib.parse
from pathlib import Path

import pytest
from engine import PATH, pipeline, processes, sh, stage, statuses, wait_for
from support import PATIENCE

SECRET = 'p4ss/w+rd "quoted" <&> end'
FORMS = [SECRET, base64.b64encode(SECRET.encode()).decode(), urllib.parse.quote(SECRET, safe=""), urllib.parse.quote(SECRET),
         urllib.parse.quote_plus(SECRET), json.dumps(SECRET)[1:-1], SECRET.encode().hex()]

LEAKY = r"""name: leaky
secrets:
  pw: {env: PW}
  file: {file: secret.txt}
stages:
  - id: raw
    uses: exec
    env: {PW: "${{ secrets.pw }}", FILE: "${{ secrets.file }}"}
    with:
      shell: python3
      command: |
        import os, sys, base64, urllib.parse, json, time
        s = os.environ["PW"]
        print("raw", s)
        for k in range(3):
            print("b64", base64.b64encode(b"xyz"[:k] + s.encode() + b"tail").decode())
        print("mime", base64.encodebytes(b"a" * 40 + s.encode()).decode())
        for f in (urllib.parse.quote, urllib.parse.quote_plus, lambda x: urllib.parse.quote(x, safe=""), json.dumps, lambda x: x.encode().hex()):
            print("form", f(s))
        for c in s:  # drop by drop
            sys.stdout.write(c); sys.stdout.flush(); time.sleep(0.002)
        print()
        print("file", os.environ["FILE"], file=sys.stderr)
        open(os.environ["RUNNER_OUTPUT"], "w").write("leak=prefix-" + s + "\nfine=1\n")
  - id: param
    uses: good
    needs: []
    with: {token: "${{ secrets.pw }}", text: "a ${{ secrets.pw }} b", data: {x: "${{ secrets.pw }}"}}
  - id: failing
    uses: fail
    needs: [raw, param]
    continue_on_error: true
    with: {message: "no entry with ${{ secrets.pw }}", hint: "use ${{ secrets.file }}"}
  - id: later
    uses: exec
    if: always()
    with: {command: "printf '%s' '${{ stages.raw.leak }}' | wc -c", env: {T: "${{ stages.param.key }}"}}
"""


def all_files(folder):
    return [p for p in Path(folder).rglob("*") if p.is_file() and not p.is_symlink()]


@pytest.mark.parametrize("output", ["plain", "json", "terminal", "github", "gitlab"])
def test_secrets_are_in_no_sink(runner, pipe, tmp_path, output):
    (tmp_path / "secret.txt").write_text("from-a-file-0123456789\n")
    ci = {"github": {"GITHUB_ACTIONS": "true"}, "gitlab": {"GITLAB_CI": "true"}}.get(output, {})
    args = [] if ci else ["--output", output]
    work = tmp_path / "work"
    work.mkdir()
    result = runner("run", *PATH, "-v", *args, "--junit", "junit.xml", pipe(LEAKY), cwd=work, env={"PW": SECRET, **ci})
    texts = {"screen": result.text, **{str(p): p.read_text(errors="replace") for p in all_files(work)}}
    assert any("journal" in name for name in texts) and any("junit" in name for name in texts)
    leaks = [(name, form) for name, text in texts.items()
             for form in [*FORMS, "from-a-file-0123456789", "generated-key-0123456789", "learnt-on-the-way", "p4ss", "quoted"] if form in text]
    assert leaks == []
    assert "***" in result.out
    log = (work / ".runner/latest/logs/raw.log").read_text()
    assert log.startswith("raw ***\n") and log.count("***") >= 11
    assert (work / ".runner/latest/logs/later.log").read_text().strip() == str(len("prefix-" + SECRET))
    assert '"leak"' not in (work / ".runner/latest/outputs/raw.json").read_text()


def test_a_stage_sees_only_the_secrets_that_it_is_given(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("without", "env > without; tr '\\0' '\\n' < /proc/$PPID/environ > parent; "
                                       "tr '\\0' '\\n' < /proc/$(ps -o ppid= -p $PPID | tr -d ' ')/environ > supervisor"),
                         sh("with", "env > with", env={"MINE": "${{ secrets.a }}"}),
                         secrets={"a": {"env": "SECRET_A"}, "b": {"env": "SECRET_B"}}))
    runner("run", file, env={"SECRET_A": "value-of-a", "SECRET_B": "value-of-b", "PLAIN": "kept"})
    for name in ("without", "parent", "supervisor"):
        text = (tmp_path / name).read_text()
        assert "value-of" not in text and "SECRET_" not in text and "PLAIN=kept" in text
    text = (tmp_path / "with").read_text()
    assert "MINE=value-of-a" in text and "value-of-b" not in text and "SECRET_A" not in text


def test_secrets_reach_no_command_line(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("one", "good", token="${{ secrets.pw }}"), sh("two", "until [ -e go ]; do sleep 0.02; done", env={"T": "${{ secrets.pw }}"}),
                         secrets={"pw": {"env": "PW"}}))
    process = runner.start("run", *PATH, file, env={"PW": "never-in-argv-4711"})
    wait_for(lambda: (tmp_path / ".runner/latest/logs/two.log").exists(), "two runs")
    assert processes("never-in-argv-4711") == []
    (tmp_path / "go").touch()
    assert process.wait(PATIENCE) == 0


def test_a_secret_has_no_part_in_resume_keys(runner, pipe, tmp_path):
    file = pipe(pipeline(stage("one", "good", token="${{ secrets.pw }}", text="x-${{ secrets.pw }}"), sh("two", "true", env={"T": "${{ secrets.pw }}"}),
                         secrets={"pw": {"env": "PW"}}))
    runner("run", *PATH, file, env={"PW": "secret-of-the-first-run"})
    keys = [line for line in (tmp_path / ".runner/latest/journal").read_text().splitlines() if '"key"' in line]
    assert keys and not any(word in line for line in keys for word in ('"token"', '"T"'))
    runner("run", *PATH, "--resume", file, env={"PW": "secret-of-the-second-run"})
    assert set(statuses(tmp_path).values()) == {"reused"}


def test_a_missing_secret_is_told_before_anything_runs(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("one", "true", env={"T": "${{ secrets.pw }}"}), secrets={"pw": {"env": "PW"}}))
    result = runner("run", file, code=2)
    assert "PW" in result.err and "not set" in result.err and not (tmp_path / ".runner").exists()


def test_the_journal_and_logs_are_not_writable_by_others(runner, pipe, tmp_path):
    runner("run", pipe(pipeline(sh("one", "echo hi"))))
    assert all(not os.stat(p).st_mode & 0o022 for p in all_files(tmp_path / ".runner"))
