# SPDX-License-Identifier: Apache-2.0
"""What serverless.pipe does, done by hand with the stock clients: it works, and what exists afterwards is the same."""

import base64
import difflib
import json
import re
import shutil
import subprocess

import pytest

import support

NAME = "serverless-example"
FUNCTION = "lambda-fn-serverless-example"
ROLE = "lambda-exec-role"
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}


@pytest.fixture
def job(tmp_path):
    for part in ("pipelines", "examples/squares"):
        shutil.copytree(support.SOURCE / part, tmp_path / "clone" / part)
    subprocess.run(["make", "-s", "-C", tmp_path / "clone/examples/squares"], check=True)
    return tmp_path / "clone/pipelines/serverless.pipe"


class Boto:
    def __init__(self, cloud):
        self.cloud = cloud

    def __call__(self, service, operation, **members):
        return getattr(self.cloud.client(service), operation)(**members)

    def password(self):
        data = self("ecr", "get_authorization_token")["authorizationData"][0]
        return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]

    def wait(self, waiter, name):
        self.cloud.client("lambda").get_waiter(waiter).wait(FunctionName=name)

    def invoke(self, event, tmp_path):
        return self("lambda", "invoke", FunctionName=FUNCTION, Payload=event)["Payload"].read()


class Cli:
    def __init__(self, cloud):
        self.cloud = cloud

    def __call__(self, service, operation, **members):
        return self.cloud.aws(service, operation.replace("_", "-"), "--cli-input-json", json.dumps(members))

    def password(self):
        return self.cloud.aws("ecr", "get-login-password").strip()

    def wait(self, waiter, name):
        self.cloud.aws("lambda", "wait", waiter.replace("_", "-"), "--function-name", name)

    def invoke(self, event, tmp_path):
        (tmp_path / "event").write_text(event)
        self.cloud.aws("lambda", "invoke", "--function-name", FUNCTION, "--payload", f"fileb://{tmp_path}/event",
                       tmp_path / "answer")
        return (tmp_path / "answer").read_bytes()


def skopeo(*args, **more):
    done = subprocess.run(["skopeo", *map(str, args)], text=True, capture_output=True, **more)
    assert done.returncode == 0, done.stderr


def push(client, cloud, layout):
    auth = layout.parent / "auth.json"
    skopeo("login", "--username", "AWS", "--password-stdin", "--tls-verify=false", "--authfile", auth, cloud.host,
           input=client.password())
    skopeo("copy", "--authfile", auth, "--dest-tls-verify=false", f"oci:{layout}", f"docker://{cloud.host}/{NAME}:latest")


def ship(client, cloud, layout, tmp_path):
    """The flow; returns the address of the API and the key."""
    role = client("iam", "create_role", RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST),
                  Description="Execution role for Lambda function")["Role"]["Arn"]
    client("iam", "attach_role_policy", RoleName=ROLE, PolicyArn=MANAGED)
    repository = client("ecr", "create_repository", repositoryName=NAME, imageScanningConfiguration={"scanOnPush": True},
                        imageTagMutability="MUTABLE")["repository"]["repositoryUri"]
    push(client, cloud, layout)
    image = client("ecr", "describe_images", repositoryName=NAME)["imageDetails"][0]["imageDigest"]
    function = client("lambda", "create_function", FunctionName=FUNCTION, PackageType="Image", Role=role, Timeout=10, MemorySize=256,
                      Code={"ImageUri": f"{repository}@{image}"})["FunctionArn"]
    client.wait("function_active_v2", FUNCTION)
    assert json.loads(client.invoke('{"body": [1, 2, 3, 4, 5]}', tmp_path))["body"] == "[1, 4, 9, 16, 25]"
    client("lambda", "publish_version", FunctionName=FUNCTION)
    return expose(client, cloud, function)


