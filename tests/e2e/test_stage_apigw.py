# SPDX-License-Identifier: Apache-2.0
"""The apigw stage against the local cloud and moto: each setting, drift, deployments, keys, plans, documents, faults."""

import base64
import copy
import json
import urllib.parse

import pytest

import lambda_images as images
from support import http

NAME = "fn"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}"
PROXY = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/%s/invocations"


class Stage:
    """stage(command, **changes) runs a pipeline of one apigw stage; a change of None removes the parameter."""

    base = {"api_name": "squares", "resource": "predict", "method": "POST", "function": NAME, "stage": "test"}

    def __init__(self, runner, pipe, endpoint):
        self.runner, self.pipe, self.endpoint, self.proxy = runner, pipe, endpoint, endpoint.proxy
        self.api, self.functions = endpoint.direct.client("apigateway"), endpoint.direct.client("lambda")

    def __call__(self, command="run", code=0, name="p", flags=(), **changes):
        with_ = {k: v for k, v in {**copy.deepcopy(self.base), **changes}.items() if v is not None}
        file = self.pipe({"name": name, "secrets": {"key": {"env": "KEY"}}, "stages": [{"id": "api", "uses": "apigw", "with": with_}]})
        self.proxy.clear()
        return self.runner(command, *flags, file, env={**self.endpoint.env, "KEY": "a-secret-key-of-24-chars"}, code=code)

    def writes(self):
        return [w.partition(".")[2] for w in self.proxy.writes()]

    def id(self):
        apis = self.api.get_rest_apis()["items"]
        assert len(apis) == 1, apis
        return apis[0]["id"]

    def rest(self):
        return self.api.get_rest_api(restApiId=self.id())

    def stage(self):
        return self.api.get_stage(restApiId=self.id(), stageName="test")

    def deployments(self):
        return [d["id"] for d in sorted(self.api.get_deployments(restApiId=self.id())["items"], key=lambda d: d["createdDate"])]

    def resources(self):
        return {r["path"]: r for r in self.api.get_resources(restApiId=self.id(), embed=["methods"])["items"]}

    def method(self, path="/predict", method="POST"):
        return self.resources()[path]["resourceMethods"][method]

    def plan(self):
        plans = self.api.get_usage_plans()["items"]
        return plans[0] if plans else None

    def keys(self):
        return self.api.get_api_keys(includeValues=True)["items"]

    def statements(self, **more):
        try:
            return json.loads(self.functions.get_policy(FunctionName=NAME, **more)["Policy"])["Statement"]
        except self.functions.exceptions.ResourceNotFoundException:
            return []

    def patch_stage(self, *ops):
        self.api.update_stage(restApiId=self.id(), stageName="test", patchOperations=[dict(zip(("op", "path", "value"), o, strict=False)) for o in ops])


@pytest.fixture
def function(recorded_cloud):
    """A function that only exists: what the control plane needs."""
    uri, _ = images.push(recorded_cloud.direct, "app", [{"program": (b"\x7fELF", 0o755)}], {"Entrypoint": ["/program"]})
    client = recorded_cloud.direct.client("lambda")
    client.create_function(FunctionName=NAME, Role=images.role(recorded_cloud.direct), PackageType="Image", Code={"ImageUri": uri})
    client.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.05})
    return client


@pytest.fixture
def stage(runner, pipe, recorded_cloud, function):
    return Stage(runner, pipe, recorded_cloud)


@pytest.fixture
def moto_stage(runner, pipe, recorded_moto):
    recorded_moto.direct.client("lambda").create_function(
        FunctionName=NAME, Role=images.role(recorded_moto.direct), Runtime="python3.12", Handler="a.b", Code={"ZipFile": b"PK\x05\x06" + bytes(18)})
    return Stage(runner, pipe, recorded_moto)


FULL = {"description": "d", "api_key_required": True, "usage_plan": {"burst": 10, "rate": 10, "quota": "100/day"}, "tags": {"team": "data"}}
FULL_CREATES = ["CreateRestApi", "CreateResource", "PutMethod", "PutIntegration", "AddPermission", "CreateDeployment", "CreateStage",
                "CreateApiKey", "CreateUsagePlan", "CreateUsagePlanKey"]


