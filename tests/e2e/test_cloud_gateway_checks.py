# SPDX-License-Identifier: Apache-2.0
"""What the local cloud's API Gateway does before a backend is asked: request validators, lambda authorizers, gateway responses; and exports."""

import json
import time

import pytest
import yaml
from botocore.exceptions import ClientError

import lambda_images as images
from support import PATIENCE, clear_of_midnight, http
from test_cloud_apigw import code, mock_api, mock_method, op, root
from test_cloud_gateway import call, message
from test_lambda_local_invoke import wait


@pytest.fixture
def api(cloud):
    return cloud.client("apigateway")


# ---- models ----------------------------------------------------------------------------------------

PET = {"type": "object", "required": ["name", "age"], "additionalProperties": False, "properties": {
    "name": {"type": "string", "minLength": 2, "pattern": "^[A-Z]\\w+$"}, "age": {"type": "integer", "minimum": 0, "maximum": 30},
    "kind": {"enum": ["cat", "dog"]}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": True},
    "owner": {"$ref": "https://apigateway.amazonaws.com/restapis/x/models/Owner"}}}
OWNER = {"type": "object", "properties": {"mail": {"$ref": "#/definitions/mail"}}, "definitions": {"mail": {"type": "string", "maxLength": 9}}}


def test_models(api):
    rest = api.create_rest_api(name="a")["id"]
    assert {m["name"] for m in api.get_models(restApiId=rest)["items"]} == {"Empty", "Error"}
    made = api.create_model(restApiId=rest, name="Pet", contentType="application/json", schema=json.dumps(PET), description="d")
    assert made["name"] == "Pet" and api.get_model(restApiId=rest, modelName="Pet")["id"] == made["id"]
    assert code(api.create_model, restApiId=rest, name="Pet", contentType="application/json") == ("ConflictException", 409)
    assert code(api.create_model, restApiId=rest, name="a b", contentType="application/json") == ("BadRequestException", 400)
    assert code(api.get_model, restApiId=rest, modelName="Nope") == ("NotFoundException", 404)
    with pytest.raises(ClientError) as info:
        api.create_model(restApiId=rest, name="New", contentType="application/json", schema='{"type":"string","nullable":true,"$id":"x"}')
    assert info.value.response["Error"]["Message"] == ("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema "
                                                       'specified. Unsupported keyword(s): ["nullable","$id"]]')
    for bad in ("{", '{"required":[]}', '{"enum":["A","A"]}', '{"type":"text"}', '{"minLength":-1}', '{"pattern":"(?=x)"}', '{"items":1}', "[]"):
        assert code(api.create_model, restApiId=rest, name="New", contentType="application/json", schema=bad) == ("BadRequestException", 400), bad
    assert api.update_model(restApiId=rest, modelName="Pet", patchOperations=[op("replace", "/description", "e")])["description"] == "e"
    template = api.get_model_template(restApiId=rest, modelName="Pet")["value"]
    assert '"name" : "$inputRoot.name"' in template and '"age" : $inputRoot.age' in template
    at = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "POST"}
    assert code(api.put_method, **at, authorizationType="NONE", requestModels={"application/json": "Nope"}) == ("BadRequestException", 400)
    api.put_method(**at, authorizationType="NONE", requestModels={"application/json": "Pet"})
    assert code(api.delete_model, restApiId=rest, modelName="Pet") == ("ConflictException", 409)
    api.delete_method(**at)
    api.delete_model(restApiId=rest, modelName="Pet")
    assert code(api.delete_model, restApiId=rest, modelName="Pet") == ("NotFoundException", 404)


# ---- validators ---------------------------------------------------------------------------------------

