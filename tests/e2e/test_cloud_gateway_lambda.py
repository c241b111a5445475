# SPDX-License-Identifier: Apache-2.0
"""A deployed API before a function of the local cloud: the event it gets, what becomes of its answers and failures."""

import base64
import json

import pytest

import lambda_images as images
from support import http
from test_cloud_apigw import op, root
from test_cloud_gateway import message
from test_lambda_local_invoke import wait

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


class Api:
    """{proxy+} before the function; calls it by what its query says."""

    def __init__(self, cloud, probe, reply=None, uri="probe", **integration):
        self.cloud, self.gateway, self.function = cloud, cloud.client("apigateway"), cloud.client("lambda")
        image, _ = images.push(cloud, "probe", [{"probe": (probe, 0o755)}], {"Entrypoint": ["/probe"]})
        arn = self.function.create_function(
            FunctionName="probe", Role=images.role(cloud), PackageType="Image", Code={"ImageUri": image}, Timeout=60,
            Environment={"Variables": {"REPLY": json.dumps(reply)}})["FunctionArn"]
        wait(self.function, "probe")
        self.id = self.gateway.create_rest_api(name="a", binaryMediaTypes=["image/png"])["id"]
        resource = self.gateway.create_resource(restApiId=self.id, parentId=root(self.gateway, self.id), pathPart="{proxy+}")["id"]
        self.at = {"restApiId": self.id, "resourceId": resource, "httpMethod": "ANY"}
        self.gateway.put_method(**self.at, authorizationType="NONE")
        uri = arn.replace("probe", uri)
        self.gateway.put_integration(**self.at, type="AWS_PROXY", integrationHttpMethod="POST", **integration,
                                     uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{uri}/invocations")
        self.function.add_permission(FunctionName="probe", StatementId="api", Action="lambda:InvokeFunction",
                                     Principal="apigateway.amazonaws.com",
                                     SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/*/*/*")
        self.gateway.create_deployment(restApiId=self.id, stageName="test", variables={"name": "probe"})

    def __call__(self, do, path="/x", method="GET", query="", **more):
        return http(method, f"{self.cloud.url}/restapis/{self.id}/test/_user_request_{path}?do={do}{query}", **more)


@pytest.fixture
def api(cloud, probe):
    return lambda **more: Api(cloud, probe, **more)


def test_the_event_is_what_proxy_functions_expect(api):
    call = api()
    status, headers, body = call("proxy", "/a/b%20c", "POST", "&x=1&x=2", headers={"X-Mine": "v", "Content-Type": "text/plain"},
                                 data="ü".encode())
    event = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/{proxy+}", "/a/b c", "POST")
    assert event["pathParameters"] == {"proxy": "a/b c"}
    assert event["queryStringParameters"] == {"do": "proxy", "x": "2"}
    assert event["multiValueQueryStringParameters"] == {"do": ["proxy"], "x": ["1", "2"]}
    assert event["headers"]["X-Mine"] == "v" and event["multiValueHeaders"]["X-Mine"] == ["v"]
    assert event["body"] == "ü" and event["isBase64Encoded"] is False and event["stageVariables"] == {"name": "probe"}
    context = event["requestContext"]
    assert (context["stage"], context["apiId"], context["path"]) == ("test", call.id, "/test/a/b c")
    assert context["requestId"] == headers["x-amzn-RequestId"] and headers["x-amz-apigw-id"]


def test_failures_have_the_bodies_and_headers_of_aws(api):
    call = api()
    for do, arg in (("fail", "&arg=x"), ("exit", "&arg=1"), ("id", ""), ("crash", "&arg=11")):
        status, headers, body = call(do, query=arg)
        assert (status, json.loads(body)) == (502, {"message": "Internal server error"}), do
        assert headers["x-amzn-ErrorType"] == "InternalServerErrorException" and headers["x-amz-apigw-id"], do
    status, headers, body = call("echo", path="")
    assert message((status, headers, body)) == (403, "Missing Authentication Token") and headers["x-amz-apigw-id"]
    call.function.remove_permission(FunctionName="probe", StatementId="api")
    assert message(call("proxy")) == (500, "Internal server error")


def test_a_function_that_is_late_ends_in_504(api):
    call = api(timeoutInMillis=200)
    assert message(call("sleep", query="&arg=50000")) == (504, "Endpoint request timed out")


@pytest.mark.parametrize("reply", [
    {"statusCode": "abc", "body": ""}, {"statusCode": 200, "body": {"a": 1}}, {"body": "x", "extra": 1}, [1],
])
def test_answers_that_are_no_proxy_answer_end_in_502(api, reply):
    assert message(api(reply=reply)("reply")) == (502, "Internal server error")


def test_status_headers_and_body_of_the_answer(api):
    call = api(reply={"statusCode": 418, "headers": {"X-One": "1", "Content-Type": "text/plain"},
                      "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "short and stout"})
    status, headers, body = call("reply")
    assert (status, body, headers["X-One"], headers["Content-Type"]) == (418, b"short and stout", "1", "text/plain")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_binary_bodies_in_and_out(api):
    call = api(reply={"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                      "body": base64.b64encode(PNG).decode()})
    event = json.loads(call("proxy", method="POST", headers={"Content-Type": "image/png"}, data=PNG)[2])
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == PNG
    assert call("reply", headers={"Accept": "image/png,text/html"})[2] == PNG
    # only the first type that the caller accepts counts
    assert call("reply", headers={"Accept": "text/html,image/png"})[2] == base64.b64encode(PNG)


def test_a_stage_variable_names_the_function(api):
    call = api(uri="${stageVariables.name}")
    assert call("proxy")[0] == 200
    call.gateway.update_stage(restApiId=call.id, stageName="test", patchOperations=[op("replace", "/variables/name", "other")])
    assert message(call("proxy")) == (500, "Internal server error")


def test_a_method_of_a_plan_has_its_own_limit(api):
    call = api()
    call.gateway.update_method(**call.at, patchOperations=[op("replace", "/apiKeyRequired", "true")])
    call.gateway.create_deployment(restApiId=call.id, stageName="test")
    key = call.gateway.create_api_key(name="k", enabled=True)
    plan = call.gateway.create_usage_plan(name="p", apiStages=[
        {"apiId": call.id, "stage": "test", "throttle": {"/{proxy+}/ANY": {"burstLimit": 2, "rateLimit": 0.01}}}])
    call.gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    answers = [call("proxy", headers={"x-api-key": key["value"]}) for _ in range(3)]
    assert [a[0] for a in answers] == [200, 200, 429]
    assert message(answers[2]) == (429, "Too Many Requests") and answers[2][1]["x-amzn-ErrorType"] == "TooManyRequestsException"
