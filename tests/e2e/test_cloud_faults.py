# SPDX-License-Identifier: Apache-2.0
"""Fault rules of the local cloud: from a file, by the command, by HTTP; and what each effect does to clients."""

import base64
import json
import subprocess
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

import lambda_images as images
from images import Image, Registry
from support import BUILD, PATIENCE, Cloud, clean_env, http

PROGRAM = BUILD / "libexec/runner/runner-cloud"


@pytest.fixture
def fault(cloud):
    """fault("add", MATCH, EFFECT, ...) -> text; the command against the running cloud."""
    def run(*args, code=0):
        done = subprocess.run([PROGRAM, "fault", *map(str, args), "--state", cloud.state], env=clean_env(cloud.state.parent),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == code, done
        return done.stdout + done.stderr

    return run


def code_of(error):
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_throttling_as_each_service_throttles(cloud, fault):
    fault("add", "*", "throttle")
    for service, call, expected in (
        ("iam", lambda c: c.list_roles(), ("Throttling", 400)), ("sts", lambda c: c.get_caller_identity(), ("Throttling", 400)),
        ("ecr", lambda c: c.describe_repositories(), ("ThrottlingException", 400)),
        ("logs", lambda c: c.describe_log_groups(), ("ThrottlingException", 400)),
        ("ssm", lambda c: c.describe_parameters(), ("ThrottlingException", 400)),
        ("lambda", lambda c: c.list_functions(), ("TooManyRequestsException", 429)),
        ("apigateway", lambda c: c.get_rest_apis(), ("TooManyRequestsException", 429)),
    ):
        with pytest.raises(ClientError) as e:
            call(cloud.client(service))
        assert code_of(e) == expected
        assert (e.value.response["ResponseMetadata"]["HTTPHeaders"].get("retry-after") is not None) == (expected[1] == 429)


def test_which_calls_are_hit(cloud, fault):
    iam = cloud.client("iam")

    def hits(n):
        found = []
        for i in range(n):
            try:
                iam.list_roles()
            except ClientError:
                found.append(i)
        return found

    fault("add", "iam.ListRoles", "error", "--skip", 1, "--times", 2, "--id", "mine")
    assert hits(6) == [1, 2]
    assert "hit 2 of 6" in fault("ls")
    fault("rm", "mine")
    assert "no rule" in fault("rm", "mine", code=2)
    fault("add", "iam.List*", "error", "--nth", 3)
    assert hits(5) == [2]
    fault("rm", "--all")
    both = []
    for _ in range(2):
        fault("add", "iam.*", "throttle", "--probability", 0.5, "--seed", 42, "--id", "half")
        both.append(hits(40))
    assert both[0] == both[1] and 5 < len(both[0]) < 35
    fault("rm", "--all")
    assert fault("ls") == "no fault rules\n" and hits(3) == []


def test_errors_have_the_status_code_and_text_of_the_rule(cloud, fault):
    fault("add", "lambda.GetFunction", "error", "--status", 403, "--code", "AccessDeniedException", "--message", "not you")
    with pytest.raises(ClientError, match="not you") as e:
        cloud.client("lambda").get_function(FunctionName="x")
    assert code_of(e) == ("AccessDeniedException", 403)
    fault("add", "ecr.DescribeRepositories", "error")
    with pytest.raises(ClientError) as e:
        cloud.client("ecr").describe_repositories()
    assert code_of(e) == ("ServerException", 500)


def test_a_reset_before_and_after_the_call_acted(cloud, fault):
    gateway = cloud.client("apigateway")
    for effect, left in (("reset-before", 0), ("reset-after", 1)):
        fault("add", "apigateway.CreateRestApi", effect, "--times", 1)
        with pytest.raises((ConnectionClosedError, ConnectionError)):
            gateway.create_rest_api(name=effect)
        assert len(gateway.get_rest_apis()["items"]) == left


def test_a_delay_holds_nobody_else_up_and_ends_with_the_cloud(cloud, fault):
    fault("add", "sts.GetCallerIdentity", "delay", "--time", "0.3s", "--times", 1)
    began = time.monotonic()
    cloud.client("sts").get_caller_identity()
    assert time.monotonic() - began >= 0.3
    fault("add", "sts.*", "delay", "--time", "20m")
    waiting = subprocess.Popen(["curl", "-s", "-m", "1000", "--aws-sigv4", "aws:amz:us-east-1:sts", "-u",
                                f"{cloud.access_key}:{cloud.secret_key}", cloud.url, "-d", "Action=GetCallerIdentity"],
                               stdout=subprocess.DEVNULL)
    while "hit 1 of 1" not in fault("ls"):
        assert waiting.poll() is None
    cloud.client("iam").list_roles()
    assert cloud.stop() == 0
    waiting.wait(PATIENCE)


def test_the_registry_fails_too(cloud, fault):
    cloud.client("ecr").create_repository(repositoryName="repo")
    registry, image = Registry(cloud), Image({"f": b"x"})
    fault("add", "registry.start-upload", "throttle", "--times", 1)
    fault("add", "registry.put-manifest", "error", "--status", 503, "--times", 1)
    status, headers, body = registry("POST", "/v2/repo/blobs/uploads/", b"")
    assert status == 429 and headers["Retry-After"] and json.loads(body)["errors"][0]["code"] == "TOOMANYREQUESTS"
    for data in (*image.layers, image.config):
        registry.push_blob("repo", data)
    assert registry("PUT", "/v2/repo/manifests/v1", image.manifest, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})[0] == 503
    assert registry.push("repo", image, "v1") == image.digest
    fault("add", "registry.get-manifest", "reset-before", "--times", 1)
    with pytest.raises(OSError):
        registry("GET", "/v2/repo/manifests/v1")
    fault("add", "registry.delete-manifest", "reset-after", "--times", 1)
    with pytest.raises(OSError):
        registry("DELETE", f"/v2/repo/manifests/{image.digest}")
    assert registry("GET", "/v2/repo/manifests/v1")[0] == 404