@pytest.fixture
def checked(cloud, api):
    """An API whose POST /pets/{id} is checked in both ways."""
    rest = api.create_rest_api(name="a")["id"]
    for name, schema in (("Pet", PET), ("Owner", OWNER)):
        api.create_model(restApiId=rest, name=name, contentType="application/json", schema=json.dumps(schema))
    validator = api.create_request_validator(restApiId=rest, name="all", validateRequestBody=True, validateRequestParameters=True)["id"]
    pets = api.create_resource(restApiId=rest, parentId=root(api, rest), pathPart="pets")["id"]
    at = {"restApiId": rest, "resourceId": pets, "httpMethod": "POST"}
    api.put_method(**at, authorizationType="NONE", requestValidatorId=validator, requestModels={"application/json": "Pet"}, requestParameters={
        "method.request.querystring.q": True, "method.request.header.X-Need": True, "method.request.querystring.free": False})
    api.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    api.put_method_response(**at, statusCode="200")
    api.put_integration_response(**at, statusCode="200")
    api.create_deployment(restApiId=rest, stageName="test")

    class Checked:
        id, method, validator_id = rest, at, validator

        def __call__(self, body=None, query="?q=1", headers=None, **more):
            return call(cloud, rest, f"/pets{query}", "POST", headers={"X-Need": "1", **(headers or {})},
                        **({"json": body} if body is not None else {}), **more)

    return Checked()


GOOD = {"name": "Bob", "age": 3, "kind": "cat", "tags": ["a", "b"], "owner": {"mail": "a@b.c"}}


def test_bodies_and_parameters_are_checked(api, checked):
    assert checked(GOOD)[0] == 200
    for change in ({"name": 1}, {"name": "B"}, {"name": "bob"}, {"age": -1}, {"age": 31}, {"age": 1.5}, {"kind": "cow"}, {"tags": ["a", "a"]},
                   {"tags": ["a", "b", "c"]}, {"tags": [1]}, {"more": 1}, {"owner": {"mail": "0123456789"}}, {"age": None}):
        answer = checked({**GOOD, **change})
        assert message(answer) == (400, "Invalid request body") and answer[1]["x-amzn-ErrorType"] == "BadRequestException", change
    assert json.loads(checked({})[2]) == {"message": "Invalid request body"}
    for body in (None, [], "text"):
        assert message(checked(body)) == (400, "Invalid request body")
    assert message(checked(data=b"{", headers={"Content-Type": "application/json"})) == (400, "Invalid request body")
    assert checked(data=b"{", headers={"Content-Type": "text/x"})[0] == 200  # no model for that type
    assert message(checked(GOOD, query="")) == (400, "Missing required request parameters: [q]")
    assert message(checked(GOOD, query="?q=", headers={"X-Need": ""})) == (400, "Missing required request parameters: [q, X-Need]")
    tested = api.test_invoke_method(**checked.method, pathWithQueryString="/pets", body=json.dumps(GOOD))
    assert tested["status"] == 400 and "Missing required" in tested["body"]


def test_validators(cloud, api, checked):
    at = {"restApiId": checked.id, "requestValidatorId": checked.validator_id}
    assert [v["name"] for v in api.get_request_validators(restApiId=checked.id)["items"]] == ["all"]
    assert code(api.get_request_validator, restApiId=checked.id, requestValidatorId="nope") == ("NotFoundException", 404)
    assert code(api.delete_request_validator, **at) == ("ConflictException", 409)
    assert code(api.update_method, **checked.method, patchOperations=[op("replace", "/requestValidatorId", "nope")]) == ("BadRequestException", 400)
    changed = api.update_request_validator(**at, patchOperations=[op("replace", "/validateRequestBody", "false")])
    assert changed["validateRequestBody"] is False and changed["validateRequestParameters"] is True
    assert checked({})[0] == 400  # not deployed yet
    api.create_deployment(restApiId=checked.id, stageName="test")
    assert checked({})[0] == 200 and checked({}, query="")[0] == 400
    api.update_method(**checked.method, patchOperations=[op("replace", "/requestValidatorId", "")])
    api.delete_request_validator(**at)
    api.create_deployment(restApiId=checked.id, stageName="test")
    assert checked({}, query="")[0] == 200
    cloud.aws("apigateway", "create-request-validator", "--rest-api-id", checked.id, "--name", "cli", "--validate-request-body")
    assert cloud.aws("apigateway", "get-request-validators", "--rest-api-id", checked.id)["items"][0]["validateRequestBody"] is True


