#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test and ends with one line: N passed, N failed[, N skipped].

Unit tests are cmocka programs below $RUNNER_BUILD/tests; house rules are the
checks in tests/house.py; end-to-end tests are pytest files in tests/e2e.
A skip that tests/expected-skips.txt does not name counts as a failure.
"""

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("RUNNER_BUILD", SOURCE / "build/release"))


class Tally:
    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []

    def fail(self, name, text=""):
        self.failures.append(name)
        print(f"FAILED {name}\n{text}".rstrip(), flush=True)


def run_unit(tally):
    """Each program prints cmocka's summary; a crash or a missing summary is a failure."""
    programs = sorted(p for p in (BUILD / "tests").glob("*/*_test") if p.is_file())
    if not programs:
        tally.fail("unit", f"no unit test program below {BUILD}/tests")
    for program in programs:
        name = f"unit/{program.parent.name}/{program.name}"
        try:
            done = subprocess.run([program], cwd=SOURCE, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, errors="replace", timeout=1200)
        except subprocess.TimeoutExpired:
            tally.fail(name, "did not end within 1200 s")
            continue
        text = done.stdout + done.stderr
        passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", text)))
        failed = re.findall(r"\[  FAILED  \] (?!\d+ test)(\S+)", text)
        tally.passed += passed
        tally.skipped += sum(map(int, re.findall(r"\[  SKIPPED \] (\d+) test", text)))
        for case in sorted(set(failed)):
            tally.fail(f"{name}: {case}")
        if done.returncode and not failed or not (passed or failed):
            tally.fail(name, f"exit code {done.returncode}, {passed} passed")
        if done.returncode:
            print(text, flush=True)


def run_fuzz(tally):
    """Replays each fuzz target's corpus with mutations from a fixed seed."""
    for program in sorted((BUILD / "tests/fuzz").glob("*/*_replay")):
        name = f"{program.parent.name}/{program.name.removesuffix('_replay')}"
        done = subprocess.run([program, SOURCE / "tests/fuzz/corpus" / name, f"{program}.crash"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=3600)
        if done.returncode:
            tally.fail(f"fuzz/{name}", f"exit code {done.returncode}, input in {program}.crash\n{done.stderr[-4000:]}")
        else:
            tally.passed += 1


def expected_skips():
    path = SOURCE / "tests/expected-skips.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def run_e2e(tally, select, jobs):
    report = BUILD / "tests/e2e.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", f"--junitxml={report}",
               "--timeout=1200", "-o", "junit_family=xunit1", "-rfE", "--tb=short"]
    if jobs > 1:
        command += ["-n", str(jobs), "--dist", "loadgroup"]
    command += select or ["tests/e2e"]
    done = subprocess.run(command, cwd=SOURCE, stdin=subprocess.DEVNULL, env={**os.environ, "RUNNER_BUILD": str(BUILD)})
    if not report.exists():
        tally.fail("e2e", f"pytest ended with {done.returncode} and no report")
        return
    allowed = expected_skips()
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failures.append(name)
        elif (skip := case.find("skipped")) is not None:
            tally.skipped += 1
            sanitized = "sanitize" in BUILD.name and "sanitizers" in (skip.get("message") or "")
            if not sanitized and not any(re.search(pattern, name) for pattern in allowed):
                tally.fail(name, f"skipped: {skip.get('message')} (not in tests/expected-skips.txt)")
        else:
            tally.passed += 1


def run_house(tally):
    done = subprocess.run([sys.executable, SOURCE / "tests/house.py"], cwd=SOURCE, capture_output=True, text=True,
                          env={**os.environ, "RUNNER_BUILD": str(BUILD)})
    for line in done.stdout.splitlines():
        if line.startswith("ok "):
            tally.passed += 1
        elif line.startswith("FAILED "):
            tally.failures.append(line[7:])
            print(line)
        else:
            print(line)
    if done.returncode and "FAILED" not in done.stdout:
        tally.fail("house", done.stdout + done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["unit", "house", "e2e"], help="run one kind of test")
    parser.add_argument("--jobs", type=int, default=min(4, max(2, os.cpu_count() or 1)))
    parser.add_argument("select", nargs="*", help="pytest files or node ids (with --only e2e)")
    args = parser.parse_args()
    tally, begin = Tally(), time.monotonic()
    if args.only in (None, "unit"):
        run_unit(tally)
        run_fuzz(tally)
        print(f"unit tests: {tally.passed} passed so far, {time.monotonic() - begin:.0f} s", flush=True)
    if args.only in (None, "house"):
        run_house(tally)
    if args.only in (None, "e2e"):
        run_e2e(tally, args.select, args.jobs)
    print(f"took {time.monotonic() - begin:.0f} s")
    for name in tally.failures:
        print(f"  failed: {name}")
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {len(tally.failures)} failed{skipped}")
    sys.exit(1 if tally.failures or not tally.passed else 0)


if __name__ == "__main__":
    main()
