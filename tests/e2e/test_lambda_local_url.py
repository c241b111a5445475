# SPDX-License-Identifier: Apache-2.0
"""Function URLs of the local cloud: the configuration, who may call them, the event in payload format 2.0, and what the answer becomes."""

import base64
import concurrent.futures
import json

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import support
from test_lambda_local_invoke import function, probe, wait  # noqa: F401
from test_lambda_local_settings import LOCAL, refusal, without

ORIGIN = "https://page.example"
TROUBLE = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"


def let_everybody(client, name="probe", **more):
    client.add_permission(FunctionName=name, StatementId="FunctionURLAllowPublicAccess", Action="lambda:InvokeFunctionUrl", Principal="*",
                          FunctionUrlAuthType="NONE", **more)
    client.add_permission(FunctionName=name, StatementId="FunctionURLAllowInvokeAction", Action="lambda:InvokeFunction", Principal="*",
                          InvokedViaFunctionUrl=True, **more)


@pytest.fixture
def opened(function):  # noqa: F811
    """opened(**arguments of the URL) -> call(method, path, body, **headers) of a function that everybody may call; call.client, call.url."""

    def make(environment=None, **arguments):
        client = function(Environment={"Variables": {"AA": "1", **(environment or {})}}).client
        url = client.create_function_url_config(FunctionName="probe", AuthType="NONE", **arguments)["FunctionUrl"]
        let_everybody(client)

        def call(method="GET", path="", body=None, **headers):
            return support.http(method, url + path, {k.replace("_", "-"): v for k, v in headers.items()}, body)

        call.client, call.url = client, url
        return call

    return make


def test_the_configuration_of_a_url(function):  # noqa: F811
    client = function().client
    gone = ("ResourceNotFoundException", "The resource you requested does not exist.")
    assert refusal(client.get_function_url_config, FunctionName="probe") == gone
    assert refusal(client.create_function_url_config, FunctionName="nobody", AuthType="NONE") == ("ResourceNotFoundException", "Function does not exist")
    cors = {"AllowOrigins": [ORIGIN], "AllowMethods": ["GET"], "MaxAge": 60, "AllowCredentials": True}
    made = client.create_function_url_config(FunctionName="probe", AuthType="AWS_IAM", Cors=cors)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201 and made["FunctionUrl"].startswith("http://127.0.0.1:") and made["FunctionUrl"].endswith("/")
    assert (made["FunctionArn"], made["AuthType"], made["Cors"], made["InvokeMode"]) == (LOCAL + "probe", "AWS_IAM", cors, "BUFFERED")
    assert refusal(client.create_function_url_config, FunctionName="probe", AuthType="NONE") == (
        "ResourceConflictException", f"Failed to create function url config for [functionArn = {LOCAL}probe]. Error message:  "
        "FunctionUrlConfig exists for this Lambda function")
    updated = client.update_function_url_config(FunctionName="probe", InvokeMode="RESPONSE_STREAM", Cors={})
    assert updated["FunctionUrl"] == made["FunctionUrl"] and updated["InvokeMode"] == "RESPONSE_STREAM" and "Cors" not in updated
    assert updated["AuthType"] == "AWS_IAM"
    client.publish_version(FunctionName="probe")
    client.create_alias(FunctionName="probe", Name="live", FunctionVersion="1")
    other = client.create_function_url_config(FunctionName="probe", Qualifier="live", AuthType="NONE")
    assert other["FunctionArn"] == LOCAL + "probe:live" and other["FunctionUrl"] != made["FunctionUrl"]
    listed = client.list_function_url_configs(FunctionName="probe")["FunctionUrlConfigs"]
    assert {c["FunctionUrl"] for c in listed} == {made["FunctionUrl"], other["FunctionUrl"]}
    assert without(client.get_function_url_config(FunctionName="probe"), "LastModifiedTime") == without(updated, "LastModifiedTime")
    client.delete_function_url_config(FunctionName="probe")
    assert refusal(client.delete_function_url_config, FunctionName="probe") == gone
    client.delete_alias(FunctionName="probe", Name="live")
    assert client.list_function_url_configs(FunctionName="probe")["FunctionUrlConfigs"] == []


