# SPDX-License-Identifier: Apache-2.0
"""The smoke-test stage reads API Gateway back and tells which cause a refusal has, and its cure."""

import json

import pytest

import lambda_images as images
from support import clear_of_midnight

PROXY = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/%s/invocations"
KEY = "a-key-of-at-least-twenty-characters"


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


class Api:
    """POST /predict behind a key and a plan, in front of a function that answers nonsense."""

    def __init__(self, runner, pipe, cloud, probe):
        self.runner, self.pipe, self.cloud = runner, pipe, cloud
        self.api, self.functions = cloud.direct.client("apigateway"), cloud.direct.client("lambda")
        uri, _ = images.push(cloud.direct, "app", [{"probe": (probe, 0o755)}], {"Entrypoint": ["/probe"]})
        self.functions.create_function(FunctionName="fn", Role=images.role(cloud.direct), PackageType="Image", Code={"ImageUri": uri},
                                       Timeout=60)
        self.functions.get_waiter("function_active_v2").wait(FunctionName="fn", WaiterConfig={"Delay": 0.05})
        self.id = self.api.create_rest_api(name="a")["id"]
        self.resource = self.add("predict", "POST", apiKeyRequired=True)
        self.functions.add_permission(FunctionName="fn", StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                      SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/test/*/*")
        self.deploy()
        self.key = self.api.create_api_key(name="customer", value=KEY, enabled=True)["id"]
        self.plan = self.api.create_usage_plan(name="gold", apiStages=[{"apiId": self.id, "stage": "test"}],
                                               throttle={"rateLimit": 100, "burstLimit": 100}, quota={"limit": 50, "period": "DAY"})["id"]
        self.api.create_usage_plan_key(usagePlanId=self.plan, keyId=self.key, keyType="API_KEY")

    def add(self, part, method, function="fn", **more):
        root = next(r["id"] for r in self.api.get_resources(restApiId=self.id)["items"] if r["path"] == "/")
        resource = self.api.create_resource(restApiId=self.id, parentId=root, pathPart=part)["id"]
        self.api.put_method(restApiId=self.id, resourceId=resource, httpMethod=method, **{"authorizationType": "NONE", **more})
        self.api.put_integration(restApiId=self.id, resourceId=resource, httpMethod=method, type="AWS_PROXY", integrationHttpMethod="POST",
                                 uri=PROXY % f"arn:aws:lambda:us-east-1:000000000000:function:{function}")
        return resource

    def deploy(self):
        self.api.create_deployment(restApiId=self.id, stageName="test")

    def plan_patch(self, *ops):
        self.api.update_usage_plan(usagePlanId=self.plan, patchOperations=[dict(zip(("op", "path", "value"), o, strict=False)) for o in ops])

    def smoke(self, code=1, path="predict", stage="test", env=None, **with_):
        url = f"{self.cloud.url}/restapis/{with_.pop('api', self.id)}/{stage}/_user_request_/{path}"
        file = self.pipe({"name": "p", "stages": [{"id": "s", "uses": "smoke-test", "with": {
            "url": url, "json": {"do": "echo"}, "headers": {"x-api-key": KEY}, "retry_for": "0s", **with_}}]})
        self.cloud.proxy.clear()
        return self.runner("run", file, code=code, env=self.cloud.env if env is None else env)


@pytest.fixture
def api(runner, pipe, recorded_cloud, probe):
    return Api(runner, pipe, recorded_cloud, probe)


def iam(api):
    api.add("signed", "POST", authorizationType="AWS_IAM")
    api.deploy()


def no_plan(api):
    api.api.delete_usage_plan_key(usagePlanId=api.plan, keyId=api.key)


def other_function(api):
    api.add("gone", "POST", "nobody")
    api.deploy()


def stopped(api):
    api.functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)


def used_up(api):
    api.plan_patch(("replace", "/quota/limit", "1"))
    api.smoke(code=None)


def slow(api):
    resource = api.add("slow", "POST")
    api.api.update_integration(restApiId=api.id, resourceId=resource, httpMethod="POST",
                               patchOperations=[{"op": "replace", "path": "/timeoutInMillis", "value": "50"}])
    api.deploy()


CAUSES = {
    "no api": (None, {"api": "nosuchapi0"}, ["there is no API nosuchapi0"]),
    "no stage": (None, {"stage": "prod"}, ['no stage "prod"', "it has: test"]),
    "no path": (None, {"path": "predct"}, ["no route for the path /predct", "POST /predict"]),
    "no method": (None, {"method": "PUT"}, ["has no method PUT", "POST /predict"]),
    "not deployed": (lambda api: api.add("new", "POST"), {"path": "new"}, ["POST /new is in API", "not in deployment", "deploy the API"]),
    "iam": (iam, {"path": "signed"}, ["signed as an IAM identity", "AWS_IAM"]),
    "no key": (None, {"headers": {}}, ["wants an API key and none was sent"]),
    "unknown key": (None, {"headers": {"x-api-key": "another-key-of-twenty-letters"}}, ["no API key in us-east-1 has the value"]),
    "disabled key": (lambda api: api.api.update_api_key(apiKey=api.key, patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}]), {},
                     ["key customer", "is disabled"]),
    "no plan": (no_plan, {}, ["key customer", "is in no usage plan"]),
    "plan of another stage": (lambda api: api.plan_patch(("remove", "/apiStages", f"{api.id}:test")), {}, ["usage plan gold", "does not hold for stage test"]),
    "quota": (used_up, {}, ["quota of usage plan gold is used up (1 requests a DAY)"]),
    "throttle": (lambda api: api.plan_patch(("replace", "/throttle/rateLimit", "0"), ("replace", "/throttle/burstLimit", "0")), {},
                 ["throttled", "usage plan gold allows 0 a second"]),
    "no permission": (lambda api: api.functions.remove_permission(FunctionName="fn", StatementId="s"), {}, ["may not invoke function", "permission is missing"]),
    "no function": (other_function, {"path": "gone"}, ["function:nobody", "does not exist"]),
    "stopped": (stopped, {}, ["is stopped", "reserved concurrency is 0"]),
    "malformed": (None, {}, ["did not answer {\"statusCode\"", "/aws/lambda/fn"]),
    "timeout": (slow, {"path": "slow", "headers": {"do": "sleep", "arg": "50000"}}, ["longer than the integration waits (50 ms"]),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_of_a_refusal_is_told(api, cause):
    prepare, changes, words = CAUSES[cause]
    clear_of_midnight()
    if prepare:
        prepare(api)
    failed = api.smoke(**changes)
    for word in words:
        assert word in failed.text, failed.text
    assert KEY not in failed.text.replace(f"x-api-key: {KEY}", "")
    assert [w for w in api.cloud.proxy.writes() if not w.startswith(("POST", "PUT"))] == []
    api.cloud.proxy.assert_valid()


def test_a_denied_look_leaves_the_usual_meaning(api):
    api.cloud.proxy.fault("apigateway.Get*", "error", status=403, code="AccessDeniedException", times=99)
    failed = api.smoke(headers={})
    assert "none was sent" in failed.text and "smoke-test" in failed.text


def test_without_credentials_the_usual_meaning_is_told(api):
    failed = api.smoke(headers={}, env={})
    assert "none was sent" in failed.text and not any(c.service for c in api.cloud.proxy.calls)


def test_the_api_is_read_once_at_the_end_and_not_for_an_expected_refusal(api):
    api.smoke(headers={}, retry_for="1s")
    assert api.cloud.proxy.count("apigateway.GetRestApi") == 1
    api.smoke(code=0, headers={}, expect={"status": 403})
    assert api.cloud.proxy.count("apigateway.*") == 0


@pytest.mark.parametrize("path, value, words", [("$.b[1]", 2, ""), ("b.1", 2, ""), ("$.b[0]", 2, "json $.b[0]: expected 2, got 1"), ("$.x", 1, "got nothing")])
def test_places_in_the_answer(runner, pipe, path, value, words):
    from fake_services import Fake, reply_json

    with Fake(lambda seen: reply_json({"b": [1, 2]})) as fake:
        file = pipe(json.dumps({"name": "p", "stages": [{"id": "s", "uses": "smoke-test", "with": {"url": fake.url, "expect": {"json_path": {path: value}}}}]}))
        assert words in runner("run", file, code=1 if words else 0).text
