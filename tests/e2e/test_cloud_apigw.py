# SPDX-License-Identifier: Apache-2.0
"""API Gateway's control plane in the local cloud, through boto3 and the stock aws CLI."""

import json

import pytest
from botocore.exceptions import ClientError

from support import http

TYPES = {"types": ["REGIONAL"]}


@pytest.fixture
def api(cloud):
    return cloud.client("apigateway")


def code(call, **arguments):
    with pytest.raises(ClientError) as info:
        call(**arguments)
    return info.value.response["Error"]["Code"], info.value.response["ResponseMetadata"]["HTTPStatusCode"]



def op(name, path, value=None):
    return {k: v for k, v in (("op", name), ("path", path), ("value", value)) if v is not None}


def root(api, rest):
    return next(r["id"] for r in api.get_resources(restApiId=rest)["items"] if r["path"] == "/")


def mock_method(api, rest, resource, verb="GET", key=False, body='{"ok":true}', status="200", headers=None):
    """A method that answers by itself."""
    at = {"restApiId": rest, "resourceId": resource, "httpMethod": verb}
    api.put_method(**at, authorizationType="NONE", apiKeyRequired=key)
    names = {f"method.response.header.{h}": v for h, v in (headers or {}).items()}
    api.put_method_response(**at, statusCode=status, responseParameters={n: False for n in names})
    api.put_integration(**at, type="MOCK", requestTemplates={"application/json": json.dumps({"statusCode": int(status)})})
    api.put_integration_response(**at, statusCode=status, responseTemplates={"application/json": body},
                                 responseParameters={n: f"'{v}'" for n, v in names.items()})


def mock_api(api, stage="test", **more):
    rest = api.create_rest_api(name="a", endpointConfiguration=TYPES)["id"]
    mock_method(api, rest, root(api, rest), **more)
    api.create_deployment(restApiId=rest, stageName=stage)
    return rest


def test_an_api_lives_and_dies(cloud, api):
    made = api.create_rest_api(name="a", description="d", endpointConfiguration=TYPES, binaryMediaTypes=["image/png"], tags={"k": "v"})
    rest = made["id"]
    found = api.get_rest_api(restApiId=rest)
    for name in ("id", "name", "description", "createdDate", "binaryMediaTypes", "tags", "apiKeySource", "rootResourceId"):
        assert found[name] == made[name]
    assert found["endpointConfiguration"]["types"] == ["REGIONAL"] and found["createdDate"].year >= 2020
    assert api.get_resources(restApiId=rest)["items"] == [{"id": made["rootResourceId"], "path": "/"}]
    assert api.create_rest_api(name="a")["id"] != rest  # names are not unique
    changed = api.update_rest_api(restApiId=rest, patchOperations=[
        op("replace", "/name", "b"), op("add", "/binaryMediaTypes/*~1*"), op("remove", "/binaryMediaTypes/image~1png"),
        op("replace", "/endpointConfiguration/types/REGIONAL", "EDGE")])
    assert changed["name"] == "b" and changed["binaryMediaTypes"] == ["*/*"] and changed["endpointConfiguration"]["types"] == ["EDGE"]
    api.delete_rest_api(restApiId=rest)
    assert code(api.get_rest_api, restApiId=rest) == ("NotFoundException", 404)
    assert code(api.get_resources, restApiId=rest) == ("NotFoundException", 404)
    assert code(api.delete_rest_api, restApiId=rest) == ("NotFoundException", 404)


def test_the_words_of_aws(api):
    with pytest.raises(ClientError) as info:
        api.get_rest_api(restApiId="nope")
    assert info.value.response["Error"]["Message"] == "Invalid API identifier specified 000000000000:nope"


@pytest.mark.parametrize("patches", [
    [op("replace", "/nope", "x")], [op("copy", "/name", "x")], [op("replace", "/apiKeySource", "BODY")],
    [op("replace", "/minimumCompressionSize", "x")], [op("add", "/endpointConfiguration/types/EDGE")],
])
def test_a_bad_patch_changes_nothing(api, patches):
    rest = api.create_rest_api(name="a", endpointConfiguration=TYPES)["id"]
    before = api.get_rest_api(restApiId=rest)
    assert code(api.update_rest_api, restApiId=rest, patchOperations=[op("replace", "/name", "changed"), *patches]) == ("BadRequestException", 400)
    after = api.get_rest_api(restApiId=rest)
    before.pop("ResponseMetadata"), after.pop("ResponseMetadata")
    assert after == before


