# SPDX-License-Identifier: Apache-2.0
"""What `runner plan --iam-policy` prints allows every call that the stages of serverless.pipe make, stage by stage, on the resources that
they make it on; and iam and ecr-push declare no action that they never need."""

import fnmatch
import json
import re
import shutil
import subprocess

import pytest

import support
from images import Image
from stage_bench import ABSENT
from test_iam_converge import BASIC, CHANGES, VPC, WITH

FREE = {"sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"}  # nobody needs a permission for these
INVOKED = re.compile(r"^[A-Z]+ /restapis/.*_user_request_")  # the key is checked there, not a signature


def registry_action(method, path):
    """The ECR action behind a request of the registry's API."""
    if "/blobs/uploads/" in path:
        return {"POST": "ecr:InitiateLayerUpload", "PATCH": "ecr:UploadLayerPart", "PUT": "ecr:CompleteLayerUpload", "GET": "ecr:UploadLayerPart"}[method]
    if "/blobs/" in path:
        return {"HEAD": "ecr:BatchCheckLayerAvailability", "GET": "ecr:GetDownloadUrlForLayer"}[method]
    return {"HEAD": "ecr:BatchGetImage", "GET": "ecr:BatchGetImage", "PUT": "ecr:PutImage"}[method]


def resource_of(call, body):
    """The ARN that a call is about; None where the service checks none or the test does not know."""
    if call.service == "iam":
        form = dict(p.split("=", 1) for p in call.body.decode().split("&"))
        return f"arn:aws:iam::000000000000:role{'/svc/' if form.get('RoleName') == 'r' else '/'}{form['RoleName']}" if "InstanceProfileName" not in form else None
    if call.service == "ecr":
        name = body.get("repositoryName") or next(iter(body.get("repositoryNames", [])), None)
        return f"arn:aws:ecr:us-east-1:000000000000:repository/{name}" if name else body.get("resourceArn")
    return None


def actions(call):
    """(action, resource) pairs that a call must be allowed."""
    if call.service is None:
        path = call.target.partition("?")[0]
        if not path.startswith("/v2/") or path == "/v2/":
            return [("ecr:GetAuthorizationToken", None)] if path == "/v2/" else []
        repository = re.match(r"/v2/(.*?)/(?:blobs|manifests)/", path)[1]
        return [(registry_action(call.method, path), f"arn:aws:ecr:us-east-1:000000000000:repository/{repository}")]
    if call.service == "apigateway":
        return [(f"apigateway:{call.method}", None)]
    body = json.loads(call.body) if call.service in ("ecr", "lambda", "logs") and call.body.startswith(b"{") else {}
    resource = resource_of(call, body)
    needed = [({"lambda:Invoke": "lambda:InvokeFunction"}.get(n, n), resource) for n in [f"{call.service}:{call.operation}"]]
    tagged = b"Tags.member.1" in call.body or body.get("tags") or body.get("Tags")
    if tagged and call.operation.startswith("Create"):
        needed.append((f"{call.service}:{'TagRole' if call.service == 'iam' else 'TagResource'}", resource))
    if call.operation in ("CreateFunction", "UpdateFunctionConfiguration") and body.get("Role"):
        needed.append(("iam:PassRole", body["Role"]))
    return needed


def allows(statement, action, resource):
    listed, on = statement["Action"], statement["Resource"]
    on = [on] if isinstance(on, str) else on
    return action in listed and (resource is None or any(fnmatch.fnmatchcase(resource, r) for r in on))


@pytest.fixture
def through_the_proxy(recorded_cloud):
    """The registry's requests go through the proxy as well."""
    proxy = recorded_cloud.proxy
    proxy.rewrite("ecr.GetAuthorizationToken", lambda call, body: body.replace(recorded_cloud.direct.url.encode(), proxy.url.encode()))
    return recorded_cloud


def seen(proxy):
    return {pair for call in proxy.calls if not INVOKED.match(call.name) for pair in actions(call) if pair[0] not in FREE}


