# SPDX-License-Identifier: Apache-2.0
"""The smoke-test stage: what it sends, what it accepts, how it waits, and what it says when it fails."""

import json
import threading

import pytest

from fake_services import Fake, reply_json
from support import PATIENCE, nobody


@pytest.fixture
def smoke(runner, pipe):
    """smoke(**parameters) runs a pipeline with one smoke-test stage."""

    def run(command="run", code=0, flags=(), **with_):
        file = pipe({"name": "p", "stages": [{"id": "smoke", "uses": "smoke-test", "with": with_}]})
        return runner(command, *flags, file, code=code)

    return run


def test_a_request_as_described_and_its_outputs(smoke, runner, pipe):
    with Fake(lambda seen: reply_json([n * n for n in json.loads(seen.body)])) as fake:
        done = smoke(url=fake.url + "/predict", headers={"x-api-key": "k"}, json=[1, 2, 3], expect={"status": 200, "json": [1, 4, 9]})
    seen = fake.seen[0]
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/predict", [1, 2, 3])
    assert seen.headers["x-api-key"] == "k" and seen.headers["content-type"] == "application/json"
    assert "as expected" in done.text and "[1, 4, 9]" in done.text


def test_outputs_reach_later_stages(runner, pipe):
    with Fake(lambda seen: (201, {}, "made")) as fake:
        file = pipe({"name": "p", "stages": [
            {"id": "smoke", "uses": "smoke-test", "with": {"url": fake.url, "expect": {"status": 201}}},
            {"id": "next", "uses": "exec", "with": {"command": "echo got ${{ stages.smoke.status }} ${{ stages.smoke.body }}"}}]})
        assert "got 201 made" in runner("run", file).text


@pytest.mark.parametrize("expect, words", [
    ({"status": 201}, ["status: expected 201, got 200"]),
    ({"json": [1, 5]}, ["json $[1]: expected 5, got 4"]),
    ({"json_subset": {"a": 1}}, ["json $"]),
    ({"body": {"contains": "hello"}}, ["a text that contains", "hello"]),
    ({"headers": {"X-A": "1"}}, ["header X-A: is missing"]),
    ({"latency": "0ms", "status": 404, "body": "x"}, ["status: expected 404", "body: expected"]),
])
def test_a_difference_fails_at_once_and_is_shown(smoke, expect, words):
    with Fake(lambda seen: reply_json([1, 4])) as fake:
        failed = smoke(url=fake.url, expect=expect, code=1)
    for w in words:
        assert w in failed.text, w
    assert len(fake.seen) == 1


def test_several_requests_in_order(smoke):
    with Fake(lambda seen: (404 if seen.path == "/gone" else 200, {}, seen.method)) as fake:
        smoke(url=fake.url + "/v1/", headers={"A": "1"}, requests=[
            {"name": "health", "url": "health"}, {"url": "/gone", "expect": {"status": 404}}, {"url": "/x", "method": "PUT", "body": "t",
                                                                                            "expect": {"body": "PUT"}}])
    assert [(s.method, s.path) for s in fake.seen] == [("GET", "/v1/health"), ("GET", "/gone"), ("PUT", "/x")]
    assert all(s.headers["a"] == "1" for s in fake.seen)


def test_the_request_that_failed_is_named_and_the_rest_is_not_sent(smoke):
    with Fake(lambda seen: (400 if seen.path == "/b" else 200, {}, "")) as fake:
        failed = smoke(url=fake.url, requests=[{"url": "/a"}, {"name": "second", "url": "/b"}, {"url": "/c"}], code=1)
    assert "second (GET " in failed.text and len(fake.seen) == 2


def test_it_waits_until_a_fresh_deployment_answers(smoke):
    left = [None, (403, {"x-amzn-ErrorType": "ForbiddenException"}, "{}"), (503, {}, "")]
    with Fake(lambda seen: left.pop(0) if left else reply_json({"ok": True})) as fake:
        smoke(url=fake.url, expect={"json": {"ok": True}})
    assert len(fake.seen) == 4