def test_refusals_are_shaped_by_gateway_responses(cloud, api, checked):
    api.put_gateway_response(
        restApiId=checked.id, responseType="BAD_REQUEST_BODY", statusCode="422", responseTemplates={
            "application/json": '{"m":$context.error.messageString,"why":"$context.error.validationErrorString","type":"$context.error.responseType",'
                                '"at":"$context.httpMethod $context.resourcePath","v":"$stageVariables.v"}', "text/plain": "no: $context.error.message"},
        responseParameters={"gatewayresponse.header.X-Fixed": "'a b'", "gatewayresponse.header.X-Echo": "method.request.header.X-Need",
                            "gatewayresponse.header.X-Query": "method.request.querystring.q", "gatewayresponse.header.X-Id": "context.requestId"})
    api.create_deployment(restApiId=checked.id, stageName="test", variables={"v": "7"})
    status, headers, body = checked({"name": "Bob"})
    assert status == 422 and (headers["X-Fixed"], headers["X-Echo"], headers["X-Query"]) == ("a b", "1", "1") and len(headers["X-Id"]) == 36
    assert json.loads(body.replace(b'(["age"])', b"(age)")) == {"m": "Invalid request body", "type": "BAD_REQUEST_BODY", "at": "POST /pets", "v": "7",
                                                           "why": "[object has missing required properties (age)]"}
    status, headers, body = checked({}, headers={"Accept": "text/plain"})
    assert (status, headers["Content-Type"], body) == (422, "text/plain", b"no: Invalid request body")


# ---- authorizers --------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("authorizer"), images.ROOT / "tests/data/functions/authorizer.c")


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:%s/invocations"
KEY = "a-key-of-the-authorizer-0"


@pytest.fixture
def guarded(cloud, api, program, probe):
    """guarded(type, ...) makes an API whose ANY /{proxy+} is guarded; the result calls it."""
    functions, role = cloud.client("lambda"), images.role(cloud)
    for name, file in (("auth", program), ("probe", probe)):
        image, _ = images.push(cloud, name, [{"program": (file, 0o755)}], {"Entrypoint": ["/program"]})
        functions.create_function(FunctionName=name, Role=role, PackageType="Image", Code={"ImageUri": image}, Timeout=60,
                                  Environment={"Variables": {"KEY": KEY}})
        wait(functions, name)

    def make(kind="TOKEN", permit=True, key=False, **settings):
        rest = api.create_rest_api(name="a", **({"apiKeySource": "AUTHORIZER"} if key else {}))["id"]
        authorizer = api.create_authorizer(restApiId=rest, name="mine", type=kind, authorizerUri=URI % "auth",
                                           **{"identitySource": "method.request.header.X-Token", **settings})["id"]
        resource = api.create_resource(restApiId=rest, parentId=root(api, rest), pathPart="{proxy+}")["id"]
        at = {"restApiId": rest, "resourceId": resource, "httpMethod": "ANY"}
        api.put_method(**at, authorizationType="CUSTOM", authorizerId=authorizer, apiKeyRequired=key)
        api.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=URI % "probe")
        arn = f"arn:aws:execute-api:us-east-1:000000000000:{rest}"
        functions.add_permission(FunctionName="probe", StatementId=rest, Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                 SourceArn=f"{arn}/*/*/*")
        if permit:
            functions.add_permission(FunctionName="auth", StatementId=rest, Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
                                     SourceArn=f"{arn}/authorizers/{authorizer}")
        api.create_deployment(restApiId=rest, stageName="test")

        def ask(token=None, path="/a", **more):
            return call(cloud, rest, f"{path}?do=proxy", headers={"x-token": token} if token is not None else {}, **more)

        ask.id, ask.authorizer = rest, authorizer
        return ask

    return make


def body_of(answer):
    return answer[0], json.loads(answer[2]), answer[1].get("x-amzn-ErrorType")