def test_everybody_may_call_only_with_both_statements(function):  # noqa: F811
    client = function().client
    url = client.create_function_url_config(FunctionName="probe", AuthType="NONE")["FunctionUrl"]

    def status():
        code, headers, body = support.http("GET", url)
        if code == 403:
            assert json.loads(body) == {"Message": TROUBLE} and headers["x-amzn-ErrorType"] == "AccessDeniedException"
        return code

    assert status() == 403
    let_everybody(client)
    policy = {s["Sid"]: s for s in json.loads(client.get_policy(FunctionName="probe")["Policy"])["Statement"]}
    assert policy["FunctionURLAllowPublicAccess"] == {
        "Sid": "FunctionURLAllowPublicAccess", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunctionUrl", "Resource": LOCAL + "probe",
        "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}}
    assert policy["FunctionURLAllowInvokeAction"]["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    assert status() == 200
    for sid in policy:
        client.remove_permission(FunctionName="probe", StatementId=sid)
        assert status() == 403
        client.add_permission(FunctionName="probe", StatementId=sid, Action=policy[sid]["Action"], Principal="*")  # without a condition is enough
        assert status() == 200
    assert support.http("GET", url.replace("/lambda-url/us-east-1/", "/lambda-url/us-west-2/"))[0] == 403
    assert support.http("GET", url[:-5] + "/")[0] == 403


def signed(cloud, url, method="GET", body=None, secret=None, service="lambda"):
    request = AWSRequest(method=method, url=url, data=body, headers={"Content-Type": "text/plain"})
    SigV4Auth(Credentials(cloud.access_key, secret or cloud.secret_key), service, "us-east-1").add_auth(request)
    return support.http(method, url, dict(request.headers.items()), body)


def test_with_iam_only_signed_calls_come_through(function, cloud):  # noqa: F811
    client = function().client
    url = client.create_function_url_config(FunctionName="probe", AuthType="AWS_IAM")["FunctionUrl"]
    status, headers, body = support.http("GET", url)
    assert (status, json.loads(body), headers["x-amzn-ErrorType"]) == (403, {"Message": "Forbidden"}, "AccessDeniedException")
    status, _, body = signed(cloud, url + "?do=echo", "POST", b"text")
    event = json.loads(body)
    assert status == 200 and event["body"] == "text" and event["requestContext"]["accountId"] == "000000000000"
    assert event["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::000000000000:root"
    assert signed(cloud, url, secret="wrong")[0] == 403
    assert signed(cloud, url, service="execute-api")[0] == 403


def test_the_event_has_payload_format_2(opened):
    call = opened()
    status, headers, body = call("POST", "a%20b/c?do=echo&x=1&x=2&y=", b'{"n": 1}', Content_Type="application/json", Cookie="a=1; b=2", X_Custom="V")
    event = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    context = event["requestContext"]
    assert (event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]) == ("2.0", "$default", "/a b/c", "do=echo&x=1&x=2&y=")
    assert event["queryStringParameters"] == {"do": "echo", "x": "1,2", "y": ""} and event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-custom"] == "V" and "cookie" not in event["headers"] and event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert event["body"] == '{"n": 1}' and event["isBase64Encoded"] is False
    identity = call.url.rstrip("/").rpartition("/")[2]
    assert (context["accountId"], context["apiId"], context["domainPrefix"], context["stage"]) == ("anonymous", identity, identity, "$default")
    assert context["http"] == {"method": "POST", "path": "/a b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": context["http"]["userAgent"]}
    assert context["requestId"] and context["time"].endswith("+0000") and context["timeEpoch"] > 1.6e12
    event = json.loads(call("PUT", "?do=echo", b"\x00\xff", Content_Type="application/octet-stream")[2])
    assert event["isBase64Encoded"] is True and base64.b64decode(event["body"]) == b"\x00\xff"
    event = json.loads(call("POST", "?do=echo", b"a=1", Content_Type="application/x-www-form-urlencoded")[2])
    assert event["isBase64Encoded"] is True
    event = json.loads(call("GET", "?do=echo")[2])
    assert "body" not in event and "cookies" not in event and event["rawPath"] == "/"


ANSWERS = [({"statusCode": 201, "headers": {"X-A": "b", "Content-Type": "text/html"}, "cookies": ["a=1; Secure", "b=2"], "body": "<p>"}, 201, b"<p>", "text/html"),
           ({"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}, 200, b"\x00\xff", "application/json"),
           ({"message": "no statusCode"}, 200, b'{"message": "no statusCode"}', "application/json"), ("text", 200, b'"text"', "application/json"),
           ({"statusCode": "404", "body": "gone"}, 404, b"gone", "application/json"), ({"statusCode": 150}, 502, b"Internal Server Error", "application/json"),
           ({"statusCode": "soon"}, 502, b"Internal Server Error", "application/json"),
           ({"statusCode": 200, "body": "!", "isBase64Encoded": True}, 502, b"Internal Server Error", "application/json")]


@pytest.mark.parametrize("answer, status, body, kind", ANSWERS, ids=range(len(ANSWERS)))
def test_what_the_function_answers_becomes_http(opened, answer, status, body, kind):
    got = opened({"REPLY": json.dumps(answer)})("GET", "?do=reply")
    assert (got[0], got[2], got[1]["Content-Type"]) == (status, body, kind)
    if isinstance(answer, dict) and "cookies" in answer:
        assert got[1].get_all("Set-Cookie") == answer["cookies"] and got[1]["X-A"] == "b"


def test_bytes_that_are_no_utf_8_do_not_break_the_event(opened):
    call = opened()
    status, _, body = call("POST", "%ff/a?do=echo&q=%fe", b"{}", Content_Type="application/json")
    event = json.loads(body)
    assert status == 200 and event["rawPath"] == "/\ufffd/a" and event["queryStringParameters"] == {"do": "echo", "q": "\ufffd"}


def test_a_function_that_fails_is_502_and_one_that_is_full_429(opened):
    call = opened()
    assert call("GET", "?do=fail&arg=x")[::2] == (502, b"Internal Server Error")
    assert call("GET", "?do=exit&arg=1")[0] == 502
    call.client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=0)
    assert call("GET", "?do=echo")[0] == 429
    call.client.delete_function(FunctionName="probe")
    assert call("GET")[0] == 403


def test_cors_is_answered_by_the_platform(opened):
    call = opened(Cors={"AllowOrigins": [ORIGIN], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-one"], "ExposeHeaders": ["x-two"], "MaxAge": 60,
                        "AllowCredentials": True})
    status, headers, body = call("OPTIONS", "any", Origin=ORIGIN, Access_Control_Request_Method="POST")
    assert (status, body) == (200, b"")
    assert {k.lower(): v for k, v in headers.items() if k.lower().startswith("access-control-")} == {
        "access-control-allow-origin": ORIGIN, "access-control-allow-methods": "GET,POST", "access-control-allow-headers": "x-one",
        "access-control-max-age": "60", "access-control-allow-credentials": "true"}
    status, headers, _ = call("GET", "?do=echo", Origin=ORIGIN)
    assert status == 200 and headers["Access-Control-Allow-Origin"] == ORIGIN and headers["Access-Control-Expose-Headers"] == "x-two"
    for _, headers, _ in (call("OPTIONS", Origin="https://other", Access_Control_Request_Method="POST"), call("GET", "?do=echo", Origin="https://other")):
        assert "Access-Control-Allow-Origin" not in headers
    call.client.update_function_url_config(FunctionName="probe", Cors={})
    assert call("OPTIONS", "?do=echo", Origin=ORIGIN, Access_Control_Request_Method="POST")[0] == 200  # the function's own answer
    assert json.loads(call("OPTIONS", "?do=echo", Origin=ORIGIN, Access_Control_Request_Method="POST")[2])["requestContext"]["http"]["method"] == "OPTIONS"


def test_a_streamed_answer_has_its_prelude_taken_off(opened):
    call = opened(InvokeMode="RESPONSE_STREAM")
    status, headers, body = call("GET", "?do=stream&arg=hello")
    assert (status, body, headers["x-kind"], headers["Set-Cookie"]) == (418, b"hello", "streamed", "a=1")
    status, headers, body = call("GET", "?do=echo")  # no prelude: the bytes as they are
    assert status == 200 and json.loads(body)["version"] == "2.0"
    call.client.update_function_url_config(FunctionName="probe", InvokeMode="BUFFERED")
    assert call("GET", "?do=echo")[1]["Content-Type"] == "application/json"


def test_urls_are_called_by_loopback_names_only_and_obey_fault_rules(opened, cloud):
    call = opened()
    assert call("GET", "?do=echo", Host="evil.example")[0] == 403
    cloud.fault("lambda-url.Invoke", "error", status=503, times=1)
    assert [call("GET", "?do=echo")[0] for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("path", ["/lambda-url", "/lambda-url/", "/lambda-url//", "/lambda-url/us-east-1", "/lambda-url/us-east-1/", "/lambda-url/us-east-1//x",
                                  "/lambda-url/%2e%2e/x/", "/lambda-url/us-east-1/" + "x" * 5000 + "/"])
def test_what_is_no_url_is_forbidden(cloud, path):
    assert support.http("GET", cloud.url + path)[0] in (403, 404)


def test_fifty_calls_at_once_get_each_its_own_answer(opened):
    call = opened()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: call("GET", f"path/{n}?do=echo"), range(50)))
    assert [a[0] for a in answers] == [200] * 50
    assert [json.loads(a[2])["rawPath"] for a in answers] == [f"/path/{n}" for n in range(50)]


def test_the_list_of_the_cloud_has_the_urls(opened, cloud, runner):
    call = opened()
    listed = json.loads(runner("cloud", "ls", "--output", "json", "--state", cloud.state).out)
    assert {"type": "function url", "region": "us-east-1", "name": "probe", "id": call.url.partition(cloud.host)[2], "detail": "NONE"} in listed


def test_a_url_outlives_the_cloud(opened, cloud):
    call = opened()
    cloud.kill()
    cloud.start()
    url = cloud.client("lambda").get_function_url_config(FunctionName="probe")["FunctionUrl"]
    assert url.rpartition("/lambda-url/")[2] == call.url.rpartition("/lambda-url/")[2] and support.http("GET", url + "?do=echo")[0] == 200