def test_resources_make_a_tree(api):
    rest = api.create_rest_api(name="a")["id"]
    top = root(api, rest)
    make = lambda parent, part: api.create_resource(restApiId=rest, parentId=parent, pathPart=part)  # noqa: E731
    pets = make(top, "pets")
    one = make(pets["id"], "{id}")
    rest_of = make(one["id"], "{proxy+}")
    assert (one["path"], rest_of["path"]) == ("/pets/{id}", "/pets/{id}/{proxy+}")
    assert code(make, parent=top, part="pets") == ("ConflictException", 409)
    assert code(make, parent=pets["id"], part="{other}") == ("BadRequestException", 400)
    assert code(make, parent=rest_of["id"], part="x") == ("BadRequestException", 400)
    for bad in ("a b", "{", "{}", "a/b", "é"):
        assert code(make, parent=top, part=bad) == ("BadRequestException", 400), bad
    assert code(make, parent="nope", part="x") == ("NotFoundException", 404)
    api.update_resource(restApiId=rest, resourceId=pets["id"], patchOperations=[op("replace", "/pathPart", "animals")])
    assert api.get_resource(restApiId=rest, resourceId=rest_of["id"])["path"] == "/animals/{id}/{proxy+}"
    assert code(api.update_resource, restApiId=rest, resourceId=pets["id"],
                patchOperations=[op("replace", "/parentId", one["id"])]) == ("BadRequestException", 400)
    assert code(api.delete_resource, restApiId=rest, resourceId=top) == ("BadRequestException", 400)
    api.delete_resource(restApiId=rest, resourceId=pets["id"])
    assert [r["path"] for r in api.get_resources(restApiId=rest)["items"]] == ["/"]


