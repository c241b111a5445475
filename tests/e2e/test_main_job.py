# SPDX-License-Identifier: Apache-2.0
"""serverless.pipe from end to end on the local cloud, looked at with the stock clients."""

import concurrent.futures
import json
import os
import shutil
import subprocess
import time

import pytest

import support

BODY = json.dumps([1, 2, 3, 4, 5]).encode()
SQUARES = [1, 4, 9, 16, 25]
NAME = "serverless-example"
FUNCTION = "lambda-fn-serverless-example"


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """The pipeline and its example as a fresh clone has them once built."""
    folder = tmp_path_factory.mktemp("sources")
    for part in ("pipelines", "examples/squares"):
        shutil.copytree(support.SOURCE / part, folder / part)
    subprocess.run(["make", "-s", "-C", folder / "examples/squares"], check=True)
    return folder


@pytest.fixture
def job(sources, tmp_path):
    shutil.copytree(sources, tmp_path / "clone")
    return tmp_path / "clone/pipelines/serverless.pipe"


@pytest.fixture
def shipped(runner, job, cloud):
    """The pipeline was run once against a running cloud: its outputs, and the key that only the cloud tells."""
    support.clear_of_midnight()
    runner("run", job, env=cloud.env)
    outputs = json.loads(runner("outputs", "--json").out)
    key = cloud.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]
    return outputs, key


def call(outputs, key=None):
    headers = {"Content-Type": "application/json", **({"x-api-key": key} if key else {})}
    return support.http("POST", outputs["api"]["url"], headers, BODY)


def changes(result):
    """(action, resource) of each change that a run reported as JSON."""
    return [(e["action"], e["resource"]) for e in result.json_lines() if e.get("event") == "change"]


def left(cloud):
    """What a cloud holds, as its clients list it."""
    iam, ecr, function, api = (cloud.client(s) for s in ("iam", "ecr", "lambda", "apigateway"))
    return (iam.list_roles()["Roles"] + ecr.describe_repositories()["repositories"] + function.list_functions()["Functions"] +
            api.get_rest_apis()["items"] + api.get_api_keys()["items"] + api.get_usage_plans()["items"])


def local_life(run, job, cwd):
    first = run("--local", job, cwd=cwd)
    assert "smoke.body              [1, 4, 9, 16, 25]" in first.out and "6 of 6 stages ok, 14 created" in first.out
    assert "created method POST /predict" in first.out and "/test/_user_request_/predict" in first.out
    assert "api.api_key             ***" in first.out
    second = run("--local", job, cwd=cwd)
    assert "12 unchanged" in second.out and "created" not in second.out and "updated" not in second.out
    last = run("destroy", "--local", job, cwd=cwd)
    assert "8 deleted" in last.out
    assert run("cloud", "ls", cwd=cwd).out == "nothing in .runner/cloud\n"


def test_the_embedded_cloud_answers_then_changes_nothing_then_is_empty(runner, job):
    local_life(runner, job, runner.cwd)


def test_a_plain_user_does_the_same(plain_user, sources):
    folder = plain_user.path("job")
    shutil.copytree(sources, folder / "clone")
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{plain_user.uid}:{plain_user.gid}", folder], check=True)
    local_life(plain_user.runner, folder / "clone/pipelines/serverless.pipe", folder)


def test_a_second_run_calls_nothing_that_writes(runner, job, recorded_cloud):
    proxy = recorded_cloud.proxy
    first = runner("run", "--output", "json", job, env=recorded_cloud.env)
    assert {"lambda.CreateFunction", "apigateway.CreateDeployment", "iam.CreateRole"} <= set(proxy.writes())
    assert {action for action, _ in changes(first)} == {"created"}
    key = recorded_cloud.direct.client("apigateway").get_api_keys(includeValues=True)["items"][0]["value"]
    assert key not in first.text
    proxy.clear()
    second = runner("run", "--output", "json", job, env=recorded_cloud.env)
    # the smoke test's call of the API is the pipeline's purpose
    assert [w for w in proxy.writes() if "_user_request_" not in w] == []
    assert len(changes(second)) == 12 and {action for action, _ in changes(second)} == {"unchanged"}
    runner("destroy", job, env=recorded_cloud.env)
    assert left(recorded_cloud.direct) == []
    proxy.assert_valid()