def test_a_role_is_not_assumable_for_a_time_and_updates_are_slow(cloud, fault):
    uri, _ = images.push(cloud, "app", [{"f": b"x"}], {"Entrypoint": ["/f"]})
    arn = images.role(cloud)
    function = cloud.client("lambda")
    def create():
        return function.create_function(FunctionName="f", Role=arn, PackageType="Image", Code={"ImageUri": uri})

    fault("add", "lambda.CreateFunction", "role-not-ready", "--time", "20m", "--id", "late")
    fault("add", "lambda.CreateFunction", "slow-update", "--time", "20m")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        create()
    fault("add", "lambda.CreateFunction", "role-not-ready", "--time", "1ms", "--id", "late")  # it is older by now
    assert create()["State"] == "Pending"
    assert function.get_function_configuration(FunctionName="f")["State"] == "Pending"


def test_a_call_of_an_api_fails(cloud, fault):
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="a")
    at = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}
    gateway.put_method(**at, authorizationType="NONE")
    gateway.put_method_response(**at, statusCode="200")
    gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.put_integration_response(**at, statusCode="200")
    gateway.create_deployment(restApiId=api["id"], stageName="s")
    url = f"{cloud.url}/restapis/{api['id']}/s/_user_request_/"
    fault("add", "execute-api.Invoke", "throttle", "--times", 1)
    status, headers, body = http("GET", url)
    assert (status, json.loads(body), headers["x-amzn-ErrorType"]) == (429, {"message": "Too Many Requests"}, "TooManyRequestsException")
    assert http("GET", url)[0] == 200


def test_rules_from_a_file_hold_from_the_start(tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"faults": [{"match": "sts.*", "effect": "error", "status": 503, "times": 1}]}))
    with Cloud(tmp_path / "cloud", args=["--faults", str(rules)]) as cloud:
        call = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:sts", "-u",
                f"{cloud.env['AWS_ACCESS_KEY_ID']}:{cloud.env['AWS_SECRET_ACCESS_KEY']}", cloud.env["AWS_ENDPOINT_URL"],
                "-d", "Action=GetCallerIdentity"]
        assert [subprocess.run(call, capture_output=True, text=True).stdout for _ in range(2)] == ["503", "200"]


@pytest.mark.parametrize("rule, text", [
    ({"effect": "delay", "time": "1s"}, 'rule 1: a rule needs a "match"'),
    ({"match": "lambda.CreatFunction", "effect": "throttle"}, "did you mean lambda.CreateFunction?"),
    ({"match": "sts.*", "effect": "explode"}, '"explode" is no effect'),
    ({"match": "sts.*", "effect": "delay"}, '"time" is needed by delay'),
    ({"match": "sts.*", "effect": "throttle", "tmes": 1}, 'did you mean "times"?'),
    ({"match": "sts.*", "effect": "throttle", "probability": 2}, "above 0 and at most 1"),
    ({"match": "sts.*", "effect": "throttle", "status": 500}, "belong to the effect error"),
])
def test_a_wrong_rule_is_said(tmp_path, rule, text):
    (tmp_path / "rules.json").write_text(json.dumps([rule]))
    done = subprocess.run([PROGRAM, "--state", tmp_path / "s", "--faults", tmp_path / "rules.json"], env=clean_env(tmp_path),
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and text in done.stderr and "rules.json" in done.stderr


def test_the_interface_asks_for_the_clouds_own_credentials(cloud):
    url = f"{cloud.url}/_runner/faults"
    assert http("GET", url)[0] == 401
    basic = base64.b64encode(f"{cloud.access_key}:{cloud.secret_key}".encode()).decode()
    status, _, body = http("POST", url, {"Authorization": f"Basic {basic}"}, json={"match": "iam.*", "effect": "throttle"})
    assert status == 201 and json.loads(body) == {"id": "f1"}
    status, _, body = http("GET", url, {"Authorization": f"Basic {basic}"})
    assert json.loads(body)["faults"] == [{"id": "f1", "match": "iam.*", "effect": "throttle", "seen": 0, "fired": 0}]
    assert http("DELETE", f"{url}/f1", {"Authorization": f"Basic {basic}"})[0] == 204


def test_a_pipeline_gets_over_faults(cloud, fault, runner, pipe):
    """What users would test with it: the run ends right though calls fail on the way."""
    fault("add", "iam.CreateRole", "reset-after", "--times", 1)
    fault("add", "iam.*", "throttle", "--times", 3, "--skip", 1)
    file = pipe({"stages": [{"id": "role", "uses": "iam", "with": {"role_name": "r", "trust": ["lambda.amazonaws.com"]}}]})
    runner("run", file, env=cloud.env)
    assert [r["RoleName"] for r in cloud.client("iam").list_roles()["Roles"]] == ["r"]