def test_methods_and_integrations(api):
    rest = api.create_rest_api(name="a")["id"]
    at = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "POST"}
    assert code(api.get_method, **at) == ("NotFoundException", 404)
    assert code(api.put_integration, **at, type="MOCK") == ("NotFoundException", 404)
    api.put_method(**at, authorizationType="NONE", apiKeyRequired=True, requestParameters={"method.request.header.x": True})
    assert code(api.put_method, **at, authorizationType="NONE") == ("ConflictException", 409)
    assert code(api.get_integration, **at) == ("NotFoundException", 404)
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    for bad in ({"type": "AWS_PROXY", "uri": uri}, {"type": "AWS_PROXY", "integrationHttpMethod": "GET", "uri": uri},
                {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": function}, {"type": "AWS", "integrationHttpMethod": "POST", "uri": uri},
                {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "ftp://x"},
                {"type": "MOCK", "timeoutInMillis": 10}):
        assert code(api.put_integration, **at, **bad) == ("BadRequestException", 400), bad
    made = api.put_integration(**at, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    assert (made["type"], made["uri"], made["httpMethod"], made["timeoutInMillis"]) == ("AWS_PROXY", uri, "POST", 29000)
    assert api.update_integration(**at, patchOperations=[op("replace", "/timeoutInMillis", "5000")])["timeoutInMillis"] == 5000
    api.put_method_response(**at, statusCode="200", responseModels={"application/json": "Empty"})
    assert code(api.put_method_response, **at, statusCode="200") == ("ConflictException", 409)
    assert code(api.put_integration_response, **at, statusCode="404") == ("NotFoundException", 404)
    found = api.get_method(**at)
    assert found["apiKeyRequired"] is True and found["methodResponses"]["200"]["statusCode"] == "200"
    assert found["methodIntegration"]["uri"] == uri and found["requestParameters"] == {"method.request.header.x": True}
    assert api.update_method(**at, patchOperations=[op("replace", "/apiKeyRequired", "false")])["apiKeyRequired"] is False
    assert code(api.update_method, **at, patchOperations=[op("replace", "/authorizationType", "CUSTOM")]) == ("BadRequestException", 400)
    listed = api.get_resources(restApiId=rest, embed=["methods"])["items"][0]["resourceMethods"]
    assert listed["POST"]["methodIntegration"]["type"] == "AWS_PROXY"
    assert api.get_resources(restApiId=rest)["items"][0]["resourceMethods"] == {"POST": {}}
    api.delete_integration(**at)
    api.delete_method(**at)
    assert code(api.get_method, **at) == ("NotFoundException", 404)


def test_deployments_and_stages(api):
    rest = api.create_rest_api(name="a")["id"]
    assert code(api.create_deployment, restApiId=rest) == ("BadRequestException", 400)  # no methods
    at = {"restApiId": rest, "resourceId": root(api, rest), "httpMethod": "GET"}
    api.put_method(**at, authorizationType="NONE")
    assert code(api.create_deployment, restApiId=rest) == ("BadRequestException", 400)  # no integration
    api.put_integration(**at, type="MOCK")
    first = api.create_deployment(restApiId=rest, description="one", stageName="test", variables={"v": "1"})["id"]
    second = api.create_deployment(restApiId=rest, description="two")["id"]
    assert {d["id"]: d["description"] for d in api.get_deployments(restApiId=rest)["items"]} == {first: "one", second: "two"}
    summary = api.get_deployment(restApiId=rest, deploymentId=first, embed=["apisummary"])["apiSummary"]
    assert summary == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    assert "apiSummary" not in api.get_deployment(restApiId=rest, deploymentId=first)
    stage = api.get_stage(restApiId=rest, stageName="test")
    assert stage["deploymentId"] == first and stage["variables"] == {"v": "1"}
    assert code(api.create_stage, restApiId=rest, stageName="test", deploymentId=second) == ("ConflictException", 409)
    assert code(api.create_stage, restApiId=rest, stageName="new", deploymentId="nope") == ("BadRequestException", 400)
    assert code(api.create_stage, restApiId=rest, stageName="a b", deploymentId=second) == ("BadRequestException", 400)
    api.create_stage(restApiId=rest, stageName="prod", deploymentId=second, tags={"a": "b"})
    changed = api.update_stage(restApiId=rest, stageName="test", patchOperations=[
        op("replace", "/deploymentId", second), op("replace", "/variables/w", "2"), op("remove", "/variables/v"),
        op("replace", "/*/*/throttling/rateLimit", "5"), op("replace", "/~1pets/GET/logging/loglevel", "INFO")])
    assert changed["deploymentId"] == second and changed["variables"] == {"w": "2"}
    assert changed["methodSettings"]["*/*"]["throttlingRateLimit"] == 5 and changed["methodSettings"]["pets/GET"]["loggingLevel"] == "INFO"
    assert {s["stageName"] for s in api.get_stages(restApiId=rest)["item"]} == {"test", "prod"}
    assert code(api.delete_deployment, restApiId=rest, deploymentId=second) == ("BadRequestException", 400)
    api.delete_deployment(restApiId=rest, deploymentId=first)
    api.delete_stage(restApiId=rest, stageName="prod")
    assert code(api.get_stage, restApiId=rest, stageName="prod") == ("NotFoundException", 404)


def test_keys(api):
    made = api.create_api_key(name="k", enabled=True, value="v" * 20, tags={"a": "b"})
    assert made["value"] == "v" * 20
    assert code(api.create_api_key, name="other", value="v" * 20) == ("ConflictException", 409)
    assert code(api.create_api_key, name="other", value="short") == ("BadRequestException", 400)
    assert len(api.create_api_key(name="kk")["value"]) == 40
    assert "value" not in api.get_api_key(apiKey=made["id"])
    assert api.get_api_key(apiKey=made["id"], includeValue=True)["value"] == "v" * 20
    assert "value" not in api.get_api_keys()["items"][0] and "value" in api.get_api_keys(includeValues=True)["items"][0]
    assert {k["name"] for k in api.get_api_keys(nameQuery="k")["items"]} == {"k", "kk"}
    assert [k["name"] for k in api.get_api_keys(nameQuery="kk")["items"]] == ["kk"]
    assert api.update_api_key(apiKey=made["id"], patchOperations=[op("replace", "/enabled", "false")])["enabled"] is False
    api.delete_api_key(apiKey=made["id"])
    assert code(api.get_api_key, apiKey=made["id"]) == ("NotFoundException", 404)


def test_usage_plans(api):
    rest, key = mock_api(api), api.create_api_key(name="k", enabled=True)["id"]
    stages = [{"apiId": rest, "stage": "test"}]
    assert code(api.create_usage_plan, name="p", apiStages=[{"apiId": rest, "stage": "nope"}]) == ("BadRequestException", 400)
    assert code(api.create_usage_plan, name="p", quota={"limit": 0, "period": "DAY"}) == ("BadRequestException", 400)
    plan = api.create_usage_plan(name="p", apiStages=stages, throttle={"burstLimit": 10, "rateLimit": 5.5},
                                 quota={"limit": 100, "period": "DAY"})
    assert plan["throttle"] == {"burstLimit": 10, "rateLimit": 5.5} and plan["quota"] == {"limit": 100, "offset": 0, "period": "DAY"}
    at = {"usagePlanId": plan["id"]}
    assert code(api.create_usage_plan_key, **at, keyId="nope", keyType="API_KEY") == ("NotFoundException", 404)
    assert api.create_usage_plan_key(**at, keyId=key, keyType="API_KEY")["name"] == "k"
    assert code(api.create_usage_plan_key, **at, keyId=key, keyType="API_KEY") == ("ConflictException", 409)
    other = api.create_usage_plan(name="p2", apiStages=stages)["id"]
    assert code(api.create_usage_plan_key, usagePlanId=other, keyId=key, keyType="API_KEY") == ("ConflictException", 409)
    assert [k["id"] for k in api.get_usage_plan_keys(**at)["items"]] == [key]
    assert api.get_usage_plan_keys(usagePlanId=other)["items"] == []
    assert [p["id"] for p in api.get_usage_plans(keyId=key)["items"]] == [plan["id"]]
    changed = api.update_usage_plan(**at, patchOperations=[
        op("replace", "/quota/limit", "7"), op("replace", "/throttle/rateLimit", "2"), op("remove", "/apiStages", f"{rest}:test")])
    assert changed["quota"]["limit"] == 7 and changed["throttle"]["rateLimit"] == 2 and changed["apiStages"] == []
    changed = api.update_usage_plan(**at, patchOperations=[
        op("add", "/apiStages", f"{rest}:test"), op("replace", f"/apiStages/{rest}:test/throttle/~1/GET/rateLimit", "3")])
    assert changed["apiStages"] == [{"apiId": rest, "stage": "test", "throttle": {"//GET": {"rateLimit": 3.0}}}]
    assert code(api.delete_usage_plan, **at) == ("BadRequestException", 400)  # it still has a stage
    api.delete_usage_plan_key(**at, keyId=key)
    assert code(api.get_usage_plan_key, **at, keyId=key) == ("NotFoundException", 404)
    api.update_usage_plan(**at, patchOperations=[op("remove", "/apiStages", f"{rest}:test"), op("remove", "/quota")])
    api.delete_usage_plan(**at)
    assert code(api.get_usage_plan, **at) == ("NotFoundException", 404)
    api.delete_rest_api(restApiId=rest)
    assert api.get_usage_plan(usagePlanId=other)["apiStages"] == []


def test_tags_of_everything(api):
    rest = mock_api(api)
    prefix = "arn:aws:apigateway:us-east-1::"
    for arn in (f"/restapis/{rest}", f"/restapis/{rest}/stages/test", f"/apikeys/{api.create_api_key(name='k')['id']}",
                f"/usageplans/{api.create_usage_plan(name='p')['id']}"):
        api.tag_resource(resourceArn=prefix + arn, tags={"a": "1", "b": "2"})
        api.untag_resource(resourceArn=prefix + arn, tagKeys=["a"])
        assert api.get_tags(resourceArn=prefix + arn)["tags"] == {"b": "2"}
    assert code(api.get_tags, resourceArn=prefix + "/restapis/nope") == ("NotFoundException", 404)
    assert code(api.get_tags, resourceArn="arn:aws:s3:::x") == ("BadRequestException", 400)


def test_lists_come_in_pages_and_as_hal(cloud, api):
    ids = {api.create_rest_api(name=f"a{i}")["id"] for i in range(5)}
    pages = list(api.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(p["items"]) for p in pages] == [2, 2, 1] and {a["id"] for p in pages for a in p["items"]} == ids
    seen = []

    def drop_accept(request, **_):
        del request.headers["Accept"]
        request.headers["Accept"] = "application/hal+json"

    api.meta.events.register("before-sign.apigateway.GetRestApis", drop_accept)
    api.meta.events.register("before-parse.apigateway.GetRestApis", lambda response_dict, **_: seen.append(response_dict["body"]))
    api.get_rest_apis()
    assert len(json.loads(seen[0])["_embedded"]["item"]) == 5


def test_gateway_responses(api):
    rest = mock_api(api)
    found = {r["responseType"]: r for r in api.get_gateway_responses(restApiId=rest, limit=50)["items"]}
    assert found["THROTTLED"]["statusCode"] == "429" and found["THROTTLED"]["defaultResponse"] is True
    api.put_gateway_response(restApiId=rest, responseType="DEFAULT_4XX", responseParameters={"gatewayresponse.header.X-A": "'b'"})
    changed = api.update_gateway_response(restApiId=rest, responseType="THROTTLED", patchOperations=[op("replace", "/statusCode", "420")])
    assert changed["statusCode"] == "420" and changed["defaultResponse"] is False
    api.delete_gateway_response(restApiId=rest, responseType="THROTTLED")
    assert api.get_gateway_response(restApiId=rest, responseType="THROTTLED")["statusCode"] == "429"


OPENAPI = {
    "openapi": "3.0.1", "info": {"title": "imported", "version": "1"},
    "x-amazon-apigateway-binary-media-types": ["image/*"],
    "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
    "paths": {
        "/pets/{id}": {
            "get": {"operationId": "getPet", "security": [{"key": []}], "responses": {"200": {"description": "ok"}},
                    "x-amazon-apigateway-integration": {"type": "mock", "passthroughBehavior": "when_no_match",
                                                        "requestTemplates": {"application/json": '{"statusCode": 200}'},
                                                        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '"pet"'}}}}},
            "x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "ANY", "uri": "http://127.0.0.1:1/"}}},
    },
}