def test_the_printed_policy_allows_all_that_each_stage_calls(runner, through_the_proxy, tmp_path):
    for part in ("pipelines", "examples/squares"):
        shutil.copytree(support.SOURCE / part, tmp_path / part)
    subprocess.run(["make", "-s", "-C", tmp_path / "examples/squares"], check=True)
    job, proxy = tmp_path / "pipelines/serverless.pipe", through_the_proxy.proxy
    policy = json.loads(runner("plan", "--iam-policy", job).out)
    statements = {}
    for s in policy["Statement"]:
        statements.setdefault(re.sub(r"\d*$", "", s["Sid"]).lower(), []).append(s)
    used = {}
    for command in ("plan", "run", "run", "destroy"):
        stages = ["role", "image", "push", "function", "api"]  # the last of them with `smoke`, which needs its secret output
        for stage in reversed(stages) if command == "destroy" else stages:
            proxy.clear()
            which = ("--from", "api") if stage == "api" else ("--only", stage)
            runner(command, *which, job, env=through_the_proxy.env, code=None if command == "plan" else 0)
            used.setdefault(stage, set()).update(seen(proxy))
    assert used["role"] and used["push"] and used["function"] and used["api"] and not used["image"]
    for stage, pairs in used.items():
        missing = {p for p in pairs if not any(allows(s, *p) for s in statements.get(stage, []))}
        assert not missing, f"stage {stage} needs {sorted(missing, key=str)}"
    for stage in ("role", "push"):
        assert not any(allows(s, a, "arn:aws:iam::1:role/other") or allows(s, a, "arn:aws:ecr:us-east-1:1:repository/other")
                       for s in statements[stage] for a in s["Action"] if s["Resource"] != "*")


def declared(runner, name):
    permissions = json.loads(runner("plugins", "describe", name, "--json").out)["permissions"]
    return {p.split()[0] for p in permissions.splitlines() if p.strip()}


def test_iam_declares_exactly_what_it_needs(runner, bench, recorded_moto):
    stage, found = bench(recorded_moto, "iam", WITH, id="role"), set()

    def note(*args):
        stage(*args)
        found.update(a for a, _ in seen(stage.proxy))

    note("run")
    for changes, _, _ in CHANGES:
        note("run", changes)
        note("run")
    stage.client("iam").attach_role_policy(RoleName="r", PolicyArn=VPC)
    stage.client("iam").detach_role_policy(RoleName="r", PolicyArn=BASIC)
    stage.client("iam").create_instance_profile(InstanceProfileName="ip")
    stage.client("iam").add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    note("destroy")
    assert found == declared(runner, "iam")


def test_ecr_push_declares_exactly_what_it_needs(runner, bench, through_the_proxy, tmp_path):
    for n in range(2):
        Image({"bootstrap": b"%d" % n}).write_layout(tmp_path / f"image-{n}")
    rule = {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 3}, "action": {"type": "expire"}}
    first = {"repository": "team/app", "tag": "a", "layout": str(tmp_path / "image-0"), "scan_on_push": False, "tag_mutability": "MUTABLE", "lifecycle": [rule]}
    stage, found = bench(through_the_proxy, "ecr-push", first, id="push"), set()

    def note(command="run", code=0, **changes):
        stage(command, changes, code=code)
        found.update(a for a, _ in seen(stage.proxy))

    stage.proxy.reply("ecr.DescribeRepositoryCreationTemplates", lambda call: {"repositoryCreationTemplates": []})
    note(create=False, code=1)
    note()
    note(scan_on_push=True, tag_mutability="IMMUTABLE", lifecycle=[], resource_tags={"x": "y"})
    stage.proxy.reply("lambda.ListFunctions", lambda call: {"Functions": [{"FunctionName": "g", "Version": "7", "PackageType": "Image", "CodeSha256": "0" * 64}]})
    stage.proxy.reply("lambda.GetFunction", lambda call: {"Code": {"ResolvedImageUri": "x/y@sha256:" + "1" * 64}})
    note(tag_mutability=ABSENT, tag="b", layout=str(tmp_path / "image-1"), keep=1)
    note("destroy", tag="b")
    chunks = {"ecr:UploadLayerPart"}  # ECR asks for it with every upload; a small layer goes in one piece here
    assert found | chunks == declared(runner, "ecr-push")
