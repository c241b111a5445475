# SPDX-License-Identifier: Apache-2.0
"""The HTTP client: bodies both ways, redirects that keep keys at home, limits, cuts, cancelling, proxies."""

import contextlib
import json
import os
import socket
import subprocess
from email.utils import formatdate

import pytest

import support
from fake_services import Fake


@pytest.fixture
def send(tmp_path):
    """send(*requests, env=..., args=...) -> answers of tests/tools/http; one request gives one answer."""

    def run(*requests, env=None, args=(), **more):
        done = subprocess.run([support.BUILD / "tests/tools/http", *map(str, args)], input="\n".join(map(json.dumps, requests)) + "\n",
                              env={**support.clean_env(tmp_path), **(env or {})}, capture_output=True, text=True, timeout=support.PATIENCE, **more)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return answers[0] if len(answers) == 1 else answers

    return run


def echo(seen):
    return 200, {"X-Method": seen.method, "X-Len": str(len(seen.body))}, seen.body or b"nothing"


# ---- bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_bodies_from_memory_with_any_method(send, method):
    with Fake(echo) as fake:
        got = send({"url": fake.url, "method": method, "body": "hällo"})
    assert got["body"] == "hällo" and fake.seen[0].method == method
    assert fake.seen[0].headers["content-length"] == str(len("hällo".encode())) and "expect" not in fake.seen[0].headers
    assert "content-type" not in fake.seen[0].headers  # nobody said what it is


def test_an_empty_body_says_so_and_no_body_says_nothing(send):
    with Fake(echo) as fake:
        send({"url": fake.url, "method": "POST", "body": ""}, {"url": fake.url})
    assert fake.seen[0].headers["content-length"] == "0" and "content-length" not in fake.seen[1].headers


def test_bodies_from_a_file(send, tmp_path):
    (tmp_path / "blob").write_bytes(b"x" * 3_000_000)
    with Fake(lambda seen: (200, {}, str(len(seen.body)))) as fake:
        assert send({"url": fake.url, "method": "PUT", "body_file": str(tmp_path / "blob")})["body"] == "3000000"


def test_bodies_of_unknown_length_are_chunked(send):
    with Fake(echo) as fake:
        got = send({"url": fake.url, "method": "PUT", "body": "a longer text in pieces", "chunked": True})
    assert got["body"] == "a longer text in pieces" and fake.seen[0].headers["transfer-encoding"] == "chunked"


def test_head_has_no_body(send):
    with Fake(lambda seen: (200, {"Content-Length": "12345"}, "")) as fake:
        got = send({"url": fake.url, "method": "HEAD"})
    assert got["status"] == 200 and ["Content-Length", "12345"] in got["headers"]


def test_a_sink_gets_good_answers_and_memory_the_others(send):
    with Fake(lambda seen: (404 if seen.path == "/no" else 200, {}, "text")) as fake:
        good, bad = send({"url": fake.url, "sink": True}, {"url": fake.url + "/no", "sink": True})
    assert (good["sunk"], good["body"]) == ("text", "") and (bad["sunk"], bad["body"]) == ("", "text")


def test_a_body_over_the_ceiling_is_an_error(send):
    with Fake(lambda seen: (200, {}, "x" * 5000)) as fake:
        got = send({"url": fake.url, "max_body": 4000})
    assert not got["ok"] and got["code"] == "limit" and not got["retryable"]


def test_too_many_headers_are_an_error(send):
    with Fake(lambda seen: (200, {f"X-{i}": "v" for i in range(2000)}, "")) as fake:
        assert not send({"url": fake.url})["ok"]


def test_repeated_and_empty_headers_are_sent(send):
    with Fake(echo) as fake:
        send({"url": fake.url, "headers": [["X-Empty", ""], ["X-A", "1"]]})
    assert fake.seen[0].headers["x-empty"] == "" and fake.seen[0].headers["x-a"] == "1"
    assert fake.seen[0].headers["user-agent"].startswith("runner/")


@pytest.mark.parametrize("header", [["X-A", "1\r\nX-B: 2"], ["X\n", "1"], ["", "x"]])
def test_headers_with_line_breaks_are_refused(send, header):
    with Fake(echo) as fake:
        assert not send({"url": fake.url, "headers": [header]})["ok"]
    assert not fake.seen