def test_openapi_is_imported(cloud, api):
    rest = api.import_rest_api(body=json.dumps(OPENAPI))["id"]
    found = api.get_rest_api(restApiId=rest)
    assert found["name"] == "imported" and found["binaryMediaTypes"] == ["image/*"]
    resources = {r["path"]: r for r in api.get_resources(restApiId=rest, embed=["methods"])["items"]}
    assert set(resources) == {"/", "/pets", "/pets/{id}"}
    methods = resources["/pets/{id}"]["resourceMethods"]
    assert methods["GET"]["apiKeyRequired"] is True and methods["GET"]["operationName"] == "getPet"
    assert methods["ANY"]["methodIntegration"]["type"] == "HTTP_PROXY" and methods["ANY"]["apiKeyRequired"] is False
    smaller = {**OPENAPI, "paths": {"/pets": {"get": OPENAPI["paths"]["/pets/{id}"]["get"]}}}
    api.put_rest_api(restApiId=rest, mode="merge", body=json.dumps(smaller))
    assert {r["path"] for r in api.get_resources(restApiId=rest)["items"]} == {"/", "/pets", "/pets/{id}"}
    api.put_rest_api(restApiId=rest, mode="overwrite", body=json.dumps(smaller))
    after = {r["path"]: r["id"] for r in api.get_resources(restApiId=rest)["items"]}
    assert set(after) == {"/", "/pets"} and after["/pets"] == resources["/pets"]["id"]
    for bad in ("no json", "{}", json.dumps({**OPENAPI, "paths": {"nope": {}}})):
        assert code(api.put_rest_api, restApiId=rest, body=bad) == ("BadRequestException", 400), bad


