# SPDX-License-Identifier: Apache-2.0
"""`on_failure: rollback` of function and API: a bad release whose smoke test fails leaves the old one, answering."""

import json
import subprocess

import pytest

import lambda_images as images
from support import http


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """(good, bad): one squares numbers, the other answers nonsense."""
    folder = tmp_path_factory.mktemp("programs")
    source = images.ROOT / "examples/squares"
    good = images.compile_static(folder, source / "squares.c", source / "json.c")
    return good, images.compile_static(folder, images.ROOT / "tests/data/functions/probe.c")


@pytest.fixture
def release(runner, pipe, recorded_cloud, programs):
    """release("good" | "bad", ...) ships a function with an API and asks it."""

    class Release:
        proxy, url = recorded_cloud.proxy, recorded_cloud.direct.url
        functions, api = recorded_cloud.direct.client("lambda"), recorded_cloud.direct.client("apigateway")

        def __init__(self):
            self.role = images.role(recorded_cloud.direct)

        def image(self, kind):
            program = programs[kind == "bad"]
            uri, digest = images.push(recorded_cloud.direct, "app", [{"program": (program, 0o755)}], {"Entrypoint": ["/program"]}, tag=kind)
            return f"{uri.rpartition(':')[0]}@{digest}"

        def __call__(self, kind, command="run", code=0, function=None, api=None, on_failure="rollback", flags=()):
            with_ = {"function_name": "fn", "image": self.image(kind), "role": self.role, "alias": "live", "timeout": "28s", **(function or {})}
            routes = {"api_name": "a", "resource": "predict", "method": "POST", "function": "${{ stages.fn.qualified_arn }}", "stage": "test", **(api or {})}
            file = pipe({"name": "p", "defaults": {"on_failure": on_failure}, "stages": [
                {"id": "fn", "uses": "lambda", "with": with_}, {"id": "api", "uses": "apigw", "with": routes},
                {"id": "smoke", "uses": "smoke-test", "with": {"url": "${{ stages.api.url }}", "json": [1, 2, 3], "retry_for": "0s",
                                                              "expect": {"json": [1, 4, 9]}}}]})
            self.proxy.clear()
            return runner(command, *flags, file, env=recorded_cloud.env, code=code)

        def rest(self):
            return next((a["id"] for a in self.api.get_rest_apis()["items"]), None)

        def state(self):
            """All that a rollback puts back."""
            function = self.functions.get_function(FunctionName="fn")
            c = function["Configuration"]
            alias = self.functions.get_alias(FunctionName="fn", Name="live")
            stage = self.api.get_stage(restApiId=self.rest(), stageName="test")
            policy = json.loads(self.functions.get_policy(FunctionName="fn", Qualifier="live")["Policy"])["Statement"]
            return {"image": function["Code"]["ResolvedImageUri"], "memory": c["MemorySize"], "environment": c.get("Environment"), "timeout": c["Timeout"],
                    "concurrency": function.get("Concurrency"), "alias": (alias["FunctionVersion"], alias.get("RoutingConfig")),
                    "deployment": stage["deploymentId"], "tracing": stage["tracingEnabled"],
                    "permissions": sorted(s["Condition"]["ArnLike"]["AWS:SourceArn"] for s in policy)}

        def ask(self, path="predict"):
            status, _, body = http("POST", f"{self.url}/restapis/{self.rest()}/test/_user_request_/{path}", json=[2, 5])
            return status, body.decode()

        def writes(self):
            return [w.partition(".")[2] for w in self.proxy.writes() if not w.startswith("POST /restapis")]

    return Release()


def test_a_bad_release_is_put_back_and_the_old_one_answers(release):
    release("good", function={"environment": {"MODE": "old", "SECRET": "hush"}, "reserved_concurrency": 3})
    before = release.state()
    failed = release("bad", code=1, function={"environment": {"MODE": "new"}, "memory": 256, "timeout": "27s", "reserved_concurrency": 4},
                     api={"resource": "v2/predict", "tracing": True})
    assert release.state() == before and release.ask() == (200, "[4, 25]"), failed
    put_back = failed.out.partition("Put back")[2]
    for words in ("alias live", "function fn", "stage test"):
        assert words in put_back, failed
    assert "hush" not in failed.text
    release.proxy.assert_valid()
    release("good", function={"environment": {"MODE": "old", "SECRET": "hush"}, "reserved_concurrency": 3})
    assert "UpdateFunctionCode" not in release.writes() and "PublishVersion" not in release.writes() and release.ask()[0] == 200
    release("good", function={"environment": {"MODE": "old", "SECRET": "hush"}, "reserved_concurrency": 3})
    assert release.writes() == []


def test_a_first_release_that_fails_leaves_nothing_behind(release):
    failed = release("bad", code=1, api={"api_key_required": False, "usage_plan": {"quota": "5/day"}})
    assert release.rest() is None and release.api.get_usage_plans()["items"] == [] and release.functions.list_functions()["Functions"] == [], failed


def test_a_failed_test_event_puts_the_code_back(release):
    more = {"test_event": {"body": "[3]"}, "test_expect": {"body": "[9]"}}
    release("good", function=more)
    before = release.state()
    failed = release("bad", code=1, function=more)
    assert release.state() == before and "test event" in failed.text and release.ask() == (200, "[4, 25]")


def test_kept_is_kept_and_rollback_by_hand_goes_back(release):
    release("good")
    before = release.state()
    release("bad", code=1, on_failure="keep")
    assert release.state() != before and release.ask()[0] == 502
    release("bad", "rollback")
    assert release.state() == before and release.ask() == (200, "[4, 25]")
    release("bad", "rollback", code=None)
    assert release.state() == before


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "500"])
def test_a_rollback_survives_faults(release, kind):
    release("good")
    before = release.state()
    release("bad", code=1, on_failure="keep", function={"memory": 256})
    for operation in ("UpdateAlias", "UpdateFunctionConfiguration", "UpdateFunctionCode", "UpdateStage", "GetFunction", "GetAlias", "GetRestApis"):
        release.proxy.fault(f"*.{operation}", kind)
    release("bad", "rollback", function={"memory": 256})
    release.proxy.clear_faults()
    assert release.state() == before and release.ask() == (200, "[4, 25]")
