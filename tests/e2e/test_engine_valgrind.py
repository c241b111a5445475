# SPDX-License-Identifier: Apache-2.0
"""Runner, worker and plugin under valgrind: no invalid access, nothing leaked by what lives long."""

import shutil
import subprocess

import pytest

from engine import PATH, pipeline, plain_build, sh, stage

pytestmark = [pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind"),
              plain_build]


def valgrind(runner, tmp_path, *args, code=0):
    """Runs the runner and all that it starts of its own; returns what valgrind said of each process."""
    logs = tmp_path / "valgrind"
    logs.mkdir(exist_ok=True)
    done = subprocess.run(["valgrind", "-q", "--trace-children=yes", "--trace-children-skip=/bin/*,/usr/bin/*", "--leak-check=full",
                           "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite", f"--log-file={logs}/%p", *runner.argv(*args)],
                          env=runner.full_env(), cwd=runner.cwd, capture_output=True, text=True, timeout=1000)
    assert done.returncode == code, done.stdout + done.stderr
    return "".join(line for log in logs.iterdir() for line in log.read_text().splitlines(True) if line.startswith("=="))


def test_a_run_a_failure_and_a_rollback_are_clean(runner, pipe, tmp_path):
    (tmp_path / "a").write_text("old")
    file = pipe(pipeline(stage("a", "keeper", {"on_failure": "rollback"}, file="a", text="new"), stage("b", "good", text="x", data={"a": [1]}),
                         sh("c", "echo ${{ stages.b.text }}; exit 3")))
    assert valgrind(runner, tmp_path, "run", *PATH, file, code=1) == ""
    assert (tmp_path / "a").read_text() == "old"


def test_a_wrong_file_is_clean(runner, pipe, tmp_path):
    file = pipe("name: x\nstages:\n  - {id: a, uses: exec, with: {comand: 1}, needs: [b]}\n  - {id: a, uses: nobody, if: 'x('}\n")
    assert valgrind(runner, tmp_path, "validate", file, code=2) == ""
