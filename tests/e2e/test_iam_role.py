# SPDX-License-Identifier: Apache-2.0
"""The iam stage against moto: what it leaves alone, roles of others, bad parameters. What holds for every setting: test_iam_converge.py."""

import copy
import json

import pytest
from botocore.exceptions import ClientError

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
VPC = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}]}
TRUST = {"Version": "2012-10-17",
         "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
WITH = {"role_name": "r", "description": "first", "trust": ["lambda.amazonaws.com"], "managed_policies": [BASIC], "inline_policies": {"read": READ},
        "tags": {"team": "data"}, "max_session_duration": "2h", "path": "/svc/"}


@pytest.fixture
def stage(runner, pipe, recorded_moto):
    """stage(command, **changes) runs a pipeline of one iam stage; a change of None removes the parameter."""

    class Stage:
        proxy, iam = recorded_moto.proxy, recorded_moto.direct.client("iam")

        def __call__(self, command="run", code=0, name="p", env=None, flags=(), **changes):
            with_ = {k: v for k, v in {**copy.deepcopy(WITH), **changes}.items() if v is not None}
            file = pipe({"name": name, "stages": [{"id": "role", "uses": "iam", "with": with_}]})
            self.proxy.clear()
            return runner(command, *flags, file, env={**recorded_moto.env, **(env or {})}, code=code)

        def writes(self):
            return [w.partition(".")[2] for w in self.proxy.writes()]

        def role(self):
            return self.iam.get_role(RoleName="r")["Role"]

        def attached(self):
            return {p["PolicyArn"] for p in self.iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]}

        def tags(self):
            return {t["Key"]: t["Value"] for t in self.role()["Tags"]}

    return Stage()


def test_plan_only_reads(stage):
    planned = stage("plan")
    assert stage.writes() == [] and "created" in planned.text
    with pytest.raises(ClientError):
        stage.role()
    stage()
    planned = stage("plan", description="other", managed_policies=[VPC], inline_policies={}, tags={"team": "x"})
    assert stage.writes() == [] and "updated" in planned.text
    for words in ("description", "first", "other", VPC, "remove inline policy read", "data"):
        assert words in planned.text, words
    assert stage.role()["Description"] == "first"


def test_an_unchanged_neighbour_is_not_reset(stage):
    """UpdateRole resets what it is not given: description and session go along."""
    stage()
    stage(description="second", max_session_duration=None)
    assert stage.role()["Description"] == "second" and stage.role()["MaxSessionDuration"] == 7200


def test_a_boundary_is_removed_by_an_empty_text_and_kept_without_one(stage):
    stage(permissions_boundary=BASIC)
    assert stage.role()["PermissionsBoundary"]["PermissionsBoundaryArn"] == BASIC
    stage()
    assert stage.writes() == []
    stage(permissions_boundary="")
    assert stage.writes() == ["DeleteRolePermissionsBoundary"]


def test_what_is_not_given_is_left_alone(stage):
    stage()
    keep = dict(description=None, managed_policies=None, inline_policies=None, tags=None, path=None, max_session_duration=None)
    stage(**keep)
    assert stage.writes() == [] and stage.attached() == {BASIC}


def test_trust_written_otherwise_is_the_same_trust(stage):
    stage()
    stage(trust=TRUST)
    assert stage.writes() == []
    stage(trust=json.dumps(TRUST))
    assert stage.writes() == []


def test_tags_of_others_stay(stage):
    stage()
    stage.iam.tag_role(RoleName="r", Tags=[{"Key": "cost", "Value": "7"}])
    stage()
    assert stage.writes() == [] and stage.tags()["cost"] == "7"


def test_a_path_cannot_be_changed_and_that_is_said(stage):
    stage()
    failed = stage(path="/other/", code=1)
    assert "/svc/" in failed.text and "/other/" in failed.text and stage.writes() == []


# ---- roles of others ---------------------------------------------------------------------


def foreign(stage):
    stage.iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST), Path="/svc/")
    stage.iam.attach_role_policy(RoleName="r", PolicyArn=VPC)
    stage.iam.put_role_policy(RoleName="r", PolicyName="theirs", PolicyDocument=json.dumps(READ))


def test_a_role_of_others_is_updated_but_keeps_what_they_gave_it(stage):
    foreign(stage)
    shown = stage()
    assert stage.attached() == {BASIC, VPC} and "not made by this stage" in shown.text
    assert sorted(stage.iam.list_role_policies(RoleName="r")["PolicyNames"]) == ["read", "theirs"]
    assert stage.tags() == {"team": "data"}
    stage()
    assert stage.writes() == []


@pytest.mark.parametrize("tagged", [None, {"runner:pipeline": "other", "runner:stage": "role"}, {"runner:pipeline": "p", "runner:stage": "other"}])
def test_destroy_leaves_a_role_of_others(stage, tagged):
    foreign(stage)
    if tagged:
        stage.iam.tag_role(RoleName="r", Tags=[{"Key": k, "Value": v} for k, v in tagged.items()])
    shown = stage("destroy")
    assert stage.writes() == [] and "stays" in shown.text and stage.role()


# ---- destroy ----------------------------------------------------------------------------------


def test_destroy_removes_the_role_and_all_that_hangs_on_it(stage):
    stage()
    stage.iam.attach_role_policy(RoleName="r", PolicyArn=VPC)  # by hand
    stage.iam.create_instance_profile(InstanceProfileName="ip")
    stage.iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    shown = stage("destroy")
    assert "deleted" in shown.text
    with pytest.raises(ClientError):
        stage.role()
    stage.proxy.assert_valid()
    stage("destroy")
    assert stage.writes() == []


# ---- faults --------------------------------------------------------------------------------------


def test_a_half_made_role_is_completed(stage):
    stage.proxy.fault("iam.AttachRolePolicy", "error", status=400, code="InvalidInput", times=9)
    stage(code=1)
    assert stage.attached() == set()
    stage.proxy.clear_faults()
    stage()
    assert stage.attached() == {BASIC} and "CreateRole" not in stage.writes()


def test_no_credentials_is_said_with_all_that_was_tried(stage):
    failed = stage(code=1, env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
    assert "no AWS credentials" in failed.text and "environment" in failed.text and stage.proxy.calls == []


def test_a_missing_policy_is_named(stage):
    failed = stage(code=1, managed_policies=["NoSuchPolicyAtAll"])
    assert "NoSuchPolicyAtAll" in failed.text and "NoSuchEntity" in failed.text


@pytest.mark.parametrize("bad, words", [
    ({"trust": []}, "empty"), ({"trust": ["lambda"]}, "lambda"), ({"role_name": "a b"}, "a b"), ({"max_session_duration": "5m"}, "1h"),
    ({"inline_policies": {"x": {"Statment": []}}}, "inline policy x"), ({"path": "x"}, "begin and end"),
    ({"tags": {"runner:stage": "x"}}, "runner:"),
])
def test_bad_parameters_are_refused_without_a_call(stage, bad, words):
    failed = stage(code=None, **bad)
    assert failed.code in (1, 2) and words in failed.text and stage.proxy.calls == []