def test_a_method_is_tested_before_it_is_deployed(api):
    rest = api.create_rest_api(name="a")["id"]
    mock_method(api, rest, root(api, rest), body='{"tested":1}', headers={"X-A": "b"})
    done = api.test_invoke_method(restApiId=rest, resourceId=root(api, rest), httpMethod="GET")
    assert done["status"] == 200 and json.loads(done["body"]) == {"tested": 1} and done["headers"]["X-A"] == "b"


def test_unknown_operations_are_refused(api):
    assert code(api.get_vpc_links)[0] == "UnknownOperationException"
    assert code(api.get_sdk_types)[0] == "UnknownOperationException"


def test_the_stock_cli_agrees(cloud, api):
    rest = cloud.aws("apigateway", "create-rest-api", "--name", "cli")["id"]
    top = cloud.aws("apigateway", "get-resources", "--rest-api-id", rest)["items"][0]["id"]
    cloud.aws("apigateway", "put-method", "--rest-api-id", rest, "--resource-id", top, "--http-method", "GET", "--authorization-type", "NONE")
    cloud.aws("apigateway", "put-integration", "--rest-api-id", rest, "--resource-id", top, "--http-method", "GET", "--type", "MOCK")
    cloud.aws("apigateway", "create-deployment", "--rest-api-id", rest, "--stage-name", "s")
    assert cloud.aws("apigateway", "get-stages", "--rest-api-id", rest)["item"][0]["stageName"] == "s"
    assert api.get_rest_apis()["items"][0]["name"] == "cli" and http("GET", f"{cloud.url}/restapis")[0] == 403
