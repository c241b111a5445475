# SPDX-License-Identifier: Apache-2.0
"""The iam stage against moto and against the local cloud: every setting made, changed, drifted, removed; faults on every call."""

import json

import pytest
from botocore.exceptions import ClientError

from stage_bench import ABSENT

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
VPC = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}
DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
EC2 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
WITH = {"role_name": "r", "description": "first", "trust": ["lambda.amazonaws.com"], "managed_policies": [BASIC], "inline_policies": {"read": READ},
        "tags": {"team": "data"}, "max_session_duration": "2h", "path": "/svc/", "permissions_boundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}


@pytest.fixture
def stage(bench, recorded):
    return bench(recorded, "iam", WITH, id="role")


def role(stage):
    """The role as IAM has it, with its policies."""
    iam = stage.client("iam")
    found = iam.get_role(RoleName="r")["Role"]
    found["attached"] = sorted(p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"])
    found["inline"] = {n: iam.get_role_policy(RoleName="r", PolicyName=n)["PolicyDocument"] for n in iam.list_role_policies(RoleName="r")["PolicyNames"]}
    found["tags"] = {t["Key"]: t["Value"] for t in found.get("Tags", [])}
    return found


def is_as_described(stage):
    found = role(stage)
    assert (found["Path"], found["Description"], found["MaxSessionDuration"]) == ("/svc/", "first", 7200)
    assert found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": ["lambda.amazonaws.com"]}
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == WITH["permissions_boundary"]
    assert found["attached"] == [BASIC] and found["inline"] == {"read": READ}
    assert found["tags"] == {"team": "data", "runner:pipeline": "p", "runner:stage": "role"}


def test_the_first_run_makes_the_role_and_destroy_removes_it(stage):
    made = stage.creates(["CreateRole", "AttachRolePolicy", "PutRolePolicy"])
    is_as_described(stage)
    found = role(stage)
    assert stage.outputs() == {"arn": found["Arn"], "name": "r", "id": found["RoleId"]} and found["Arn"] in made.text
    stage.destroyed(["DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"])
    with pytest.raises(ClientError, match="NoSuchEntity"):
        role(stage)


CHANGES = [
    ({"description": "second"}, ["UpdateRole"], ["description", "first", "second"]),
    ({"max_session_duration": "3h"}, ["UpdateRole"], ["7200", "10800"]),
    ({"description": "x", "max_session_duration": "1h"}, ["UpdateRole"], []),
    ({"trust": ["lambda.amazonaws.com", "ecs-tasks.amazonaws.com"]}, ["UpdateAssumeRolePolicy"], ["ecs-tasks.amazonaws.com"]),
    ({"managed_policies": [BASIC, VPC]}, ["AttachRolePolicy"], ["attach", VPC]),
    ({"managed_policies": ["service-role/AWSLambdaVPCAccessExecutionRole"]}, ["AttachRolePolicy", "DetachRolePolicy"], [BASIC, VPC]),
    ({"managed_policies": []}, ["DetachRolePolicy"], ["detach", BASIC]),
    ({"inline_policies": {"read": READ, "more": READ}}, ["PutRolePolicy"], ["add inline policy more"]),
    ({"inline_policies": {"read": DENY}}, ["PutRolePolicy"], ["change inline policy read"]),
    ({"inline_policies": {}}, ["DeleteRolePolicy"], ["remove inline policy read"]),
    ({"tags": {"team": "ops", "cost": "7"}}, ["TagRole"], ["data", "ops", "cost"]),
    ({"permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess"}, ["PutRolePermissionsBoundary"], ["ReadOnlyAccess", "PowerUserAccess"]),
    ({"permissions_boundary": ""}, ["DeleteRolePermissionsBoundary"], ["ReadOnlyAccess"]),
]


def test_each_changed_setting_makes_exactly_its_writes(stage):
    stage("run")
    for changes, writes, words in CHANGES:
        stage.changed(changes, writes, words)
        stage("run")  # back again
    stage.client("iam").untag_role(RoleName="r", TagKeys=["cost"])  # a tag that is no longer named stays
    is_as_described(stage)


def test_drift_of_each_setting_is_shown_and_repaired(stage):
    stage("run")
    iam = stage.client("iam")
    for drift, writes, words in (
        (lambda: iam.update_role(RoleName="r", Description="by hand", MaxSessionDuration=7200), ["UpdateRole"], ["by hand", "first"]),
        (lambda: iam.update_role(RoleName="r", Description="first", MaxSessionDuration=3600), ["UpdateRole"], ["3600", "7200"]),
        (lambda: iam.update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(EC2)), ["UpdateAssumeRolePolicy"], ["ec2.amazonaws.com"]),
        (lambda: iam.detach_role_policy(RoleName="r", PolicyArn=BASIC), ["AttachRolePolicy"], ["attach", BASIC]),
        (lambda: iam.attach_role_policy(RoleName="r", PolicyArn=VPC), ["DetachRolePolicy"], ["detach", VPC]),
        (lambda: iam.delete_role_policy(RoleName="r", PolicyName="read"), ["PutRolePolicy"], ["add inline policy read"]),
        (lambda: iam.put_role_policy(RoleName="r", PolicyName="read", PolicyDocument=json.dumps(DENY)), ["PutRolePolicy"], ["change inline policy read"]),
        (lambda: iam.put_role_policy(RoleName="r", PolicyName="hand", PolicyDocument=json.dumps(DENY)), ["DeleteRolePolicy"], ["remove inline policy hand"]),
        (lambda: iam.untag_role(RoleName="r", TagKeys=["team"]), ["TagRole"], ["team"]),
        (lambda: iam.tag_role(RoleName="r", Tags=[{"Key": "team", "Value": "hand"}]), ["TagRole"], ["hand", "data"]),
        (lambda: iam.delete_role_permissions_boundary(RoleName="r"), ["PutRolePermissionsBoundary"], ["ReadOnlyAccess"]),
        (lambda: iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess"),
         ["PutRolePermissionsBoundary"], ["PowerUserAccess"]),
    ):
        stage.repaired(drift, writes, words)
        is_as_described(stage)


# ---- faults --------------------------------------------------------------------------------------

CHANGED = {"description": "second", "trust": ["ecs-tasks.amazonaws.com"], "managed_policies": [VPC], "inline_policies": {"more": READ},
           "tags": {"team": "ops"}, "permissions_boundary": ABSENT}


KINDS = ["throttle", "500", "503", "reset_before", "reset_after", "expired", "skewed"]


@pytest.mark.parametrize("recorded, kind", [("cloud", k) for k in KINDS] + [("moto", "500"), ("moto", "reset_after")], indirect=["recorded"])
def test_a_fault_on_every_call_is_survived(stage, kind):
    stage.survives(kind)
    is_as_described(stage)
    stage.settled()
    if kind == "throttle":
        return  # its waits are long, and the calls below are repeated alike
    stage.survives(kind, changes=CHANGED)
    found = role(stage)
    assert found["Description"] == "second" and found["attached"] == [VPC] and list(found["inline"]) == ["more"] and found["tags"]["team"] == "ops"
    stage.settled(CHANGED)
    stage.survives(kind, "destroy")
    assert stage.client("iam").list_roles()["Roles"] == []


def test_a_busy_role_is_waited_for(stage):
    stage("run")
    stage.proxy.fault("iam.UpdateRole", "error", status=409, code="ConcurrentModification", times=2)
    stage("run", {"description": "second"})
    assert stage.proxy.count("iam.UpdateRole") == 3 and role(stage)["Description"] == "second"


@pytest.mark.parametrize("operation", ["CreateRole", "UpdateAssumeRolePolicy"])
def test_a_principal_that_iam_does_not_know_yet_is_waited_for(stage, operation):
    if operation != "CreateRole":
        stage("run", {"trust": ["ecs-tasks.amazonaws.com"]})
    stage.proxy.fault(f"iam.{operation}", "error", status=400, code="MalformedPolicyDocument", message="Invalid principal in policy: AWS:arn:x")
    shown = stage("run")
    assert stage.proxy.count(f"iam.{operation}") == 2 and "not known to IAM (yet)" in shown.text
    is_as_described(stage)


def test_a_trust_policy_that_is_wrong_is_refused_at_once(stage):
    stage.proxy.fault("iam.CreateRole", "error", status=400, code="MalformedPolicyDocument", message="Syntax errors in policy", times=9)
    failed = stage("run", code=1)
    assert stage.proxy.count("iam.CreateRole") == 1 and "Syntax errors" in failed.text and 'parameter "trust"' in failed.text


def test_each_denied_call_ends_after_one_try_and_says_who_what_and_which(stage):
    for name in stage.operations():
        if name == "iam.CreateRole":
            stage("destroy")
        stage.denied(name, resource="role r:")
    stage("run")
    assert {"iam.DeleteRole", "iam.ListInstanceProfilesForRole"} <= set(stage.operations("destroy"))
    stage("run")
    for name in ("iam.ListInstanceProfilesForRole", "iam.DetachRolePolicy", "iam.DeleteRolePolicy", "iam.DeleteRole"):
        stage.denied(name, "destroy", resource="role r:")
    stage("destroy")


def test_what_is_wanted_stands_on_the_last_page(stage):
    stage("run")
    profile = [] if stage.endpoint.name == "cloud" else ["RemoveRoleFromInstanceProfile"]  # the local cloud has no instance profiles
    if profile:
        stage.client("iam").create_instance_profile(InstanceProfileName="ip")
        stage.client("iam").add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    stage.proxy.empty_pages("iam.List*")
    stage.settled()
    assert stage.proxy.count("iam.ListRolePolicies") == stage.proxy.count("iam.ListAttachedRolePolicies") == 3
    stage.destroyed([*profile, "DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"])
