# SPDX-License-Identifier: Apache-2.0
"""A run whose cloud is not there, goes away, or says no."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from engine import journal, pipeline, reasons, sh, stage, statuses

ROLE = {"role_name": "r1", "trust": ["lambda.amazonaws.com"]}


def test_a_cloud_killed_in_the_middle_is_told_and_the_run_can_be_resumed(runner, pipe, tmp_path):
    kill = f'[ -e again ] || kill -9 $(pgrep -f "[r]unner-cloud.*{tmp_path}/")'
    file = pipe(pipeline(stage("a", "iam", **ROLE), sh("b", kill), stage("c", "iam", **{**ROLE, "role_name": "r2"})))
    result = runner("run", "--local", file, code=1)
    assert "the local cloud ended in the middle of the run (signal 9)" in result.out and "--resume" in result.out
    assert statuses(tmp_path) == {"a": "ok", "b": "ok", "c": "failed"} and "Couldn't connect" in result.out
    (tmp_path / "again").touch()
    assert "created role r2" in runner("run", "--local", "--resume", file).out
    assert statuses(tmp_path) == {"a": "reused", "b": "reused", "c": "ok"} and "it failed" in reasons(tmp_path)["c"]
    # what the first run had stored is there: nothing is made anew
    result = runner("run", "--local", file)
    assert "created" not in result.out and "unchanged role r1" in result.out


def test_local_goes_with_every_command_that_takes_a_pipeline(runner, pipe):
    file = pipe(pipeline(stage("a", "iam", **ROLE)))
    runner("plan", "--local", "--detailed-exitcode", file, code=2)
    runner("--local", file)
    runner("--local", "plan", "--detailed-exitcode", file, code=0)
    assert "deleted    a  role r1" in runner("--local", "destroy", file).out
    runner("--local", "plan", "--detailed-exitcode", file, code=2)


@pytest.mark.parametrize("line", ["-j 2 -v --local plan", "--local -vj2 plan --jobs=1", "--set destroy=1 validate", "--set destroy=1 -v plan --local"])
def test_options_may_stand_before_the_command(runner, pipe, line):
    file = pipe(pipeline(sh("a", "echo ran > ran"), vars={"destroy": "0"}))
    runner(*line.split(), file)
    assert not (file.parent / "ran").exists(), "the command was taken, not `run`"


def test_options_before_a_command_that_has_them_not_are_refused_in_words(runner, pipe):
    file = pipe(pipeline(sh("a", "true")))
    assert "validate: unknown option --local" in runner("--local", "validate", file, code=2).err
    assert 'did you mean "runner destroy"?' in runner("--local", "destory", file, code=2).err
    assert json.loads(runner("-o", "json", "plugins", "list").out)
    runner("--local", file)


def test_without_credentials_all_that_was_tried_is_listed(runner, pipe):
    result = runner("run", pipe(pipeline(stage("a", "iam", **ROLE))), code=1)
    block = result.out.partition('error: stage "a" (iam) failed')[2]
    for words in ("at    test.pipe:3:", "no AWS credentials found; tried:", "\n          environment: AWS_ACCESS_KEY_ID is not set",
                  "EC2 instance metadata: switched off", "do    set AWS_ACCESS_KEY_ID", "runner --local"):
        assert words in block, words


class Refuses(BaseHTTPRequestHandler):
    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers["content-length"]))
        body = (b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>AccessDenied</Code>'
                b"<Message>User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:GetRole</Message></Error>"
                b"<RequestId>7f3c0000-1111</RequestId></ErrorResponse>")
        self.send_response(403)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def refusing():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_error_of_aws_names_operation_code_and_request(runner, pipe, tmp_path, refusing):
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-example", "AWS_REGION": "eu-west-1",
           "AWS_ENDPOINT_URL": refusing}
    result = runner("run", pipe(pipeline(stage("a", "iam", **ROLE))), env=env, code=1)
    for words in ("IAM GetRole", "403", "AccessDenied", "not authorized to perform: iam:GetRole", "7f3c0000-1111", "at    test.pipe:3:"):
        assert words in result.out, words
    failure = next(e for e in journal(tmp_path) if e["event"] == "failure")
    assert failure["class"] == "auth" or failure["class"] == "remote"
    assert "secret-key-of-the-example" not in result.text
