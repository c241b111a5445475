# SPDX-License-Identifier: Apache-2.0
"""API Gateway's data plane in the local cloud: what callers of a deployed API see."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fake_services import Fake
from support import PATIENCE, clear_of_midnight, http, nobody
from test_cloud_apigw import TYPES, mock_api, mock_method, op, root


@pytest.fixture
def api(cloud):
    return cloud.client("apigateway")


@pytest.fixture
def backend():
    """An HTTP server that answers what it was asked."""
    over = threading.Event()

    def answer(seen):
        if seen.path.startswith("/slow"):
            over.wait(PATIENCE)
        body = json.dumps({"method": seen.method, "target": seen.target, "body": seen.body.decode("latin1"),
                           "headers": seen.headers})
        return 201, {"Content-Type": "application/json", "X-Backend": "yes", "Server": "fake"}, body

    with Fake(answer) as server:
        yield server
        over.set()


def call(cloud, rest, path="/", method="GET", stage="test", key=None, **more):
    headers = {**({"x-api-key": key} if key else {}), **more.pop("headers", {})}
    return http(method, f"{cloud.url}/restapis/{rest}/{stage}/_user_request_{path}", headers, **more)


def message(answer):
    return answer[0], json.loads(answer[2])["message"]


def add_key(api, rest, name="k", stage="test", **plan):
    key = api.create_api_key(name=name, enabled=True)
    made = api.create_usage_plan(name="p", apiStages=[{"apiId": rest, "stage": stage}], **plan)
    api.create_usage_plan_key(usagePlanId=made["id"], keyId=key["id"], keyType="API_KEY")
    return key, made


def test_an_undeployed_change_is_not_live(cloud, api):
    rest = mock_api(api)
    assert call(cloud, rest)[0] == 200
    child = api.create_resource(restApiId=rest, parentId=root(api, rest), pathPart="new")["id"]
    mock_method(api, rest, child, body='"new"')
    assert message(call(cloud, rest, "/new")) == (403, "Missing Authentication Token")
    api.create_deployment(restApiId=rest, stageName="test")
    assert call(cloud, rest, "/new")[2] == b'"new"'
    api.update_method(restApiId=rest, resourceId=child, httpMethod="GET", patchOperations=[op("replace", "/apiKeyRequired", "true")])
    assert call(cloud, rest, "/new")[0] == 200
    api.create_deployment(restApiId=rest, stageName="test")
    assert message(call(cloud, rest, "/new")) == (403, "Forbidden")


def test_what_is_not_there(cloud, api):
    rest = mock_api(api)
    for where in ((rest, "/nope"), ("nope", "/"), (rest, "/a/b/c")):
        status, headers, body = call(cloud, *where)
        assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})
        assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException" and headers["x-amzn-RequestId"]
    assert message(call(cloud, rest, method="POST")) == (403, "Missing Authentication Token")
    assert message(call(cloud, rest, stage="nope")) == (403, "Missing Authentication Token")


def test_a_key_is_asked_for(cloud, api):
    rest = mock_api(api, key=True)
    key, plan = add_key(api, rest)
    assert message(call(cloud, rest)) == (403, "Forbidden")
    assert message(call(cloud, rest, key="x" * 40)) == (403, "Forbidden")
    assert call(cloud, rest, key=key["value"])[0] == 200
    lonely = api.create_api_key(name="lonely", enabled=True)
    assert message(call(cloud, rest, key=lonely["value"])) == (403, "Forbidden")
    api.update_api_key(apiKey=key["id"], patchOperations=[op("replace", "/enabled", "false")])
    assert message(call(cloud, rest, key=key["value"])) == (403, "Forbidden")
    api.update_api_key(apiKey=key["id"], patchOperations=[op("replace", "/enabled", "true")])
    api.update_usage_plan(usagePlanId=plan["id"], patchOperations=[op("remove", "/apiStages", f"{rest}:test")])
    assert message(call(cloud, rest, key=key["value"])) == (403, "Forbidden")


def test_a_quota_is_enforced_and_survives_a_kill(cloud, api):
    clear_of_midnight()
    rest = mock_api(api, key=True)
    key, plan = add_key(api, rest, quota={"limit": 5, "period": "DAY"})
    assert [call(cloud, rest, key=key["value"])[0] for _ in range(3)] == [200] * 3
    cloud.kill()
    cloud.start()
    api = cloud.client("apigateway")
    assert [call(cloud, rest, key=key["value"])[0] for _ in range(3)] == [200, 200, 429]
    status, headers, body = call(cloud, rest, key=key["value"])
    assert (status, json.loads(body), headers["x-amzn-ErrorType"]) == (429, {"message": "Limit Exceeded"}, "LimitExceededException")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert api.get_usage(usagePlanId=plan["id"], startDate=day, endDate=day)["items"] == {key["id"]: [[5, 0]]}
    api.update_usage(usagePlanId=plan["id"], keyId=key["id"], patchOperations=[op("replace", "/remaining", "1")])
    assert [call(cloud, rest, key=key["value"])[0] for _ in range(2)] == [200, 429]


def test_a_quota_holds_when_many_call_at_once(cloud, api):
    clear_of_midnight()
    rest = mock_api(api, key=True)
    key, _ = add_key(api, rest, quota={"limit": 20, "period": "MONTH"})
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda _: call(cloud, rest, key=key["value"])[0], range(50)))
    assert sorted(codes) == [200] * 20 + [429] * 30


def test_throttling_of_a_plan(cloud, api):
    rest = mock_api(api, key=True)
    key, plan = add_key(api, rest, throttle={"burstLimit": 3, "rateLimit": 0.001})
    codes = [call(cloud, rest, key=key["value"]) for _ in range(5)]
    assert [c[0] for c in codes] == [200, 200, 200, 429, 429]
    assert message(codes[4]) == (429, "Too Many Requests") and codes[4][1]["x-amzn-ErrorType"] == "TooManyRequestsException"
    api.update_usage_plan(usagePlanId=plan["id"], patchOperations=[op("replace", "/throttle/rateLimit", "1000"), op("replace", "/throttle/burstLimit", "100")])
    deadline = time.monotonic() + PATIENCE
    while call(cloud, rest, key=key["value"])[0] == 429 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert time.monotonic() < deadline, "the bucket does not fill"


def test_throttling_of_a_stage(cloud, api):
    rest = mock_api(api)
    api.update_stage(restApiId=rest, stageName="test", patchOperations=[
        op("replace", "/*/*/throttling/rateLimit", "0.001"), op("replace", "/*/*/throttling/burstLimit", "2")])
    assert [call(cloud, rest)[0] for _ in range(3)] == [200, 200, 429]


def test_paths_are_matched_best_first(cloud, api):
    rest = api.create_rest_api(name="a", endpointConfiguration=TYPES)["id"]
    top = root(api, rest)
    make = lambda parent, part: api.create_resource(restApiId=rest, parentId=parent, pathPart=part)["id"]  # noqa: E731
    pets = make(top, "pets")
    for resource, name in ((pets, "pets"), (make(pets, "{id}"), "one"), (make(pets, "new"), "new"), (make(top, "{proxy+}"), "rest")):
        mock_method(api, rest, resource, "ANY", body=f'"{name}"')
    api.create_deployment(restApiId=rest, stageName="test")
    found = {p: json.loads(call(cloud, rest, p)[2]) for p in ("/pets", "/pets/", "/pets/new", "/pets/7", "/pets/7/x", "/other", "/pets/a%2Fb")}
    assert found == {"/pets": "pets", "/pets/": "pets", "/pets/new": "new", "/pets/7": "one", "/pets/7/x": "rest", "/other": "rest",
                     "/pets/a%2Fb": "one"}
    assert call(cloud, rest, "/pets", method="DELETE")[0] == 200  # ANY
    assert message(call(cloud, rest, "/")) == (403, "Missing Authentication Token")


def test_cors_by_a_mock(cloud, api):
    rest = api.create_rest_api(name="a")["id"]
    mock_method(api, rest, root(api, rest), "OPTIONS", body="", headers={"Access-Control-Allow-Origin": "*",
                                                                         "Access-Control-Allow-Methods": "OPTIONS,POST"})
    api.create_deployment(restApiId=rest, stageName="test")
    status, headers, body = call(cloud, rest, method="OPTIONS")
    assert (status, body, headers["Access-Control-Allow-Origin"], headers["Access-Control-Allow-Methods"]) == (200, b"", "*", "OPTIONS,POST")


def http_api(api, uri, path="{proxy+}", verb="ANY", **more):
    rest = api.create_rest_api(name="a")["id"]
    resource = api.create_resource(restApiId=rest, parentId=root(api, rest), pathPart=path)["id"]
    at = {"restApiId": rest, "resourceId": resource, "httpMethod": "ANY"}
    api.put_method(**at, authorizationType="NONE", requestParameters={"method.request.path.proxy": True})
    api.put_integration(**at, type="HTTP_PROXY", integrationHttpMethod=verb, uri=uri,
                        requestParameters={"integration.request.path.proxy": "method.request.path.proxy"}, **more)
    api.create_deployment(restApiId=rest, stageName="test", variables={"where": "v1"})
    return rest


def test_http_proxy_passes_everything_on(cloud, api, backend):
    rest = http_api(api, backend.url + "/${stageVariables.where}/{proxy}")
    status, headers, body = call(cloud, rest, "/a/b%20c?x=1&x=2", "PUT", data=b"body", headers={"X-Mine": "m", "Content-Type": "text/plain"})
    seen = json.loads(body)
    assert (status, headers["X-Backend"], headers["x-amzn-Remapped-Server"]) == (201, "yes", "fake")
    assert (seen["method"], seen["target"], seen["body"]) == ("PUT", "/v1/a/b%20c?x=1&x=2", "body")
    assert seen["headers"]["x-mine"] == "m" and seen["headers"]["host"] == backend.url[7:]


def test_http_proxy_fails_as_on_aws(cloud, api, backend):
    with nobody() as gone:
        assert message(call(cloud, http_api(api, gone + "/"), "/x")) == (504, "Internal server error")
    rest = http_api(api, backend.url + "/slow/{proxy}", timeoutInMillis=200)
    assert message(call(cloud, rest, "/x")) == (504, "Endpoint request timed out")


def test_gateway_responses_change_refusals(cloud, api):
    rest = mock_api(api, key=True)
    api.put_gateway_response(restApiId=rest, responseType="INVALID_API_KEY", statusCode="401",
                             responseParameters={"gatewayresponse.header.X-Why": "'key'"},
                             responseTemplates={"application/json": '{"sorry": $context.error.messageString, "id": "$context.requestId"}'})
    api.put_gateway_response(restApiId=rest, responseType="DEFAULT_4XX", responseParameters={"gatewayresponse.header.X-Default": "'4'"})
    assert call(cloud, rest)[0] == 403  # not deployed yet
    api.create_deployment(restApiId=rest, stageName="test")
    status, headers, body = call(cloud, rest)
    assert (status, headers["X-Why"], json.loads(body)["sorry"]) == (401, "key", "Forbidden")
    status, headers, _ = call(cloud, rest, "/nope")
    assert (status, headers["X-Default"]) == (403, "4")


def test_a_signed_method(cloud, api):
    import boto3
    from botocore import auth, awsrequest

    rest = api.create_rest_api(name="a")["id"]
    at = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "GET"}
    mock_method(api, rest, at["resourceId"])
    api.update_method(**at, patchOperations=[op("replace", "/authorizationType", "AWS_IAM")])
    api.create_deployment(restApiId=rest, stageName="test")
    assert message(call(cloud, rest)) == (403, "Missing Authentication Token")
    url = f"{cloud.url}/restapis/{rest}/test/_user_request_/"
    request = awsrequest.AWSRequest("GET", url)
    session = boto3.Session(cloud.access_key, cloud.secret_key)
    auth.SigV4Auth(session.get_credentials().get_frozen_credentials(), "execute-api", "us-east-1").add_auth(request)
    assert http("GET", url, dict(request.headers))[0] == 200


def test_a_large_body_is_refused(cloud, api):
    rest = mock_api(api)
    assert message(call(cloud, rest, data=b"x" * (11 << 20))) == (413, "Request Too Long")


def test_calls_at_once_are_answered_each(cloud, api, backend):
    rest = http_api(api, backend.url + "/{proxy}")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda i: call(cloud, rest, f"/n{i}"), range(200)))
    assert [json.loads(a[2])["target"] for a in answers] == [f"/n{i}" for i in range(200)]