def test_paths_go_out_as_they_are_written(send):
    with Fake(echo) as fake:
        send({"url": fake.url + "/a/../b/./%2F//c?x=%20&y"})
    assert fake.seen[0].target == "/a/../b/./%2F//c?x=%20&y"


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "nonsense", "http://", "http://a b/", "http://h:99999/"])
def test_what_is_no_http_url_is_refused(send, url):
    got = send({"url": url})
    assert not got["ok"] and got["code"] == "invalid" and not got["sent"]


def test_connections_are_reused(send):
    with Fake(echo) as fake:
        answers = send(*[{"url": fake.url}] * 5)
        assert fake.connections == 1 and [a["reused"] for a in answers] == [False, True, True, True, True]
        send({"url": fake.url}, {"url": fake.url, "once": True})
        assert fake.connections == 3


# ---- redirects ------------------------------------------------------------------------------

SECRETS = [["Authorization", "Basic x"], ["Cookie", "c"], ["X-Amz-Security-Token", "t"], ["x-api-key", "k"], ["Accept", "a/b"]]


def test_redirects_are_handed_out_unless_asked_for(send):
    with Fake(lambda seen: (302, {"Location": "/b"}, "body")) as fake:
        got = send({"url": fake.url})
    assert got["status"] == 302 and got["body"] == "body" and len(fake.seen) == 1


def test_credentials_do_not_follow_to_another_host(send):
    with Fake(echo) as other, Fake(lambda seen: (307, {"Location": other.url + "/b?c=d"}, "")) as first:
        got = send({"url": first.url, "redirects": 3, "headers": SECRETS})
    assert got["ok"] and got["url"] == other.url + "/b?c=d"
    seen = other.seen[0].headers
    assert seen["accept"] == "a/b" and not {"authorization", "cookie", "x-amz-security-token", "x-api-key"} & set(seen)


def test_credentials_follow_on_the_same_host(send):
    with Fake(lambda seen: (301, {"Location": "b"}, "") if seen.path == "/a" else echo(seen)) as fake:
        assert send({"url": fake.url + "/a", "redirects": 3, "headers": SECRETS})["url"] == fake.url + "/b"
    assert fake.seen[1].headers["authorization"] == "Basic x"