@pytest.mark.parametrize("where", ["stage", "moto_stage"])
def test_the_first_run_makes_the_api_the_second_writes_nothing_and_destroy_removes_it(where, request):
    stage = request.getfixturevalue(where)
    first = stage(**FULL)
    assert stage.writes() == FULL_CREATES
    stage.proxy.assert_valid()
    rest, plan, keys = stage.rest(), stage.plan(), stage.keys()
    assert rest["description"] == "d" and rest["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert rest["tags"] == {"team": "data", "runner:pipeline": "p", "runner:stage": "api"}
    assert stage.method()["apiKeyRequired"] and stage.method()["methodIntegration"]["type"] == "AWS_PROXY"
    assert (plan["throttle"]["rateLimit"], plan["throttle"]["burstLimit"], plan["quota"]["limit"], plan["quota"]["period"]) == (10, 10, 100, "DAY")
    assert len(keys) == 1 and keys[0]["value"] not in first.text and keys[0]["id"] in first.text
    assert [k["id"] for k in stage.api.get_usage_plan_keys(usagePlanId=plan["id"])["items"]] == [keys[0]["id"]]
    assert f"/restapis/{rest['id']}/test/_user_request_/predict" in first.text
    assert stage.statements()[0]["Condition"]["ArnLike"]["AWS:SourceArn"].endswith(f":{rest['id']}/test/POST/predict")
    second = stage(**FULL)
    assert stage.writes() == [] and "updated" not in second.text and "created" not in second.text, second.text
    stage.proxy.assert_valid()
    stage("destroy", **FULL)
    assert stage.api.get_rest_apis()["items"] == [] and stage.keys() == [] and stage.plan() is None and stage.statements() == []
    stage.proxy.assert_valid()
    stage("destroy", **FULL)
    assert stage.writes() == []


# ---- every setting ------------------------------------------------------------------------------

U, D = "UpdateStage", "CreateDeployment"


def method_patch(path, value):
    def drift(stage):
        r = stage.resources()["/predict"]
        stage.api.update_method(restApiId=stage.id(), resourceId=r["id"], httpMethod="POST", patchOperations=[{"op": "replace", "path": path, "value": value}])
    return drift


def api_patch(*ops):
    return lambda stage: stage.api.update_rest_api(restApiId=stage.id(), patchOperations=[dict(zip(("op", "path", "value"), o, strict=False)) for o in ops])


def stage_patch(*ops):
    return lambda stage: stage.patch_stage(*ops)


def plan_patch(*ops):
    return lambda stage: stage.api.update_usage_plan(usagePlanId=stage.plan()["id"],
                                                     patchOperations=[dict(zip(("op", "path", "value"), o, strict=False)) for o in ops])


def key_patch(path, value):
    return lambda stage: stage.api.update_api_key(apiKey=stage.keys()[0]["id"], patchOperations=[{"op": "replace", "path": path, "value": value}])


def authorizer_patch(path, value):
    def drift(stage):
        one = stage.api.get_authorizers(restApiId=stage.id())["items"][0]["id"]
        stage.api.update_authorizer(restApiId=stage.id(), authorizerId=one, patchOperations=[{"op": "replace", "path": path, "value": value}])
    return drift


def integrate_elsewhere(stage):
    r = stage.resources()["/predict"]
    stage.api.put_integration(restApiId=stage.id(), resourceId=r["id"], httpMethod="POST", type="AWS_PROXY", integrationHttpMethod="POST",
                              uri=PROXY % (ARN + "2"))


def remove_method(stage):
    stage.api.delete_method(restApiId=stage.id(), resourceId=stage.resources()["/predict"]["id"], httpMethod="POST")


def add_method(stage):
    stage.api.put_method(restApiId=stage.id(), resourceId=stage.resources()["/predict"]["id"], httpMethod="GET", authorizationType="NONE")


def drop_permissions(stage):
    for s in stage.statements():
        stage.functions.remove_permission(FunctionName=NAME, StatementId=s["Sid"])


def foreign_deployment(stage):
    made = stage.api.create_deployment(restApiId=stage.id(), description="by hand")
    stage.patch_stage(("replace", "/deploymentId", made["id"]))


KEYED = {"api_key_required": True}
AUTH = {"authorization": "CUSTOM", "authorizer": {"function": NAME}}
PLAN = {**KEYED, "usage_plan": {"burst": 5, "rate": 5, "quota": "10/day"}}
ROUTES = {"resource": None, "method": None}
DEPLOY = [D, U]
# setting -> (before, after, writes, words of the plan, drift by hand, writes that repair)
SETTINGS = {
    "name": ({}, {"api_name": "cubes"}, ["UpdateRestApi"], ["squares", "cubes"], api_patch(("replace", "/name", "x")), ["UpdateRestApi"]),
    "description": ({"description": "one"}, {"description": "two"}, ["UpdateRestApi"], ["one", "two"], api_patch(("replace", "/description", "x")),
                    ["UpdateRestApi"]),
    "endpoint type": ({}, {"endpoint_type": "EDGE"}, ["UpdateRestApi"], ["REGIONAL", "EDGE"],
                      api_patch(("replace", "/endpointConfiguration/types/EDGE", "REGIONAL")), ["UpdateRestApi"]),
    "binary types": ({"binary_media_types": ["image/png"]}, {"binary_media_types": ["*/*"]}, ["UpdateRestApi", *DEPLOY], ["image/png", "*/*"],
                     api_patch(("remove", "/binaryMediaTypes/*~1*")), ["UpdateRestApi", *DEPLOY]),
    "path": ({}, {"resource": "v2/predict"}, ["CreateResource", "CreateResource", "PutMethod", "PutIntegration", "DeleteResource", "AddPermission",
                                             "RemovePermission", *DEPLOY], ["/v2/predict", "deleted"], None, None),
    "method": ({}, {"method": "PUT"}, ["PutMethod", "PutIntegration", "DeleteMethod", "AddPermission", "RemovePermission", *DEPLOY],
               ["PUT /predict", "POST /predict"], remove_method, None),
    "key required": ({}, KEYED, ["UpdateMethod", *DEPLOY, "CreateApiKey", "CreateUsagePlan", "CreateUsagePlanKey"],
                     ["api_key_required", "false", "true"], method_patch("/apiKeyRequired", "false"), ["UpdateMethod", *DEPLOY]),
    "key no longer": (KEYED, {"api_key_required": False}, ["UpdateMethod", *DEPLOY, "UpdateUsagePlan", "UpdateApiKey"],
                      ["deleted", "usage plan"], None, None),
    "authorization": ({}, {"authorization": "AWS_IAM"}, ["UpdateMethod", *DEPLOY], ["NONE", "AWS_IAM"], method_patch("/authorizationType", "NONE"),
                      ["UpdateMethod", *DEPLOY]),
    "authorizer": ({}, AUTH, ["CreateAuthorizer", "UpdateMethod", "AddPermission", *DEPLOY], ["authorizer", "NONE", "CUSTOM"],
                   authorizer_patch("/authorizerResultTtlInSeconds", "1"), ["UpdateAuthorizer", *DEPLOY]),
    "authorizer settings": (AUTH, {**AUTH, "authorizer": {"function": NAME, "type": "REQUEST", "identity": ["X", "method.request.querystring.q"], "ttl": 60}},
                            ["UpdateAuthorizer", *DEPLOY], ["ttl: 300 -> 60", "TOKEN -> REQUEST", "querystring.q"], None, None),
    "authorizer no longer": (AUTH, {}, ["UpdateMethod", "RemovePermission", *DEPLOY], ["CUSTOM", "NONE"], None, None),
    "function": ({}, {"function": NAME + ":live"}, ["PutIntegration", "AddPermission", *DEPLOY, "RemovePermission"], [":live"], integrate_elsewhere,
                 ["PutIntegration", *DEPLOY]),
    "timeout": ({}, {"integration_timeout": "5s"}, ["PutIntegration", *DEPLOY], ["integration"], None, None),
    "cors": ({}, {"cors": True}, ["PutMethod", "PutMethodResponse", "PutIntegration", "PutIntegrationResponse", *DEPLOY], ["OPTIONS /predict"], None, None),
    "cors origin": ({"cors": True}, {"cors": {"origins": "https://x.example", "max_age": 60}},
                    ["DeleteMethod", "PutMethod", "PutMethodResponse", "PutIntegration", "PutIntegrationResponse", *DEPLOY], ["cors"], None, None),
    "routes": ({}, {**ROUTES, "routes": [{"path": "predict", "method": "POST"}, {"path": "items/{id}", "method": "GET", "api_key_required": True}]},
               ["CreateResource", "CreateResource", "PutMethod", "PutIntegration", "AddPermission", *DEPLOY, "CreateApiKey", "CreateUsagePlan",
                "CreateUsagePlanKey"], ["GET /items/{id}"], add_method, ["DeleteMethod", *DEPLOY]),
    "stage variables": ({"stage_variables": {"a": "1", "b": "2"}}, {"stage_variables": {"a": "3"}}, [U], ['"a":"3"'],
                        stage_patch(("replace", "/variables/a", "9")), [U]),
    "tracing": ({}, {"tracing": True}, [U], ["tracing", "true"], stage_patch(("replace", "/tracingEnabled", "false")), [U]),
    "throttle": ({}, {"throttle": {"rate": 50, "burst": 60}}, [U], ["throttle.rate", "50", "60"],
                 stage_patch(("replace", "/*/*/throttling/rateLimit", "7")), [U]),
    "throttle no longer": ({"throttle": {"rate": 50, "burst": 60}}, {}, [U], ["throttle.rate: 50 -> (none)"],
                           stage_patch(("replace", "/*/*/throttling/rateLimit", "7")), [U]),
    "route throttle": ({}, {**ROUTES, "routes": [{"path": "predict", "method": "POST", "throttle": {"rate": 3, "burst": 4}}]}, [U],
                       ["throttle.rate of /predict POST", "3"], stage_patch(("remove", "/predict/POST")), [U]),
    "route throttle no longer": ({**ROUTES, "routes": [{"path": "predict", "method": "POST", "throttle": {"rate": 3, "burst": 4}}]}, {}, [U],
                                 ["settings of /predict POST: removed"], stage_patch(("replace", "/predict/POST/throttling/rateLimit", "7")), [U]),
    "log level": ({}, {"log_level": "ERROR"}, [U], ["log_level", "OFF", "ERROR"], stage_patch(("replace", "/*/*/logging/loglevel", "INFO")), [U]),
    "log data": ({"log_level": "INFO"}, {"log_level": "INFO", "log_data": True}, [U], ["log_data", "true"],
                 stage_patch(("replace", "/*/*/logging/dataTrace", "false")), [U]),
    "metrics": ({}, {"metrics": True}, [U], ["metrics"], stage_patch(("replace", "/*/*/metrics/enabled", "false")), [U]),
    "access log": ({}, {"access_log": {"group": "/aws/x"}}, [U], ["access_log.group", ":log-group:/aws/x"],
                   stage_patch(("replace", "/accessLogSettings/format", "x")), [U]),
    "access log no longer": ({"access_log": {"group": "/aws/x", "format": "f"}}, {}, [U], ["access_log", "(none)"], None, None),
    "plan limits": (PLAN, {**KEYED, "usage_plan": {"burst": 6, "rate": 7, "quota": "20/week"}}, ["UpdateUsagePlan"], ["quota 10/DAY", "quota 20/WEEK"],
                    plan_patch(("replace", "/quota/limit", "1"), ("remove", "/throttle")), ["UpdateUsagePlan"]),
    "plan without limits": (PLAN, KEYED, ["UpdateUsagePlan"], ["quota 10/DAY"], plan_patch(("replace", "/name", "x")), ["UpdateUsagePlan"]),
    "plan methods": (PLAN, {**KEYED, "usage_plan": {**PLAN["usage_plan"], "methods": {"POST /predict": {"rate": 1, "burst": 2}}}}, ["UpdateUsagePlan"],
                     ["methods", "/predict/POST"], None, None),
    "plan methods no longer": ({**KEYED, "usage_plan": {**PLAN["usage_plan"], "methods": {"POST /predict": {"rate": 1, "burst": 2}}}}, PLAN,
                               ["UpdateUsagePlan"], ["/predict/POST"], None, None),
    "plan name": (PLAN, {**KEYED, "usage_plan": {**PLAN["usage_plan"], "name": "gold"}}, ["UpdateUsagePlan"], ["gold"], None, None),
    "key name": (KEYED, {**KEYED, "api_key": {"name": "customer"}}, ["UpdateApiKey"], ["customer"], key_patch("/enabled", "false"), ["UpdateApiKey"]),
    "key value": (KEYED, {**KEYED, "api_key": {"value": "${{ secrets.key }}"}}, ["CreateApiKey", "UpdateApiKey", "CreateUsagePlanKey"],
                  ["with another value"], None, None),
    "tags": ({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, ["TagResource", "TagResource"], ["a: 1 -> 2"], None, None),
    "permission": ({}, {}, [], [], drop_permissions, ["AddPermission"]),
    "deployment": ({}, {}, [], [], foreign_deployment, [U]),
    "method gone": ({}, {}, [], [], remove_method, ["PutMethod", "PutIntegration", *DEPLOY]),
}


# what moto takes and does not keep as it was sent, so that the next run sees a difference: the local cloud alone proves these
MOTO_LACKS = {
    "authorizer": "UpdateMethod", "authorizer no longer": "UpdateMethod", "binary types": "patches of binaryMediaTypes", "key required": "UpdateMethod", "key no longer": "UpdateMethod", "authorization": "UpdateMethod",
    "route throttle": "settings of one method", "route throttle no longer": "settings of one method", "log level": "loggingLevel",
    "metrics": "booleans of method settings", "plan limits": "numbers of a plan that is patched", "plan methods": "throttles of a plan's methods",
    "plan methods no longer": "throttles of a plan's methods", "tags": "TagResource", "function": "policies of an alias",
}


@pytest.mark.parametrize("where, setting", [("stage", s) for s in SETTINGS] + [("moto_stage", s) for s in SETTINGS if s not in MOTO_LACKS])
def test_a_setting_is_planned_written_and_repaired_alone(where, setting, request):
    stage = request.getfixturevalue(where)
    before, after, writes, words, drift, repair = SETTINGS[setting]
    if setting == "function":
        stage.functions.publish_version(FunctionName=NAME)
        stage.functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    stage(**before)
    planned = stage("plan", **after)
    assert stage.writes() == [] and all(w in planned.text for w in words), planned.text
    if not writes:
        assert "updated" not in planned.text and "created" not in planned.text, planned.text
    done = stage(**after)
    assert stage.writes() == writes, done.text
    stage.proxy.assert_valid()
    stage(**after)
    assert stage.writes() == []
    stage.proxy.assert_valid()
    assert "a-secret-key" not in planned.text + done.text
    if drift and repair:
        drift(stage)
        shown = stage(**after)
        assert stage.writes() == repair, shown.text
        assert "updated" in shown.text or "created" in shown.text or "deleted" in shown.text
        stage.proxy.assert_valid()
        stage(**after)
        assert stage.writes() == []


@pytest.mark.parametrize("setting", MOTO_LACKS)
def test_what_moto_does_not_keep_is_sent_as_the_models_have_it(moto_stage, setting):
    """An independent server takes the requests; only its memory of them is not right."""
    before, after, writes, *_ = SETTINGS[setting]
    moto_stage(**before)
    moto_stage.proxy.assert_valid()
    moto_stage(code=None, **after)
    sent = list(dict.fromkeys(moto_stage.writes()))  # UpdateMethod is a 500 of moto's, and tried again
    assert sent and set(sent) <= set(writes)
    moto_stage.proxy.assert_valid()


# ---- deployments -----------------------------------------------------------------------------------


def test_old_deployments_go_and_the_served_one_never(stage):
    for i in range(5):
        stage(integration_timeout=f"{i + 1}s", keep_deployments=2)
        assert stage.stage()["deploymentId"] in stage.deployments()
    assert len(stage.deployments()) == 2
    assert "DeleteDeployment" in stage.writes()
    stage.proxy.assert_valid()
    other = next(d for d in stage.deployments() if d != stage.stage()["deploymentId"])
    stage.api.create_stage(restApiId=stage.id(), stageName="theirs", deploymentId=other)
    stage(integration_timeout="9s", keep_deployments=1)
    assert other in stage.deployments(), "another stage serves it"
    stage(integration_timeout="9s", keep_deployments=1)
    assert stage.writes() == []


def test_a_change_of_the_stage_makes_no_deployment_and_the_old_content_none_either(stage):
    stage(integration_timeout="1s")
    first = stage.stage()["deploymentId"]
    stage(integration_timeout="1s", metrics=True)
    assert stage.stage()["deploymentId"] == first
    stage(integration_timeout="2s")
    assert stage.stage()["deploymentId"] != first


# ---- permissions -----------------------------------------------------------------------------------


def test_each_route_has_its_own_permission_and_stale_ones_go(stage):
    routes = [{"path": "a", "method": "GET"}, {"path": "b/{id}/c", "method": "ANY"}, {"path": "d/{rest+}", "method": "POST"}, {"path": "/", "method": "GET"}]
    stage(resource=None, method=None, routes=routes)
    api = stage.id()
    sources = sorted(s["Condition"]["ArnLike"]["AWS:SourceArn"].rpartition(":")[2] for s in stage.statements())
    assert sources == sorted([f"{api}/test/GET/a", f"{api}/test/*/b/*/c", f"{api}/test/POST/d/*", f"{api}/test/GET/"])
    stage.functions.add_permission(FunctionName=NAME, StatementId="theirs", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    stage(resource=None, method=None, routes=routes[:1])
    assert len(stage.statements()) == 2 and any(s["Sid"] == "theirs" for s in stage.statements())
    stage("destroy", resource=None, method=None, routes=routes[:1])
    assert [s["Sid"] for s in stage.statements()] == ["theirs"]


def other_function(stage, name="other"):
    known = stage.functions.get_function(FunctionName=NAME)
    stage.functions.create_function(FunctionName=name, Role=known["Configuration"]["Role"], PackageType="Image", Code={"ImageUri": known["Code"]["ImageUri"]})
    stage.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    return name


def policy_of(stage, name):
    try:
        return json.loads(stage.functions.get_policy(FunctionName=name)["Policy"])["Statement"]
    except stage.functions.exceptions.ResourceNotFoundException:
        return []


def test_a_function_that_no_route_names_any_more_may_not_be_invoked(stage):
    other = other_function(stage)
    stage(function=other)
    assert len(policy_of(stage, other)) == 1
    planned = stage("plan")
    assert f"of arn:aws:lambda:us-east-1:000000000000:function:{other}" in planned.text and stage.writes() == []
    stage()
    writes = stage.writes()
    assert policy_of(stage, other) == [] and len(stage.statements()) == 1
    assert writes.index("UpdateStage") < writes.index("RemovePermission")  # what is live until then may be invoked until then
    stage()
    assert stage.writes() == []


def test_destroy_takes_the_permission_of_an_authorizer_that_no_route_asks_any_more(stage):
    other = other_function(stage)
    stage(**{**AUTH, "authorizer": {"function": other}})
    assert len(policy_of(stage, other)) == 1
    stage()
    stage("destroy")
    assert policy_of(stage, other) == [] and stage.statements() == []


def test_an_authorizer_of_a_document_may_be_invoked_and_may_not_any_more(stage, document):
    uri = PROXY % ARN
    scheme = {"type": "apiKey", "name": "Auth", "in": "header", "x-amazon-apigateway-authtype": "custom",
              "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri}}

    def guard(d):
        d["components"]["securitySchemes"]["mine"] = scheme
        d["paths"]["/predict"]["post"]["security"] = [{"mine": []}]

    document(guard)
    stage(**BY_DOCUMENT)
    sources = {s["Condition"]["ArnLike"]["AWS:SourceArn"].rpartition(":")[2] for s in stage.statements()}
    assert sources == {f"{stage.id()}/test/POST/predict", f"{stage.id()}/authorizers/*"} and stage.method()["authorizationType"] == "CUSTOM"
    stage.proxy.assert_valid()
    stage(**BY_DOCUMENT)
    assert stage.writes() == []
    stage("destroy", **BY_DOCUMENT)
    assert stage.statements() == []
    stage(**BY_DOCUMENT)
    document()
    stage(**BY_DOCUMENT)
    assert len(stage.statements()) == 1 and stage.api.get_authorizers(restApiId=stage.id())["items"] == []


def test_permission_on_the_alias_that_the_route_names(stage):
    stage.functions.publish_version(FunctionName=NAME)
    stage.functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    stage(function=ARN + ":live")
    assert stage.statements() == [] and len(stage.statements(Qualifier="live")) == 1
    stage.proxy.assert_valid()
    stage("destroy", function=ARN + ":live")
    assert stage.statements(Qualifier="live") == []


# ---- what others made ---------------------------------------------------------------------------------


def test_apis_and_keys_of_others_with_the_same_name_are_left_alone(stage):
    theirs = stage.api.create_rest_api(name="squares", tags={"runner:pipeline": "other", "runner:stage": "api"})["id"]
    plain = stage.api.create_rest_api(name="squares")["id"]
    key = stage.api.create_api_key(name="squares", enabled=True)["id"]
    stage(**FULL)
    assert len(stage.api.get_rest_apis()["items"]) == 3
    stage(**FULL)
    assert stage.writes() == []
    stage("destroy", **FULL)
    assert {a["id"] for a in stage.api.get_rest_apis()["items"]} == {theirs, plain} and [k["id"] for k in stage.keys()] == [key]


def test_the_wanted_item_may_be_on_the_last_page(stage):
    for i in range(6):
        stage.api.create_rest_api(name=f"x{i}")
        stage.api.create_api_key(name=f"x{i}")
        stage.api.create_usage_plan(name=f"x{i}")
    stage(**FULL)

    whole = {}

    def small_pages(call, body):  # as if a page had two items, the wanted one always behind the others
        position = urllib.parse.parse_qs(call.target.partition("?")[2]).get("position")
        start = int(base64.b64decode(position[0])) if position else 0
        items = whole.setdefault(call.operation, sorted(json.loads(body)["item"], key=lambda i: i["name"] == "squares"))
        answer = {"item": items[start:start + 2]}
        if start + 2 < len(items):
            answer["position"] = base64.b64encode(b"%d" % (start + 2)).decode()
        return json.dumps(answer).encode()

    for operation in ("GetRestApis", "GetApiKeys", "GetUsagePlans"):
        stage.proxy.rewrite(f"apigateway.{operation}", small_pages)
    stage(**FULL)
    assert stage.writes() == [] and stage.proxy.count("apigateway.GetRestApis") == 4


# ---- documents ------------------------------------------------------------------------------------------

DOCUMENT = {"openapi": "3.0.1", "info": {"title": "theirs", "version": "1", "description": "of the document"}, "paths": {
    "/predict": {"post": {"responses": {"200": {"description": "ok"}}, "security": [{"key": []}]}},
    "/health": {"get": {"responses": {}, "x-amazon-apigateway-integration": {
        "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}, "responses": {"default": {"statusCode": "200"}}}}}},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
    "x-amazon-apigateway-binary-media-types": ["image/png"]}
BY_DOCUMENT = {"resource": None, "method": None, "openapi": "api.json"}


@pytest.fixture
def document(tmp_path):
    def write(change=lambda d: None, name="api.json"):
        doc = copy.deepcopy(DOCUMENT)
        change(doc)
        (tmp_path / name).write_text(json.dumps(doc))

    write()
    return write


def test_a_document_is_put_whole_and_only_when_it_differs(stage, document):
    first = stage(**BY_DOCUMENT)
    assert stage.writes() == ["CreateRestApi", "PutRestApi", "AddPermission", "CreateDeployment", "CreateStage", "CreateApiKey", "CreateUsagePlan",
                              "CreateUsagePlanKey"]
    stage.proxy.assert_valid()
    assert stage.rest()["name"] == "squares" and stage.rest()["description"] == "of the document" and stage.rest()["binaryMediaTypes"] == ["image/png"]
    assert stage.method()["methodIntegration"]["uri"] == PROXY % ARN and stage.method()["apiKeyRequired"]
    assert stage.method("/health", "GET")["methodIntegration"]["type"] == "MOCK"
    assert "created" in first.text and http("GET", f"{stage.endpoint.direct.url}/restapis/{stage.id()}/test/_user_request_/health")[0] == 200
    stage(**BY_DOCUMENT)
    assert stage.writes() == []
    document(lambda d: d["paths"].update({"/more": {"get": {"responses": {}}}}))
    planned = stage("plan", **BY_DOCUMENT)
    assert stage.writes() == [] and "method GET /more" in planned.text
    stage(**BY_DOCUMENT)
    assert stage.writes() == ["PutRestApi", "AddPermission", *DEPLOY]
    document(lambda d: d["paths"]["/predict"]["post"].update(summary="words alone"))
    planned = stage("plan", **BY_DOCUMENT)
    assert "GET /more" in planned.text and "deleted" in planned.text
    stage(**BY_DOCUMENT)
    assert stage.writes() == ["PutRestApi", "RemovePermission", *DEPLOY] and "/more" not in stage.resources()
    document(lambda d: d["paths"]["/predict"]["post"].update(summary="other words alone"))
    assert "its text differs" in stage("plan", **BY_DOCUMENT).text
    stage(**BY_DOCUMENT)
    assert stage.writes()[:3] == ["PutRestApi", *DEPLOY]
    add_method(stage)  # by hand
    shown = stage(**BY_DOCUMENT)
    assert stage.writes()[:3] == ["PutRestApi", *DEPLOY] and "GET /predict" in shown.text and set(stage.resources()["/predict"]["resourceMethods"]) == {"POST"}
    stage(**BY_DOCUMENT)
    assert stage.writes() == []
    stage("destroy", **BY_DOCUMENT)
    assert stage.api.get_rest_apis()["items"] == [] and stage.statements() == []


YAML = """\
openapi: 3.0.1
info: {title: theirs, version: "1", description: of the document}
x-security: &keyed [{key: []}]
paths:
  /predict:
    post:
      security: *keyed
      responses:
        200: {description: ok}
  /health:
    get:
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates:
          application/json: '{"statusCode": 200}'
        responses: {default: {statusCode: "200"}}
components: {securitySchemes: {key: {type: apiKey, name: x-api-key, in: header}}}
x-amazon-apigateway-binary-media-types: [image/png]
"""


def test_yaml_and_json_are_one_document(stage, tmp_path):
    """The bodies are equal as JSON, so one in the place of the other is no change."""
    bodies = []

    def put(call):
        if call.operation == "PutRestApi":
            bodies.append(json.loads(call.body))

    (tmp_path / "api.yaml").write_text(YAML)
    (tmp_path / "api.json").write_text(json.dumps({**DOCUMENT, "x-security": [{"key": []}]}))
    stage(**{**BY_DOCUMENT, "openapi": "api.yaml"})
    for call in stage.proxy.calls:
        put(call)
    stage.proxy.assert_valid()
    first = stage.stage()["deploymentId"]
    stage(**BY_DOCUMENT)
    assert stage.writes() == [] and stage.stage()["deploymentId"] == first
    stage("destroy", **BY_DOCUMENT)
    stage(**BY_DOCUMENT)
    for call in stage.proxy.calls:
        put(call)
    assert len(bodies) == 2 and bodies[0] == bodies[1]
    assert bodies[0]["paths"]["/predict"]["post"]["responses"] == {"200": {"description": "ok"}}


@pytest.mark.parametrize("text, changes, words", [
    ("{", {}, "api.json"), ('{"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}', {}, "OpenAPI 3.1.0"), ("{}", {}, "swagger"),
    ('{"openapi": "3.0.0", "paths": {}}', {}, "no operation"), (json.dumps(DOCUMENT), {"function": None}, "nothing answers POST /predict"),
    (json.dumps(DOCUMENT), {"cors": True}, "describes the routes"), (json.dumps(DOCUMENT), {"openapi": "api.yaml"}, 'api.yaml:3:13: error: the tag "!Sub"'),
])
def test_a_document_that_cannot_be_is_refused_before_any_write(stage, tmp_path, text, changes, words):
    (tmp_path / "api.json").write_text(text)
    (tmp_path / "api.yaml").write_text("openapi: 3.0.1\nx:\n  uri: !Sub arn\n")
    failed = stage(code=None, **{**BY_DOCUMENT, **changes})
    assert failed.code in (1, 2, 3) and words in failed.text and stage.writes() == [], failed.text


# ---- refusals -------------------------------------------------------------------------------------------------

BAD = [({"resource": "a b"}, "cannot be a part"), ({"resource": "{x+}/y"}, "cannot be a part"), ({"method": "FETCH"}, "no method"),
       ({"routes": [{"path": "predict", "method": "POST"}]}, "given twice"), ({"routes": [{"path": "x", "methd": "GET"}]}, "did you mean method"),
       ({"routes": {"path": "x"}}, "must be a list"), ({"routes": [{"path": "x", "throttle": {"rate": 1}}]}, "no burst"),
       ({"function": None}, "no function answers"), ({"integration_timeout": "30s"}, "29s"), ({"keep_deployments": 0}, "1 or more"),
       ({"api_key": {"value": "short"}}, "20 to 128"), ({"usage_plan": {"quota": "100/hour"}}, "a day, week or month"),
       ({"usage_plan": {"rate": 1}}, "no burst"), ({"usage_plan": {"methods": {"predict": {"rate": 1, "burst": 1}}}}, "POST /predict"),
       ({"cors": {"origin": "*"}}, "origins"), ({"cors": {"origins": ["a", "b"]}}, "one origin"), ({"throttle": {"rate": 5}}, "no burst"),
       ({"throttle": {"rat": 5}}, "did you mean rate"), ({"log_data": True}, "log_level: INFO"), ({"access_log": {"format": "x"}}, "group"),
       ({"authorization": "CUSTOM"}, "no authorizer is given"), ({"authorizer": {"function": "f"}}, "no route asks"),
       ({**AUTH, "authorizer": {"function": "f", "tll": 1}}, "did you mean ttl"), ({**AUTH, "authorizer": {"function": "f", "ttl": 3601}}, "3600"),
       ({**AUTH, "authorizer": {"function": "f", "identity": ["A", "B"]}}, "type: REQUEST"), ({**AUTH, "authorizer": {"ttl": 1}}, "names the function"),
       ({"resource": None, "method": None, "routes": []}, "routes is empty"),
       ({**AUTH, "authorizer": {"function": "f", "type": "REQUEST", "pattern": "x"}}, "about tokens"),
       ({**AUTH, "authorizer": {"function": "f", "type": "COGNITO_USER_POOLS"}}, "with openapi"),
       ({"tags": {"runner:x": "1"}}, "runner:"), ({"endpoint_type": "PRIVATE"}, "x-amazon-apigateway-policy")]


@pytest.mark.parametrize("changes, words", BAD, ids=lambda v: next(iter(v)) if isinstance(v, dict) else "")
def test_what_cannot_be_is_refused_before_any_call(runner, pipe, changes, words):
    with_ = {k: v for k, v in {**Stage.base, **changes}.items() if v is not None}
    failed = runner("run", pipe({"name": "p", "stages": [{"id": "api", "uses": "apigw", "with": with_}]}), code=None)
    assert failed.code in (1, 2, 3) and words in failed.text and "test.pipe:" in failed.text and "credentials" not in failed.text, failed.text


def test_a_key_value_that_is_taken_is_said(stage):
    stage.api.create_api_key(name="theirs", value="a-secret-key-of-24-chars", enabled=True)
    failed = stage(code=1, **{**KEYED, "api_key": {"value": "${{ secrets.key }}"}})
    assert "exists in the account" in failed.text and "a-secret-key" not in failed.text


def test_an_access_log_is_set_and_taken_away(moto_stage):
    stage = moto_stage
    stage(access_log={"group": "/aws/apigw/x"})
    log = stage.stage()["accessLogSettings"]
    assert log["destinationArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/apigw/x" and "$context.requestId" in log["format"]
    stage.proxy.assert_valid()
    stage(access_log={"group": "/aws/apigw/x"})
    assert stage.writes() == []


# ---- faults --------------------------------------------------------------------------------------------------------

READING = ["GetRestApis", "GetApiKeys", "GetUsagePlans"]
CREATING = [*READING, "CreateRestApi", "GetResources", "CreateResource", "PutMethod", "PutMethodResponse", "PutIntegration", "PutIntegrationResponse",
            "AddPermission", "CreateDeployment", "CreateStage", "UpdateStage", "CreateApiKey", "CreateUsagePlan", "CreateUsagePlanKey"]
UPDATING = [*READING, "GetResources", "GetDeployments", "GetStage", "GetPolicy", "GetUsagePlanKeys", "GetApiKey", "UpdateRestApi", "UpdateMethod",
            "DeleteMethod", "DeleteResource", "RemovePermission", "CreateDeployment", "DeleteDeployment", "UpdateStage", "UpdateApiKey", "UpdateUsagePlan",
            "TagResource"]
DELETING = [*READING, "GetResources", "GetPolicy", "RemovePermission", "UpdateUsagePlan", "DeleteUsagePlan", "DeleteApiKey", "DeleteRestApi"]
MANY = {**FULL, "cors": True, "throttle": {"rate": 9, "burst": 9}, "keep_deployments": 1, "routes": [{"path": "old/one", "method": "GET", "cors": False}]}


def all_fail_once(stage, operations, kind):
    for i, operation in enumerate(operations):
        stage.proxy.fault(f"*.{operation}", kind or ("throttle", "error", "error")[i % 3], status=(0, 500, 503)[i % 3])


def all_did(stage, operations):
    assert {c.operation for c in stage.proxy.calls if c.fault} == set(operations)
    stage.proxy.clear_faults()


def one_of_each(stage):
    assert len(stage.api.get_rest_apis()["items"]) == len(stage.keys()) == len(stage.api.get_usage_plans()["items"]) == 1
    assert len({s["Sid"] for s in stage.statements()}) == len(stage.statements())


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", None], ids=["reset before", "reset after", "refused"])
def test_every_call_may_fail_once_and_nothing_is_made_twice(stage, kind):
    all_fail_once(stage, CREATING, kind)
    stage(**MANY)
    all_did(stage, CREATING)
    one_of_each(stage)
    stage(**MANY)
    assert stage.writes() == []
    changed = {**MANY, "description": "e", "api_key_required": False, "routes": [{"path": "other", "method": "GET", "api_key_required": True, "cors": False}],
               "cors": None, "throttle": {"rate": 8, "burst": 9}, "usage_plan": {"burst": 3, "rate": 3}, "api_key": {"name": "n"}, "tags": {"team": "ops"}}
    all_fail_once(stage, UPDATING, kind)
    stage(**changed)
    all_did(stage, UPDATING)
    one_of_each(stage)
    assert len(stage.deployments()) == 1 and stage.stage()["deploymentId"] == stage.deployments()[0]
    stage(**changed)
    assert stage.writes() == []
    all_fail_once(stage, DELETING, kind)
    stage("destroy", **changed)
    all_did(stage, DELETING)
    assert stage.api.get_rest_apis()["items"] == [] and stage.keys() == [] and stage.plan() is None and stage.statements() == []


@pytest.mark.parametrize("operation", ["GetRestApis", "CreateRestApi", "PutIntegration", "AddPermission", "CreateDeployment", "CreateStage", "CreateApiKey",
                                       "CreateUsagePlan", "CreateUsagePlanKey", "GetApiKeys"])
def test_a_denial_is_final_and_says_who_what_and_which(stage, operation):
    stage.proxy.fault(f"*.{operation}", "error", times=9, status=403, code="AccessDeniedException", message="not allowed")
    failed = stage(code=1, **FULL)
    assert sum(c.operation == operation for c in stage.proxy.calls) == 1
    for words in (operation, "AccessDenied", "not allowed", "asked as arn:aws:", "00000000-0000-4000-8000-000000000000"):
        assert words in failed.text, failed.text
    stage.proxy.clear_faults()
    stage(**FULL)  # what was half made is completed
    one_of_each(stage)


@pytest.mark.parametrize("kind", ["skewed", "expired"])
def test_a_clock_that_is_wrong_and_tokens_that_expire_on_the_way(stage, kind):
    stage.proxy.fault_each("*.*", kind)
    stage(**FULL)
    assert any(c.fault for c in stage.proxy.calls)
    one_of_each(stage)
    stage("destroy", **FULL)
    stage.proxy.clear_faults()
    assert stage.api.get_rest_apis()["items"] == [] and stage.keys() == [] and stage.plan() is None


@pytest.mark.parametrize("at", range(1, 11, 3))
def test_a_run_that_ends_anywhere_is_completed_by_the_next(stage, at):
    """The at-th write is refused for good: nothing is made twice by the run after it."""
    stage.proxy.fault("*.[CPUA]*", "error", skip=at - 1, times=99, status=400, code="BadRequestException", message="no")
    stage(code=1, **FULL)
    stage.proxy.clear_faults()
    stage(**FULL)
    one_of_each(stage)
    stage(**FULL)
    assert stage.writes() == []