@pytest.mark.parametrize("kind", ["TOKEN", "REQUEST"])
def test_an_authorizer_decides(guarded, kind):
    ask = guarded(kind, authorizerResultTtlInSeconds=0)
    status, event, _ = body_of(ask("allow"))
    assert status == 200
    seen = event["requestContext"]["authorizer"]
    assert {k: seen[k] for k in ("principalId", "text", "flag")} == {"principalId": "me", "text": "t", "flag": "true"} and seen["asked"].isdigit()
    assert ask("wild")[0] == 200
    explicit = "User is not authorized to access this resource with an explicit deny"
    assert body_of(ask("deny")) == (403, {"Message": explicit}, "AccessDeniedException")
    assert body_of(ask("both")) == (403, {"Message": explicit}, "AccessDeniedException")
    assert body_of(ask("none")) == (403, {"Message": "User is not authorized to access this resource"}, "AccessDeniedException")
    assert body_of(ask()) == (401, {"message": "Unauthorized"}, "UnauthorizedException")
    assert body_of(ask("")) == (401, {"message": "Unauthorized"}, "UnauthorizedException")
    assert body_of(ask("unauthorized")) == (401, {"message": "Unauthorized"}, "UnauthorizedException")
    assert body_of(ask("boom")) == (500, {"message": None}, "AuthorizerFailureException")
    for bad in ("no-principal", "nested", "condition"):
        assert body_of(ask(bad)) == (500, {"message": None}, "AuthorizerConfigurationException"), bad


def test_what_it_said_counts_for_its_time(api, guarded):
    def asked(answer):
        return int(json.loads(answer[2])["requestContext"]["authorizer"]["asked"])

    ask = guarded(authorizerResultTtlInSeconds=300)
    first = asked(ask("wild"))
    assert asked(ask("wild")) == first and asked(ask("wild", "/b")) == first
    assert ask("allow")[0] == 200 and ask("allow", "/b")[0] == 403  # its policy names one path alone, and is kept
    api.create_deployment(restApiId=ask.id, stageName="test")
    assert asked(ask("wild")) > first
    api.update_authorizer(restApiId=ask.id, authorizerId=ask.authorizer, patchOperations=[op("replace", "/authorizerResultTtlInSeconds", "1")])
    api.create_deployment(restApiId=ask.id, stageName="test")
    first = asked(ask("wild"))
    until = time.monotonic() + PATIENCE
    while asked(ask("wild")) == first:
        assert time.monotonic() < until


def test_what_it_said_counts_for_that_identity_alone(guarded):
    """Values that look alike when they are put behind each other, and the second of two values, are other identities."""
    def asked(query, *more):
        answer = call_raw(query, *more)
        assert answer[0] == 200, answer
        return int(json.loads(answer[2])["requestContext"]["authorizer"]["asked"])

    ask = guarded("REQUEST", identitySource="method.request.header.X-Token, method.request.querystring.a, method.request.querystring.b")

    def call_raw(query, *more):
        return ask("wild", f"/a?{query}&do=proxy&x=")

    first = asked("a=x%0Ay&b=z")
    assert asked("a=x%0Ay&b=z") == first
    assert asked("a=x&b=y%0Az") != first and asked("a=x&a=y&b=z") not in (first, asked("a=x&b=z"))
    assert body_of(call_raw("a=x"))[0] == 401


def test_one_decision_for_all_callers_is_refused(api):
    rest = api.create_rest_api(name="a")["id"]
    base = {"restApiId": rest, "name": "one", "type": "REQUEST", "authorizerUri": URI % "f"}
    assert code(api.create_authorizer, **base, identitySource="") == ("BadRequestException", 400)
    made = api.create_authorizer(**base, identitySource="method.request.header.A")["id"]
    assert code(api.update_authorizer, restApiId=rest, authorizerId=made, patchOperations=[op("replace", "/identitySource", "")]) == ("BadRequestException", 400)
    assert code(api.create_authorizer, **{**base, "name": "two", "type": "TOKEN"}, identitySource="method.request.header.A",
                identityValidationExpression="(?=x)") == ("BadRequestException", 400)


@pytest.mark.parametrize("response, words", [({"THROTTLED": {"statusCode": 99}}, "status code"), ({"THROTTLED": 5}, "type"), ({"NO_SUCH": {}}, "type")])
def test_gateway_responses_of_a_document_are_checked(api, response, words):
    document = {"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": {}, "x-amazon-apigateway-gateway-responses": response}
    with pytest.raises(ClientError) as e:
        api.import_rest_api(body=json.dumps(document).encode())
    assert e.value.response["Error"]["Code"] == "BadRequestException" and words in e.value.response["Error"]["Message"]


