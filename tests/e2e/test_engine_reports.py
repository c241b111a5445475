# SPDX-License-Identifier: Apache-2.0
"""What people, CI systems and machines are shown of a run."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import unicodedata
import xml.etree.ElementTree as ElementTree

import pytest
import support
from engine import PATH, pipeline, sh, stage

MIXED = pipeline(sh("a", "echo hello; echo v=1 >> $RUNNER_OUTPUT"), stage("b", "fail", {"continue_on_error": True}, message="50% <off> & \"so\""),
                 sh("c", "echo bye; exit 3"), sh("d", "true"))


def test_json_lines_tell_all_that_happened(runner, pipe):
    events = runner("run", *PATH, "--output", "json", pipe(MIXED), code=1).json_lines()
    kinds = [e["event"] for e in events]
    assert kinds[0] == "run-start" and kinds[-1] == "run-end"
    assert events[0]["pipeline"] == "test" and events[0]["stages"] == 4 and events[0]["command"] == "run"
    assert events[-1]["status"] == "failed" and events[-1]["exit_code"] == 1
    assert {e["stage"]: e["status"] for e in events if e["event"] == "stage-end"} == {"a": "ok", "b": "ignored", "c": "failed", "d": "skipped"}
    failure = next(e for e in events if e["event"] == "failure" and e["stage"] == "c")
    assert failure["class"] == "stage" and failure["line"] > 0 and failure["file"].endswith("test.pipe")
    assert {"event": "output", "stage": "a", "name": "v", "value": "1"}.items() <= next(e for e in events if e["event"] == "output").items()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]) for e in events)


def test_plain_lines_name_their_stage(runner, pipe):
    out = runner("run", *PATH, pipe(MIXED), code=1).out
    assert "a | hello\n" in out and re.search(r"a \| ✓ ok after ", out)
    assert re.search(r"c \| ✗ failed after .*: the command ended with exit status 3", out)
    assert "d | - skipped: a stage before it failed" in out
    assert re.search(r"test failed in .*: 1 of 4 stages ok, 1 failed, 1 skipped, 1 ignored\n$", out)
    assert "\033" not in out


def test_the_failure_report_has_the_last_40_lines_of_the_log(runner, pipe):
    out = runner("run", pipe(pipeline(sh("a", "seq 1 100; exit 1"))), code=1).out
    report = out.partition("error: stage")[2]
    assert "last 40 of 100 lines" in report
    assert "  | 61\n" in report and "  | 100\n" in report and "  | 60\n" not in report
    assert re.search(r"log +\.runner/runs/\S+/logs/a\.log\n", report)


def test_the_failure_report_has_the_first_error_when_it_scrolled_away(runner, pipe):
    noise = "for i in $(seq 100); do echo stderror $i; [ $i != 7 ] || echo 'x.c:3: ERROR: it is here'; done; exit 1"
    report = runner("run", pipe(pipeline(sh("a", noise))), code=1).out.partition("error: stage")[2]
    assert "first error in its log, line 8:\n  | x.c:3: ERROR: it is here\n" in report
    report = runner("run", pipe(pipeline(sh("a", "echo error: near; exit 1"))), code=1).out.partition("error: stage")[2]
    assert "first error" not in report and "  | error: near\n" in report


def test_the_command_that_resumes_can_be_pasted(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "echo x >> a; test -e 'it works'"), vars={"v": "1"}), "my file.pipe")
    out = runner("run", "--set", "v=it's", file, code=1).out
    line = re.search(r"To go on from here: +(.*)", out).group(1)
    assert line.startswith("runner run --set 'v=it'\\''s' --resume '")
    (tmp_path / "it works").touch()
    import subprocess

    subprocess.run(["sh", "-c", line.replace("runner", str(runner.program), 1)], cwd=tmp_path, env=runner.full_env(), check=True)


def test_control_characters_and_broken_text_cannot_spoil_the_screen(runner, pipe, tmp_path):
    command = r"printf 'a\033[31mred\033[0m\033]0;title\007 \001\377z\nprogress 1\rprogress 2\r\nx%09000d\n' 5"
    out = runner("run", pipe(pipeline(sh("a", command)))).out
    assert "a | ared �z\n" in out and "a | progress 2\n" in out and "progress 1" not in out
    assert re.search(r"a \| x0{8191}…\n", out) and re.search(r"a \| 0+5\n", out)
    assert b"\033[31m" in (tmp_path / ".runner/latest/logs/a.log").read_bytes()


def test_junit_files_are_well_formed_and_complete(runner, pipe, tmp_path):
    runner("run", *PATH, "--junit", "out.xml", pipe(MIXED), code=1)
    suite = ElementTree.parse(tmp_path / "out.xml").getroot().find("testsuite")
    assert suite.attrib["tests"] == "4" and suite.attrib["failures"] == "1" and suite.attrib["skipped"] == "2"
    cases = {c.attrib["name"]: c for c in suite}
    assert cases["a"].find("system-out").text == "hello\n" and cases["a"].find("failure") is None
    assert cases["b"].find("skipped").attrib["message"] == '50% <off> & "so"'
    assert "exit status 3" in cases["c"].find("failure").attrib["message"]
    assert cases["c"].find("failure").text.startswith("test.pipe:")
    assert cases["d"].find("skipped").attrib["message"] == "a stage before it failed"


def test_a_junit_file_that_cannot_be_written_is_no_success(runner, pipe, tmp_path):
    file = pipe(pipeline(sh("a", "touch ran")))
    runner("run", "--junit", "new/folder/out.xml", file)
    assert ElementTree.parse(tmp_path / "new/folder/out.xml").getroot().find("testsuite").attrib["tests"] == "1"
    (tmp_path / "ran").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for path, why in (("new/folder", "that is a folder"), ("test.pipe/out.xml", "--junit test.pipe/out.xml"),
                      ("link", "that is a link"), ("fifo", "that is a device or pipe"), ("/dev/null", "that is a device or pipe")):
        assert why in runner("run", "--junit", path, file, code=3).err
    assert not (tmp_path / "ran").exists()  # said before anything ran
    late = pipe(pipeline(sh("a", "mkdir -p late.xml/x")), "late.pipe")
    assert "--junit" in runner("run", "--junit", "late.xml", late, code=3).err


def test_github_gets_groups_and_annotations_that_stages_cannot_forge(runner, pipe):
    text = pipeline(sh("a", "echo '::error::forged'; echo '::endgroup::'"), stage("b", "fail", message="100% bad,\nvery: bad", hint="fix it"))
    out = runner("run", *PATH, pipe(text), env={"GITHUB_ACTIONS": "true"}, code=1).out
    lines = out.splitlines()
    assert "::group::a (exec)" in lines and lines.count("::endgroup::") == 2
    token = re.search(r"::stop-commands::([0-9a-f]{32})", out).group(1)
    assert lines.index(f"::stop-commands::{token}") < lines.index(f"::{token}::") < lines.index("::endgroup::")
    assert "a | ::error::forged" in lines
    assert re.search(r"^::error file=test\.pipe,line=\d+,col=\d+,title=b::100%25 bad,%0Avery: bad%0Afix it$", out, re.M)


def test_gitlab_gets_sections(runner, pipe):
    out = runner("run", pipe(pipeline(sh("a", "echo hi"))), env={"GITLAB_CI": "true"}).out
    assert re.search(r"\033\[0Ksection_start:\d+:stage_a\[collapsed=true\][\r\n]\033\[0Ka \(exec\)\n", out)
    assert re.search(r"\033\[0Ksection_end:\d+:stage_a[\r\n]\033\[0K\n", out)


def test_groups_of_parallel_stages_do_not_interleave(runner, pipe):
    talk = "for i in 1 2 3 4 5; do echo $RUNNER_STAGE-$i; sleep 0.02; done"
    out = runner("run", "--jobs", "4", pipe(pipeline(*[sh(i, talk, needs=[]) for i in "abcd"])), env={"GITHUB_ACTIONS": "true"}).out
    groups = re.findall(r"::group::(\w) .*?\n(.*?)::endgroup::", out, re.S)
    assert sorted(name for name, _ in groups) == list("abcd")
    for name, body in groups:
        assert re.findall(r"^(\w) \| (\w)-\d$", body, re.M) == [(name, name)] * 5


@pytest.fixture
def terminal(runner):
    """terminal(*args) -> (exit code, everything written to the terminal)"""
    def run(*args, rows=24, columns=80, when=None, then=lambda fd: os.write(fd, b"\x03")):
        """`then` (Ctrl-C) happens once the regular expression `when` has been seen."""
        pid, fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))  # here: before anybody asks
            os.environ.clear()
            os.environ.update(runner.full_env({"TERM": "xterm-256color"}))
            os.chdir(runner.cwd)
            os.execv(runner.program, runner.argv(*args))
        text = b""
        while True:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            text += piece
            if when and re.search(when, text.decode(errors="replace")):
                then(fd)
                when = None
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()
    return run


def screen(text, rows=24, columns=80):
    """What is on the screen at the end: cursor up, carriage return, erase to the end of line or screen."""
    lines, row, column = [""], 0, 0
    for escape, char in re.findall(r"\033\[([0-9;?]*[A-Za-z])|(.)", text, re.S):
        if escape.endswith("A"):
            row = max(0, row - int(escape[:-1] or 1))
        elif escape == "K":
            lines[row] = lines[row][:column]
        elif escape == "J":
            lines[row] = lines[row][:column]
            del lines[row + 1:]
        elif char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif char:
            lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1:]
            column += 1
    return lines


SPINS = "[⠋⠙⠹⠸⠼]"


def test_a_terminal_gets_a_tree_that_is_redrawn_in_place(terminal, pipe, tmp_path):
    file = pipe(pipeline(sh("first", "until [ -e go ]; do sleep 0.02; done; echo v=1 >> $RUNNER_OUTPUT"), stage("second", "good"), sh("third", "true")))
    code, text = terminal("run", *PATH, file, when=SPINS, then=lambda _: (tmp_path / "go").touch())
    assert code == 0
    shown = screen(text)
    assert [re.sub(r"\s+\d.*", "", line) for line in shown if line.startswith("✓")] == ["✓ first", "✓ second", "✓ third"]
    assert re.search(f"{SPINS} first", re.sub(r"\033\[[0-9;]*m", "", text)) and "\033[32m" in text
    assert any(re.search(r"created +second +thing/a", line) for line in shown)
    assert any(re.match(r"test done in .*: 3 of 3 stages ok, 1 created, 1 unchanged", line) for line in shown)


@pytest.mark.parametrize("letter", ["ü", "漢"])
def test_lines_of_the_tree_never_wrap(terminal, pipe, tmp_path, letter):
    file = pipe(pipeline(sh("a", "echo " + letter * 300 + "; until [ -e go ]; do sleep 0.02; done")))
    code, text = terminal("run", "--output", "terminal", file, columns=40, when=f"{SPINS}.*{letter}", then=lambda _: (tmp_path / "go").touch())
    assert code == 0 and letter in text.partition("Outputs")[0]
    tree = text.partition("Outputs")[0]
    for line in re.sub(r"\033\[[0-9;]*[A-Za-z]", "", tree).replace("\r", "\n").splitlines():
        assert sum(1 + (unicodedata.east_asian_width(c) == "W") for c in line) <= 60, line


def test_ctrl_c_at_a_terminal_stops_the_run(terminal, pipe):
    code, text = terminal("run", "-v", pipe(pipeline(sh("a", "echo ready; sleep 60"))), when="ready")
    assert code == 130 and "interrupted" in text


def test_progress_of_several_works_is_told_at_a_bounded_rate_and_its_end_once(runner, pipe):
    events = runner("run", *PATH, "--output", "json", pipe(pipeline(stage("a", "two-works")))).json_lines()
    progress = [e for e in events if e["event"] == "progress"]
    assert len(progress) < 1000  # of 4100 that the plugin tells
    for what in ("one", "two"):
        assert [e["done"] for e in progress if e["what"] == what][-1] == 2000
        assert sum(e["what"] == what and e["done"] == 2000 for e in progress) == 1


@pytest.mark.parametrize("line", ["plan --json", "validate", "graph", "plugins list"])
def test_output_that_could_not_be_written_is_no_success(runner, pipe, tmp_path, line):
    file = pipe(pipeline(sh("a", "true")))
    for target, code in (("/dev/full", 3), (None, 0)):  # None: a reader that went away
        read, write = os.pipe() if target is None else (None, os.open(target, os.O_WRONLY))
        if read is not None:
            os.close(read)
        command = [support.BUILD / "bin/runner", *line.split(), *([] if "list" in line else [file])]
        done = subprocess.run(command, cwd=tmp_path, env=support.clean_env(tmp_path), stdout=write, stderr=subprocess.PIPE, text=True,
                              timeout=support.PATIENCE, check=False)
        os.close(write)
        assert done.returncode in (code, -signal.SIGPIPE if target is None else code), done.stderr
        assert ("cannot write to standard output" in done.stderr) == (code == 3)