@pytest.mark.parametrize("status, method", [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_becomes_of_a_post(send, status, method, chunked):
    with Fake(lambda seen: (status, {"Location": "/b"}, "x") if seen.path == "/a" else echo(seen)) as fake:
        got = send({"url": fake.url + "/a", "method": "POST", "body": "data", "chunked": chunked, "redirects": 3})
    assert fake.seen[1].method == method and got["body"] == ("data" if method == "POST" else "nothing")


def test_a_circle_ends(send):
    with Fake(lambda seen: (302, {"Location": seen.path}, "")) as fake:
        got = send({"url": fake.url, "redirects": 4})
    assert not got["ok"] and "more than 4 redirects" in got["message"] and len(fake.seen) == 5


@pytest.mark.parametrize("where", ["ftp://x/", "file:///etc/passwd", "http://user@[bad/"])
def test_redirects_to_anything_else_are_refused(send, where):
    with Fake(lambda seen: (302, {"Location": where}, "")) as fake:
        assert not send({"url": fake.url, "redirects": 4})["ok"]


# ---- failures --------------------------------------------------------------------------------


@contextlib.contextmanager
def raw_server(reply):
    """The URL of a server that reads one request, sends `reply` and closes."""
    def serve(connection):
        connection.recv(65536)
        connection.sendall(reply)

    listener = socket.create_server(("127.0.0.1", 0))
    with support.connections(listener, serve):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!",
                                   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"])
def test_answers_that_are_cut_off_are_errors(send, reply):
    with raw_server(reply) as url:
        got = send({"url": url})
    assert not got["ok"] and got["code"] == "network" and got["retryable"] and got["sent"]


def test_an_answer_that_is_no_http_is_the_servers_fault(send):
    with raw_server(b"garbage\r\n\r\n") as url:
        got = send({"url": url})
    assert not got["ok"] and got["code"] == "remote" and not got["retryable"]


def test_nobody_there(send):
    with support.nobody() as url:
        got = send({"url": f"{url}/path?secret=1"})
    assert not got["ok"] and got["retryable"] and not got["sent"] and "secret" not in got["message"]


def test_a_host_that_does_not_exist(send):
    got = send({"url": "http://nonexistent.invalid/"})
    assert not got["ok"] and got["retryable"] and "nonexistent.invalid" in got["message"]


@pytest.mark.parametrize("limit", ["timeout_ms", "idle_ms"])
def test_silence_ends_with_a_timeout(send, limit):
    with socket.create_server(("127.0.0.1", 0)) as quiet:  # accepts, never answers
        got = send({"url": f"http://127.0.0.1:{quiet.getsockname()[1]}", limit: 300})
    assert not got["ok"] and got["code"] == "timeout" and got["retryable"]


def test_a_cancelled_request_ends_at_once(tmp_path):
    read_end, write_end = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        tool = subprocess.Popen([support.BUILD / "tests/tools/http", "--cancel-fd", str(read_end)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, pass_fds=[read_end], text=True)
        tool.stdin.write(json.dumps({"url": f"http://127.0.0.1:{quiet.getsockname()[1]}"}) + "\n")
        tool.stdin.flush()
        connection, _ = quiet.accept()
        connection.recv(10)
        os.write(write_end, b"x")
        got = json.loads(tool.communicate(timeout=support.PATIENCE)[0])
        connection.close()
    os.close(read_end)
    os.close(write_end)
    assert not got["ok"] and got["code"] == "cancelled"


def test_a_peer_that_closes_while_we_send_does_not_kill_us(send, tmp_path):
    """The tool runs with SIGPIPE's default action: it must come back with an error, not die."""
    (tmp_path / "blob").write_bytes(b"x" * 20_000_000)
    with raw_server(b"") as url:
        got = send({"url": url, "method": "PUT", "body_file": str(tmp_path / "blob")}, restore_signals=True)
    assert not got["ok"]


# ---- repeating ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_transient_answers_are_repeated(send, status):
    left = [status, status]
    with Fake(lambda seen: (left.pop(), {}, "") if left else echo(seen)) as fake:
        got = send({"url": fake.url, "method": "POST", "body": "again", "retry": {"base_ms": 1}})
    assert got["status"] == 200 and got["body"] == "again" and len(fake.seen) == 3


def test_the_last_answer_is_handed_out(send):
    with Fake(lambda seen: (503, {}, "no")) as fake:
        got = send({"url": fake.url, "retry": {"attempts": 3, "base_ms": 1}})
    assert got["status"] == 503 and len(fake.seen) == 3


@pytest.mark.parametrize("after", ["1", "date"])
def test_retry_after_in_both_forms(send, after):
    import time

    left = [1]
    value = formatdate(time.time() + 2, usegmt=True) if after == "date" else after
    begin = time.monotonic()
    with Fake(lambda seen: (429, {"Retry-After": value}, "") if left and left.pop() else echo(seen)) as fake:
        assert send({"url": fake.url, "retry": {"base_ms": 1}})["status"] == 200
    assert time.monotonic() - begin >= 0.9


def test_a_retry_after_of_hours_is_not_waited_for(send):
    with Fake(lambda seen: (429, {"Retry-After": "7200"}, "")) as fake:
        assert send({"url": fake.url, "retry": {}})["status"] == 429
    assert len(fake.seen) == 1


def test_what_cannot_get_better_is_not_repeated(send):
    with Fake(lambda seen: (400, {}, "")) as fake:
        send({"url": fake.url, "retry": {"base_ms": 1}})
    assert len(fake.seen) == 1


# ---- proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_the_proxy_of_the_environment_is_used(send, variable):
    with Fake(echo) as proxy:
        assert send({"url": "http://far.invalid/x"}, env={variable: proxy.url})["status"] == 200
    assert proxy.seen[0].target == "http://far.invalid/x"


def test_no_proxy_and_loopback_go_directly(send):
    with Fake(echo) as proxy, Fake(echo) as fake:
        assert send({"url": fake.url}, env={"http_proxy": proxy.url})["status"] == 200
        assert not send({"url": "http://far.invalid/x"}, env={"http_proxy": proxy.url, "no_proxy": ".invalid"})["ok"]
    assert not proxy.seen