@pytest.mark.parametrize("paths, words", [({"/a": 5}, "/a"), ({"/a": {"get": 5}}, "get of /a"), (
    {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": {"statusCode": "abc"}}}}}}, "abc"), (
    {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"default": 5}}}}}, "default")])
def test_operations_of_a_document_are_checked(api, paths, words):
    with pytest.raises(ClientError) as e:
        api.import_rest_api(body=json.dumps({"openapi": "3.0.1", "info": {"title": "t", "version": "1"}, "paths": paths}).encode())
    assert e.value.response["Error"]["Code"] == "BadRequestException" and words in e.value.response["Error"]["Message"]


def test_an_authorizer_can_be_tried(cloud, api, guarded):
    ask = guarded()
    at = {"restApiId": ask.id, "authorizerId": ask.authorizer}
    tried = api.test_invoke_authorizer(**at, headers={"X-Token": "wild"}, pathWithQueryString="/a?q=1")
    policy = json.loads(tried["policy"])
    assert (tried["clientStatus"], tried["principalId"], policy["Statement"][0]["Effect"]) == (0, "me", "Allow") and tried["latency"] >= 0 and tried["log"]
    assert api.test_invoke_authorizer(**at, headers={"X-Token": "deny"})["clientStatus"] == 0
    for headers, status in (({}, 401), ({"X-Token": "unauthorized"}, 401), ({"X-Token": "boom"}, 500), ({"X-Token": "no-principal"}, 500)):
        refused = api.test_invoke_authorizer(**at, headers=headers)
        assert refused["clientStatus"] == status and "policy" not in refused
    assert code(api.test_invoke_authorizer, restApiId=ask.id, authorizerId="nobody") == ("NotFoundException", 404)
    by_cli = cloud.aws("apigateway", "test-invoke-authorizer", "--rest-api-id", ask.id, "--authorizer-id", ask.authorizer, "--headers", "X-Token=wild")
    assert by_cli["principalId"] == "me"


def test_tokens_that_do_not_fit_are_not_asked_about(guarded):
    ask = guarded(identityValidationExpression="al+ow|wild")
    assert ask("allow")[0] == 200
    assert body_of(ask("xallow")) == (401, {"message": "Unauthorized"}, "UnauthorizedException")


def test_an_authorizer_must_be_permitted_and_there(cloud, api, guarded):
    ask = guarded(permit=False)
    assert body_of(ask("allow")) == (500, {"message": None}, "AuthorizerConfigurationException")
    api.put_gateway_response(restApiId=ask.id, responseType="AUTHORIZER_CONFIGURATION_ERROR", statusCode="503",
                             responseTemplates={"application/json": '{"broken":$context.error.messageString}'})
    api.create_deployment(restApiId=ask.id, stageName="test")
    assert body_of(ask("allow"))[:2] == (503, {"broken": None})


def test_the_key_may_come_from_the_authorizer(api, guarded):
    clear_of_midnight()
    ask = guarded(key=True)
    assert message(ask("allow")) == (403, "Forbidden")
    key = api.create_api_key(name="k", enabled=True, value=KEY)["id"]
    plan = api.create_usage_plan(name="p", apiStages=[{"apiId": ask.id, "stage": "test"}], quota={"limit": 1, "period": "DAY"})["id"]
    api.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert ask("key")[0] == 200 and message(ask("key")) == (429, "Limit Exceeded")


