# SPDX-License-Identifier: Apache-2.0
"""What `runner validate` says of each pipeline file in tests/golden/pipe, word for word."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release"))
CASES = sorted(p.parent for p in (SOURCE / "tests/golden/pipe").glob("*/case.pipe"))


def validate(case):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GOLDEN_", "RUNNER_PLUGIN"))}
    env["GOLDEN_HOME"] = "/home/golden"
    done = subprocess.run(
        [BUILD / "bin/runner", "validate", "--plugin-path", BUILD / "tests/plugins", "case.pipe"],
        cwd=case, env=env, capture_output=True, timeout=300)
    text = (done.stderr + done.stdout).decode("utf-8", "replace")
    text = re.sub(r"\(searched [^)]*\)", "(searched ...)", text).replace(str(case), "CASE")
    return f"{text}exit {done.returncode}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_validate_says_what_is_expected(case):
    expected = case / "expected"
    said = validate(case)
    if os.environ.get("RUNNER_UPDATE_GOLDEN"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_there_are_cases():
    assert len(CASES) >= 30
