# SPDX-License-Identifier: Apache-2.0
"""What the tests of the engine share: the misbehaving plugins, processes, the journal."""

import json
import os
import resource
import time
from pathlib import Path

import pytest
import support

PLUGINS = support.BUILD / "tests/plugins"
PATH = ("--plugin-path", PLUGINS)
plain_build = pytest.mark.skipif("sanitize" in support.BUILD.name, reason="sanitizers crash, remember and last in their own way")


def stage(id, uses, stage_keys=None, **params):  # noqa: A002
    return {"id": id, "uses": uses, **(stage_keys or {}), "with": params}


def sh(id, command, **stage_keys):  # noqa: A002
    return {"id": id, "uses": "exec", **stage_keys, "with": {"command": command}}


def pipeline(*stages, **top):
    return {"name": "test", **top, "stages": list(stages)}


def journal(cwd, run="latest"):
    """The lines of a run's journal; every line must be whole."""
    path = Path(cwd) / ".runner" / run / "journal"
    text = path.read_text()
    assert text.endswith("\n"), "the last line is torn"
    return [json.loads(line) for line in text.splitlines()]


def statuses(cwd, run="latest"):
    return {e["stage"]: e["status"] for e in journal(cwd, run) if e["event"] == "stage-end"}


def reasons(cwd, run="latest"):
    """Why each stage ran or did not."""
    return {e["stage"]: e.get("reason", "") for e in journal(cwd, run)
            if e["event"] == "stage-start" or (e["event"] == "stage-end" and e["status"] in ("reused", "skipped"))}


def wait_for(condition, what, seconds=support.PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def cpu_seconds(function):
    """Processor time that the processes which `function` starts and waits for took: hardly longer on a busy machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    function()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processes(marker, below=None):
    """Pids of processes whose command line has the marker in it, and whose working directory is in the folder `below`."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if marker in line and state != "Z" and int(pid) != os.getpid():
                if below is None or Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(below):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def alive(pid):
    """Not when it is a zombie: who should have reaped it may be dead, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    """Pids of the children of a process with one thread."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