def test_authorizers(cloud, api):
    rest = api.create_rest_api(name="a")["id"]
    base = {"restApiId": rest, "name": "one", "authorizerUri": URI % "f"}
    made = api.create_authorizer(**base, type="TOKEN", identitySource="method.request.header.Auth")
    assert made["authType"] == "custom" and api.get_authorizer(restApiId=rest, authorizerId=made["id"])["name"] == "one"
    for bad in ({"type": "TOKEN"}, {"name": "b", "type": "COGNITO_USER_POOLS", "providerARNs": ["arn:aws:cognito-idp:us-east-1:0:userpool/x"]},
                {"name": "b", "type": "TOKEN", "authorizerUri": "x"}, {"name": "b", "type": "REQUEST"},
                {"name": "b", "type": "TOKEN", "identitySource": "method.request.querystring.x"},
                {"name": "b", "type": "TOKEN", "authorizerResultTtlInSeconds": 3601}, {"name": "b", "type": "OTHER"}):
        assert code(api.create_authorizer, **{**base, **bad}) == ("BadRequestException", 400), bad
    with pytest.raises(ClientError, match="use TOKEN or REQUEST"):
        api.create_authorizer(restApiId=rest, name="b", type="COGNITO_USER_POOLS")
    at = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "GET"}
    assert code(api.put_method, **at, authorizationType="CUSTOM") == ("BadRequestException", 400)
    assert code(api.put_method, **at, authorizationType="CUSTOM", authorizerId="nope") == ("BadRequestException", 400)
    assert code(api.put_method, **at, authorizationType="COGNITO_USER_POOLS", authorizerId=made["id"]) == ("BadRequestException", 400)
    assert api.put_method(**at, authorizationType="CUSTOM", authorizerId=made["id"])["authorizerId"] == made["id"]
    assert code(api.delete_authorizer, restApiId=rest, authorizerId=made["id"]) == ("ConflictException", 409)
    assert "authorizerId" not in api.update_method(**at, patchOperations=[op("replace", "/authorizationType", "NONE")])
    changed = api.update_authorizer(restApiId=rest, authorizerId=made["id"], patchOperations=[op("replace", "/name", "two")])
    assert changed["name"] == "two" and [a["name"] for a in cloud.aws("apigateway", "get-authorizers", "--rest-api-id", rest)["items"]] == ["two"]
    api.delete_authorizer(restApiId=rest, authorizerId=made["id"])
    assert code(api.get_authorizer, restApiId=rest, authorizerId=made["id"]) == ("NotFoundException", 404)


# ---- exports and imports ----------------------------------------------------------------------------------------

def whole_api(api):
    """An API with one of everything that a document can say."""
    rest = api.create_rest_api(name="whole", description="d", version="3", binaryMediaTypes=["image/png"])["id"]
    api.create_model(restApiId=rest, name="Pet", contentType="application/json", schema=json.dumps(PET))
    validator = api.create_request_validator(restApiId=rest, name="body", validateRequestBody=True)["id"]
    token = api.create_authorizer(restApiId=rest, name="token", type="TOKEN", authorizerUri=URI % "f", identitySource="method.request.header.Auth",
                                  authorizerResultTtlInSeconds=7, identityValidationExpression="x.*")["id"]
    request = api.create_authorizer(restApiId=rest, name="request", type="REQUEST", authorizerUri=URI % "g",
                                    identitySource="method.request.header.A, method.request.querystring.b")["id"]
    top = root(api, rest)
    pet = api.create_resource(restApiId=rest, parentId=api.create_resource(restApiId=rest, parentId=top, pathPart="pets")["id"], pathPart="{id}")["id"]
    mock_method(api, rest, top, headers={"X-A": "b"})
    for resource, verb, more in ((pet, "PUT", {"requestModels": {"application/json": "Pet"}, "requestValidatorId": validator, "apiKeyRequired": True,
                                               "requestParameters": {"method.request.path.id": True, "method.request.querystring.q": False,
                                                                     "method.request.header.H": True}, "operationName": "putPet"}),
                                 (pet, "GET", {"authorizationType": "CUSTOM", "authorizerId": token}),
                                 (pet, "DELETE", {"authorizationType": "CUSTOM", "authorizerId": request}),
                                 (pet, "PATCH", {"authorizationType": "AWS_IAM"}), (top, "ANY", {})):
        at = {"restApiId": rest, "resourceId": resource, "httpMethod": verb}
        api.put_method(**at, **{"authorizationType": "NONE", **more})
        api.put_method_response(**at, statusCode="200", responseModels={"application/json": "Pet"})
        api.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=URI % "f", timeoutInMillis=5000)
    api.put_gateway_response(restApiId=rest, responseType="THROTTLED", statusCode="420", responseParameters={"gatewayresponse.header.X": "'y'"})
    api.create_deployment(restApiId=rest, stageName="test")
    return rest