def test_with_retry_for_any_difference_is_tried_again(smoke):
    left = [reply_json({"version": 1})]
    with Fake(lambda seen: left.pop() if left else reply_json({"version": 2})) as fake:
        smoke(url=fake.url, expect={"json": {"version": 2}}, retry_for="30s")
    assert len(fake.seen) == 2


def test_time_is_up_one_day(smoke):
    with Fake(lambda seen: (503, {}, "down")) as fake:
        failed = smoke(url=fake.url, retry_for="5s", code=1)
    assert len(fake.seen) >= 2
    assert "tries" in failed.text and "got 503" in failed.text and "down" in failed.text


def test_retry_for_zero_is_one_try(smoke):
    with Fake(lambda seen: (503, {}, "")) as fake:
        smoke(url=fake.url, retry_for="0s", code=1)
    assert len(fake.seen) == 1


def test_an_expected_refusal_is_no_reason_to_wait(smoke):
    with Fake(lambda seen: (403, {}, "")) as fake:
        smoke(url=fake.url, expect={"status": 403})
    assert len(fake.seen) == 1


@pytest.mark.parametrize("reply, headers, words", [
    ((403, {"x-amzn-ErrorType": "MissingAuthenticationTokenException"}, '{"message":"Missing Authentication Token"}'), {}, "no such route"),
    ((403, {"x-amzn-ErrorType": "ForbiddenException"}, '{"message":"Forbidden"}'), {}, "none was sent"),
    ((403, {"x-amzn-ErrorType": "ForbiddenException"}, '{"message":"Forbidden"}'), {"x-api-key": "k"}, "does not accept the key"),
    ((429, {"x-amzn-ErrorType": "LimitExceededException"}, '{"message":"Limit Exceeded"}'), {}, "quota"),
    ((502, {"x-amzn-ErrorType": "InternalServerErrorException"}, '{"message": "Internal server error"}'), {}, "function failed"),
])
def test_refusals_of_api_gateway_are_explained(smoke, reply, headers, words):
    with Fake(lambda seen: reply) as fake:
        assert words in smoke(url=fake.url, headers=headers, retry_for="0s", code=1).text


def test_nobody_there_is_a_failure_with_the_address(smoke):
    with nobody() as url:
        assert url in smoke(url=url, retry_for="0s", code=1).text


def test_a_slow_answer_hits_the_timeout(smoke):
    over = threading.Event()
    with Fake(lambda seen: over.wait(PATIENCE) and (200, {}, "")) as fake:
        failed = smoke(url=fake.url, timeout="200ms", retry_for="0s", code=1)
        over.set()
    assert "timed out" in failed.text.lower() or "timeout" in failed.text.lower()


def test_redirects_are_answers_unless_followed(smoke):
    with Fake(lambda seen: (302, {"Location": "/b"}, "") if seen.path == "/a" else (200, {}, "end")) as fake:
        smoke(url=fake.url + "/a", expect={"status": 302, "headers": {"location": "/b"}})
        smoke(url=fake.url + "/a", expect={"body": "end"}, follow_redirects=True)


@pytest.mark.parametrize("with_, words", [
    ({}, "url"), ({"url": "nonsense"}, "nonsense"), ({"url": "http://h", "expect": {"statsu": 1}}, "statsu"),
    ({"url": "http://h", "json": 1, "body": "x"}, "one body"), ({"url": "http://h", "requests": [{"ulr": "/"}]}, "ulr"),
    ({"url": "http://h", "expect": {"body": {"regex": "("}}}, "regular expression"),
])
def test_bad_parameters_are_refused(smoke, with_, words):
    failed = smoke(code=None, **with_)
    assert failed.code in (1, 2) and words in failed.text


def test_plan_sends_nothing(smoke):
    with Fake(lambda seen: (200, {}, "")) as fake:
        shown = smoke("plan", url=fake.url + "/x")
    assert not fake.seen and "would ask GET" in shown.text


def test_a_binary_body_is_no_obstacle(smoke):
    with Fake(lambda seen: (200, {}, b"\xff\xfe\x00\x01")) as fake:
        smoke(url=fake.url)


def test_a_huge_body_is_refused(smoke):
    with Fake(lambda seen: (200, {}, b"x" * (17 << 20))) as fake:
        assert "larger" in smoke(url=fake.url, code=1).text