def expose(client, cloud, function):
    api = client("apigateway", "create_rest_api", name=NAME, endpointConfiguration={"types": ["REGIONAL"]})["id"]
    root = client("apigateway", "get_resources", restApiId=api)["items"][0]["id"]
    resource = client("apigateway", "create_resource", restApiId=api, parentId=root, pathPart="predict")["id"]
    at = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    client("apigateway", "put_method", **at, authorizationType="NONE", apiKeyRequired=True)
    client("apigateway", "put_integration", **at, type="AWS_PROXY", integrationHttpMethod="POST",
           uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations")
    client("lambda", "add_permission", FunctionName=FUNCTION, StatementId="by-hand", Action="lambda:InvokeFunction",
           Principal="apigateway.amazonaws.com",
           SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api}/test/POST/predict")
    deployment = client("apigateway", "create_deployment", restApiId=api)["id"]
    client("apigateway", "create_stage", restApiId=api, stageName="test", deploymentId=deployment)
    key = client("apigateway", "create_api_key", name=NAME, enabled=True)
    plan = client("apigateway", "create_usage_plan", name=NAME, apiStages=[{"apiId": api, "stage": "test"}],
                  throttle={"burstLimit": 10, "rateLimit": 10}, quota={"limit": 100, "period": "DAY"})["id"]
    client("apigateway", "create_usage_plan_key", usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return f"{cloud.url}/restapis/{api}/test/_user_request_/predict", key["value"]


def described(cloud):
    """All that the clients tell, without what differs from one making to the next: ids, times, marks of the owner."""
    def by_path(answer):
        return sorted(answer["items"], key=lambda resource: resource["path"])

    iam, ecr, function, api = (cloud.client(s) for s in ("iam", "ecr", "lambda", "apigateway"))
    rest, = api.get_rest_apis()["items"]
    of = {"restApiId": rest["id"]}
    plan, = api.get_usage_plans()["items"]
    found = [iam.get_role(RoleName=ROLE), iam.list_attached_role_policies(RoleName=ROLE), iam.list_role_policies(RoleName=ROLE),
             ecr.describe_repositories(), ecr.describe_images(repositoryName=NAME),
             ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "latest"}]),
             function.get_function(FunctionName=FUNCTION), function.list_versions_by_function(FunctionName=FUNCTION),
             function.list_aliases(FunctionName=FUNCTION), json.loads(function.get_policy(FunctionName=FUNCTION)["Policy"]),
             rest, by_path(api.get_resources(**of, embed=["methods"])), api.get_stages(**of), api.get_deployments(**of),
             api.get_api_keys(), plan, api.get_usage_plan_keys(usagePlanId=plan["id"])]
    text = json.dumps([plain(f) for f in found], default=lambda _: "TIME", sort_keys=True, indent=1)
    ids = {rest["id"]: "API", rest["rootResourceId"]: "ROOT", plan["id"]: "PLAN", cloud.host: "HOST"}
    ids |= {r["id"]: f"RESOURCE{r['path']}" for r in api.get_resources(**of)["items"]}
    ids |= {d["id"]: "DEPLOYMENT" for d in api.get_deployments(**of)["items"]}
    for key in api.get_api_keys(includeValues=True)["items"]:
        ids |= {key["id"]: "KEY", key["value"]: "VALUE"}
    for value, name in ids.items():
        text = re.sub(rf"\b{re.escape(value)}\b", name, text)
    return text.splitlines()


DIFFERENT = {"ResponseMetadata", "RoleId", "RevisionId", "LastModified", "Sid", "RequestId", "lastRecordedPullTime"}


def is_mark(name, value):
    """What the pipeline leaves of its own: tags (plain took them out), the digest by which it knows its deployment."""
    return name.lower() == "tags" and not value or name == "description" and str(value).startswith("runner sha256:")


def plain(value):
    if isinstance(value, dict):
        kept = {k: plain(v) for k, v in value.items() if k not in DIFFERENT and not k.startswith("runner:")}
        return {k: v for k, v in kept.items() if not is_mark(k, v)}
    if isinstance(value, list):
        return [plain(v) for v in value if not (isinstance(v, dict) and str(v.get("Key", "")).startswith("runner:"))]
    return value


@pytest.mark.parametrize("make", [Boto, Cli])
def test_by_hand_as_by_the_pipeline(make, runner, job, cloud, tmp_path):
    runner("run", job, env=cloud.env)
    layout = tmp_path / "layout"
    shutil.copytree(runner("outputs", "image.layout").out.strip(), layout)
    by_pipeline = described(cloud)
    runner("destroy", job, env=cloud.env)

    url, key = ship(make(cloud), cloud, layout, tmp_path)
    status, _, body = support.http("POST", url, {"x-api-key": key}, b"[1, 2, 3, 4, 5]")
    assert (status, json.loads(body)) == (200, [1, 4, 9, 16, 25])
    assert support.http("POST", url, {}, b"[]")[0] == 403
    by_hand = described(cloud)
    assert by_hand == by_pipeline, "\n".join(difflib.unified_diff(by_pipeline, by_hand, "by the pipeline", "by hand", lineterm=""))