def seen(api, rest):
    """The API as boto3 sees it, with names in the place of ids."""
    names = {v["id"]: v["name"] for kind in ("authorizers", "request_validators") for v in getattr(api, f"get_{kind}")(restApiId=rest)["items"]}

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in ("ResponseMetadata", "id", "parentId", "createdDate", "rootResourceId", "cacheNamespace")}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return names.get(value, value) if isinstance(value, str) else value

    resources = api.get_resources(restApiId=rest, embed=["methods"], limit=500)["items"]
    models = {m["name"]: json.loads(m["schema"]) for m in api.get_models(restApiId=rest)["items"]}
    for m in models.values():
        m.pop("$schema", None)
    return {"api": plain(api.get_rest_api(restApiId=rest)), "resources": {r["path"]: plain(r.get("resourceMethods", {})) for r in resources}, "models": models,
            **{kind: sorted((plain(v) for v in getattr(api, f"get_{kind}")(restApiId=rest)["items"]), key=lambda v: v["name"])
               for kind in ("authorizers", "request_validators")},
            "responses": {r["responseType"]: plain(r) for r in api.get_gateway_responses(restApiId=rest, limit=500)["items"]}}


def exported(api, rest, kind, accepts="application/json", **parameters):
    answer = api.get_export(restApiId=rest, stageName="test", exportType=kind, accepts=accepts, parameters=parameters)
    assert answer["contentType"] == accepts and answer["contentDisposition"].startswith("attachment; filename=")
    return answer["body"].read()


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
def test_an_export_says_the_whole_api_and_is_imported_as_the_same(api, kind):
    rest = whole_api(api)
    plain = json.loads(exported(api, rest, kind))
    assert plain["swagger" if kind == "swagger" else "openapi"] == ("2.0" if kind == "swagger" else "3.0.1")
    assert plain["info"] == {"description": "d", "version": "3", "title": "whole"} and set(plain["paths"]) == {"/", "/pets/{id}"}
    assert "x-amazon-apigateway" not in json.dumps(plain["paths"]["/pets/{id}"]) and "integration" not in json.dumps(plain)
    put = plain["paths"]["/pets/{id}"]["put"]
    by_name = {p["name"]: p for p in put["parameters"]}
    if kind == "oas30":
        assert by_name["id"] == {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
        assert put["requestBody"] == {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}, "required": True}
    else:
        assert by_name["q"] == {"name": "q", "in": "query", "required": False, "type": "string"}
        assert by_name["Pet"]["schema"] == {"$ref": "#/definitions/Pet"} and put["consumes"] == ["application/json"]
    assert put["security"] == [{"api_key": []}] and put["operationId"] == "putPet"
    full = exported(api, rest, kind, extensions="apigateway")
    assert json.loads(full)["paths"]["/pets/{id}"]["put"]["x-amazon-apigateway-request-validator"] == "body"
    text = exported(api, rest, kind, "application/yaml", extensions="apigateway")
    assert text.startswith(b"---\n") and yaml.safe_load(text) == json.loads(full)
    before = seen(api, rest)
    for body in (full, text):
        again = api.import_rest_api(body=body)["id"]
        found = seen(api, again)
        found["api"]["endpointConfiguration"] = before["api"]["endpointConfiguration"]
        for method in found["resources"]["/"]["GET"]["methodResponses"].values():  # a document does not say that a header must be there
            method["responseParameters"] = before["resources"]["/"]["GET"]["methodResponses"]["200"]["responseParameters"]
        assert found == before
    authorizers = json.loads(exported(api, rest, kind, extensions="authorizers"))
    assert "x-amazon-apigateway-authorizer" in json.dumps(authorizers) and "x-amazon-apigateway-integration" not in json.dumps(authorizers)


def test_what_is_deployed_is_exported(cloud, api):
    rest = mock_api(api)
    top = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "POST"}
    api.put_method(**top, authorizationType="NONE")
    assert set(json.loads(exported(api, rest, "oas30"))["paths"]["/"]) == {"get"}
    for bad in ({"exportType": "raml"}, {"parameters": {"extensions": "postman"}}, {"accepts": "text/xml"}):
        assert code(api.get_export, **{"restApiId": rest, "stageName": "test", "exportType": "oas30", **bad}) == ("BadRequestException", 400)
    assert code(api.get_export, restApiId=rest, stageName="nope", exportType="oas30") == ("NotFoundException", 404)