def test_the_stock_cli_sees_what_was_made(shipped, cloud):
    outputs, _ = shipped
    api = outputs["api"]["api_id"]
    asked = {
        "sts get-caller-identity": None, "iam get-role --role-name lambda-exec-role": None,
        "iam list-attached-role-policies --role-name lambda-exec-role": None,
        f"ecr describe-images --repository-name {NAME}": None, f"lambda get-function --function-name {FUNCTION}": None,
        f"lambda get-policy --function-name {FUNCTION}": None, f"apigateway get-resources --rest-api-id {api}": None,
        "apigateway get-usage-plans": None,
    }
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for line, answer in zip(asked, pool.map(lambda line: cloud.aws(*line.split()), asked)):
            asked[line] = answer
    who, role, policies, images, function, policy, resources, plans = asked.values()
    assert who["Account"] == "000000000000"
    assert role["Role"]["Arn"] == outputs["role"]["arn"] == function["Configuration"]["Role"]
    assert [p["PolicyName"] for p in policies["AttachedPolicies"]] == ["AWSLambdaBasicExecutionRole"]
    assert images["imageDetails"][0]["imageDigest"] == outputs["push"]["digest"]
    assert images["imageDetails"][0]["imageTags"] == ["latest"]
    assert function["Code"]["ResolvedImageUri"] == outputs["push"]["image"]
    assert function["Configuration"]["MemorySize"] == 256 and function["Configuration"]["Timeout"] == 10
    assert f":{api}/test/POST/predict" in policy["Policy"] or f":{api}/*/POST/predict" in policy["Policy"]
    assert sorted(r["path"] for r in resources["items"]) == ["/", "/predict"]
    assert plans["items"][0]["quota"] == {"limit": 100, "offset": 0, "period": "DAY"}


def test_invoke_by_the_cli_and_the_key_by_curl(shipped, cloud, tmp_path):
    outputs, key = shipped
    (tmp_path / "event").write_text(json.dumps({"body": [1, 2, 3, 4, 5]}))
    cloud.aws("lambda", "invoke", "--function-name", FUNCTION, "--payload", f"fileb://{tmp_path}/event", str(tmp_path / "answer"))
    assert json.loads(json.loads((tmp_path / "answer").read_text())["body"]) == SQUARES
    curl = ["curl", "-sS", "--noproxy", "*", "-X", "POST", outputs["api"]["url"], "-d", BODY.decode(), "-w", " %{http_code}"]
    done = subprocess.run([*curl, "-H", f"x-api-key: {key}"], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 4, 9, 16, 25] 200"
    done = subprocess.run(curl, capture_output=True, text=True, check=True)
    assert done.stdout == '{"message":"Forbidden"} 403'
    status, headers, _ = call(outputs, "wrong" + key)
    assert status == 403 and headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_the_101st_call_of_a_day_is_refused(shipped, cloud):
    outputs, key = shipped
    gateway = cloud.client("apigateway")
    plan = gateway.get_usage_plans()["items"][0]["id"]
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=[
        {"op": "replace", "path": f"/throttle/{limit}", "value": "5000"} for limit in ("rateLimit", "burstLimit")])
    for _ in range(99):  # the smoke test made the first
        assert call(outputs, key)[0] == 200
    status, headers, body = call(outputs, key)
    assert status == 429 and json.loads(body) == {"message": "Limit Exceeded"}
    assert headers["x-amzn-ErrorType"] == "LimitExceededException"
    today = time.strftime("%Y-%m-%d", time.gmtime())
    usage = gateway.get_usage(usagePlanId=plan, startDate=today, endDate=today)["items"]
    assert list(usage.values())[0][0][0] == 100


def test_skopeo_and_umoci_read_what_was_pushed_and_built(shipped, cloud, job, tmp_path):
    outputs, _ = shipped
    password = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {cloud.host: {"auth": password}}}))

    def skopeo(*args):
        done = subprocess.run(["skopeo", *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pushed = f"docker://{outputs['push']['image']}"
    seen = json.loads(skopeo("inspect", "--authfile", str(auth), "--tls-verify=false", pushed))
    assert seen["Digest"] == outputs["image"]["digest"] and seen["Architecture"] == "amd64"
    skopeo("copy", "--authfile", str(auth), "--src-tls-verify=false", pushed, f"oci:{tmp_path}/pulled:x")
    layout = outputs["image"]["layout"]
    assert json.loads(skopeo("inspect", f"oci:{layout}"))["Digest"] == outputs["image"]["digest"]
    skopeo("copy", "--authfile", str(auth), "--dest-tls-verify=false", f"oci:{layout}",
           f"docker://{cloud.host}/{NAME}:by-skopeo")
    images = cloud.client("ecr").describe_images(repositoryName=NAME, imageIds=[{"imageTag": "by-skopeo"}])["imageDetails"]
    assert images[0]["imageDigest"] == outputs["image"]["digest"]
    # umoci wants a tag, which the copy has
    subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/pulled:x", tmp_path / "bundle"], check=True,
                   capture_output=True)
    unpacked = tmp_path / "bundle/rootfs/squares"
    assert unpacked.read_bytes() == (job.parents[1] / "examples/squares/squares").read_bytes() and os.access(unpacked, os.X_OK)


def test_folders_and_times_do_not_change_the_digest(runner, sources, pipe):
    digests = set()
    for place, moment in (("a", 0), ("somewhere/else", 1_900_000_000)):
        folder = runner.cwd / place
        shutil.copytree(sources / "examples/squares", folder / "squares")
        for path in folder.rglob("*"):
            os.utime(path, (moment, moment))
        file = pipe({"stages": [{"id": "image", "uses": "oci-build", "with": {"context": "squares"}}]}, f"{place}/x.pipe")
        runner("run", file, cwd=folder, env={"TZ": "Asia/Tokyo" if moment else "UTC"})
        digests.add(runner("outputs", "image.digest", cwd=folder).out)
    assert len(digests) == 1