@pytest.mark.parametrize("accepts, read", [("application/json", json.loads), ("application/yaml", yaml.safe_load)])
def test_the_aws_cli_exports(cloud, api, tmp_path, accepts, read):
    told = cloud.aws("apigateway", "get-export", "--rest-api-id", whole_api(api), "--stage-name", "test", "--export-type", "oas30", "--parameters",
                     "extensions=apigateway", "--accepts", accepts, str(tmp_path / "export"))
    document = read((tmp_path / "export").read_text())
    assert told["contentType"] == accepts and told["contentDisposition"].startswith("attachment")
    assert document["openapi"] == "3.0.1" and document["paths"]["/pets/{id}"]["put"]["operationId"] == "putPet"


def test_documents_that_cannot_be_are_refused_whole(api):
    rest = mock_api(api)
    before = seen(api, rest)
    base = {"openapi": "3.0.1", "info": {"title": "t"}, "paths": {"/x": {"get": {"responses": {}}}}}
    scheme = {"type": "apiKey", "in": "header", "name": "Auth", "x-amazon-apigateway-authtype": "cognito_user_pools",
              "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": ["x"]}}
    for change in ({"components": {"schemas": {"A": {"type": "string", "nullable": True}}}}, {"components": {"schemas": {"A-B": {}}}},
                   {"components": {"securitySchemes": {"pool": scheme}}}, {"x-amazon-apigateway-request-validator": "nope"},
                   {"paths": {"/x": {"get": {"parameters": [{"name": "q"}]}}}}):
        assert code(api.put_rest_api, restApiId=rest, mode="overwrite", body=json.dumps({**base, **change})) == ("BadRequestException", 400), change
    assert code(api.put_rest_api, restApiId=rest, body="openapi: [") == ("BadRequestException", 400)
    assert seen(api, rest) == before
    annotated = {**base, "components": {"schemas": {"A": {"type": "object", "example": {}, "properties": {"example": {"type": "string", "x-y": 1}}}}}}
    api.put_rest_api(restApiId=rest, mode="overwrite", body=json.dumps(annotated))
    assert json.loads(api.get_model(restApiId=rest, modelName="A")["schema"]) == {"type": "object", "properties": {"example": {"type": "string"}}}


def test_an_import_checks_what_the_document_says(cloud, api):
    doc = {"swagger": "2.0", "info": {"title": "t"}, "x-amazon-apigateway-request-validator": "all",
           "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
           "definitions": {"N": {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/definitions/I"}}}, "I": {"type": "integer"}},
           "parameters": {"shared": {"name": "s", "in": "query", "required": True, "type": "string"}},
           "paths": {"/n": {"parameters": [{"$ref": "#/parameters/shared"}], "post": {
               "parameters": [{"name": "body", "in": "body", "schema": {"$ref": "#/definitions/N"}}], "responses": {"200": {}},
               "x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
                                                   "responses": {"default": {"statusCode": "200"}}}}}}}
    rest = api.import_rest_api(body=yaml.safe_dump(doc).encode())["id"]
    api.create_deployment(restApiId=rest, stageName="test")
    assert call(cloud, rest, "/n?s=1", "POST", json={"n": 1})[0] == 200
    assert message(call(cloud, rest, "/n?s=1", "POST", json={"n": "1"})) == (400, "Invalid request body")
    assert message(call(cloud, rest, "/n", "POST", json={"n": 1})) == (400, "Missing required request parameters: [s]")


def test_the_signature_of_a_method_is_refused_in_the_apis_own_words(cloud, api):
    rest = api.create_rest_api(name="a")["id"]
    mock_method(api, rest, root(api, rest))
    api.update_method(restApiId=rest, resourceId=root(api, rest), httpMethod="GET", patchOperations=[op("replace", "/authorizationType", "AWS_IAM")])
    api.put_gateway_response(restApiId=rest, responseType="MISSING_AUTHENTICATION_TOKEN", statusCode="418",
                             responseTemplates={"application/json": '{"own":$context.error.messageString}'})
    api.create_deployment(restApiId=rest, stageName="test")
    status, _, body = http("GET", f"{cloud.url}/restapis/{rest}/test/_user_request_/")
    assert (status, json.loads(body)) == (418, {"own": "Missing Authentication Token"})
