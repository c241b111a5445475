# SPDX-License-Identifier: Apache-2.0
"""The lambda stage against the local cloud and moto: each setting, drift, faults, versions, the way back."""

import copy
import json

import pytest
from botocore.exceptions import ClientError

import lambda_images as images

FN = "fn"
UNHURRIED = {"timeout": "60s"}  # the usual 3 s may be over on a busy machine


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


class Stage:
    """stage(command, **changes) runs a pipeline of one lambda stage; a change of None removes the parameter."""

    def __init__(self, runner, pipe, endpoint, image, role):
        self.runner, self.pipe, self.endpoint = runner, pipe, endpoint
        self.proxy, self.client = endpoint.proxy, endpoint.direct.client("lambda")
        self.base = {"function_name": FN, "image": image, "role": role, "publish": True}

    def __call__(self, command="run", code=0, name="p", env=None, flags=(), **changes):
        with_ = {k: v for k, v in {**copy.deepcopy(self.base), **changes}.items() if v is not None}
        file = self.pipe({"name": name, "secrets": {"token": {"env": "TOKEN"}}, "stages": [{"id": "function", "uses": "lambda", "with": with_}]})
        self.proxy.clear()
        return self.runner(command, *flags, file, env={**self.endpoint.env, "TOKEN": "hush-hush-1", **(env or {})}, code=code)

    def writes(self):
        return [w.partition(".")[2] for w in self.proxy.writes()]

    def function(self):
        return self.client.get_function(FunctionName=FN)

    def configuration(self):
        return self.function()["Configuration"]

    def settle(self):
        self.client.get_waiter("function_updated_v2").wait(FunctionName=FN, WaiterConfig={"Delay": 0.05})

    def versions(self):
        return [v["Version"] for v in self.client.list_versions_by_function(FunctionName=FN)["Versions"]][1:]

    def alias(self, name="live"):
        return self.client.get_alias(FunctionName=FN, Name=name)

    def exists(self):
        try:
            return bool(self.function())
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ResourceNotFoundException"
            return False


@pytest.fixture
def push(recorded_cloud, probe):
    """push(tag, config) -> URI by digest of an image whose function is the probe."""

    def make(tag="one", program=probe, **config):
        uri, digest = images.push(recorded_cloud.direct, "app", [{"probe": (program, 0o755)}],
                                  {"Entrypoint": ["/probe"], "Labels": {"tag": tag}, **config}, tag=tag)
        return f"{uri.rpartition(':')[0]}@{digest}"

    return make


@pytest.fixture
def stage(runner, pipe, recorded_cloud, push):
    return Stage(runner, pipe, recorded_cloud, push(), images.role(recorded_cloud.direct))


@pytest.fixture
def moto_stage(runner, pipe, recorded_moto):
    ecr = recorded_moto.direct.client("ecr")
    uri = ecr.create_repository(repositoryName="app")["repository"]["repositoryUri"]

    def push(tag):
        manifest = json.dumps({"schemaVersion": 2, "mediaType": images.OCI_MANIFEST, "layers": [],
                               "config": {"mediaType": images.OCI_CONFIG, "size": 2, "digest": images.digest(tag.encode())}})
        made = ecr.put_image(repositoryName="app", imageManifest=manifest, imageTag=tag, imageManifestMediaType=images.OCI_MANIFEST)
        return f"{uri}@{made['image']['imageId']['imageDigest']}"

    stage = Stage(runner, pipe, recorded_moto, push("one"), images.role(recorded_moto.direct))
    stage.push = push
    return stage


# ---- life ------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["stage", "moto_stage"])
def test_the_first_run_makes_the_function_and_the_second_writes_nothing(where, request):
    stage = request.getfixturevalue(where)
    more = {"timeout": "10s", "memory": 256, "description": "d", "alias": "live", "tags": {"team": "data"}}
    first = stage(**more)
    c = stage.function()
    assert stage.writes() == ["CreateFunction", "PublishVersion", "CreateAlias"]
    assert (c["Configuration"]["Timeout"], c["Configuration"]["MemorySize"], c["Configuration"]["Description"]) == (10, 256, "d")
    assert c["Code"]["ResolvedImageUri"].endswith(stage.base["image"].partition("@")[2])
    assert c["Tags"] == {"team": "data", "runner:pipeline": "p", "runner:stage": "function"}
    assert stage.versions() == ["1"] and stage.alias()["FunctionVersion"] == "1"
    assert "created" in first.text and c["Configuration"]["FunctionArn"] + ":live" in first.text
    stage.proxy.assert_valid()
    second = stage(**more)
    assert stage.writes() == [] and "unchanged" in second.text and "updated" not in second.text
    stage.proxy.assert_valid()
    destroyed = stage("destroy", **more)
    assert stage.writes() == ["DeleteFunction"] and not stage.exists() and "deleted" in destroyed.text
    stage("destroy", **more)
    assert stage.writes() == []


# setting -> (parameters before, parameters after, writes, words of the plan, drift by hand, on moto too)
SETTINGS = {
    "description": ({"description": "one"}, {"description": "two"}, ["C", "V"], ["description", "one", "two"], {"Description": "x"}, True),
    "timeout": ({"timeout": "5s"}, {"timeout": "7s"}, ["C", "V"], ["timeout", "5", "7"], {"Timeout": 9}, True),
    "memory": ({}, {"memory": 256}, ["C", "V"], ["memory", "128", "256"], {"MemorySize": 512}, True),
    "environment": ({"environment": {"AA": "1", "BB": "2"}}, {"environment": {"AA": "1", "CC": "${{ secrets.token }}"}}, ["C", "V"],
                    ["environment", "CC", "BB"], {"Environment": {"Variables": {"DD": "by-hand-value"}}}, True),
    "dead letter": ({"dead_letter": "arn:aws:sqs:us-east-1:000000000000:q"}, {"dead_letter": "arn:aws:sns:us-east-1:000000000000:t"}, ["C", "V"],
                    ["dead_letter", "000000000000:q", "000000000000:t"], {"DeadLetterConfig": {"TargetArn": ""}}, False),
    "kms key": ({}, {"kms_key": "arn:aws:kms:us-east-1:000000000000:key/k"}, ["C", "V"], ["kms_key", "key/k"], {"KMSKeyArn": ""}, False),
    "ephemeral storage": ({}, {"ephemeral_storage": 1024}, ["C", "V"], ["ephemeral_storage", "512", "1024"], {"EphemeralStorage": {"Size": 600}}, False),
    "tracing": ({}, {"tracing": "Active"}, ["C", "V"], ["tracing", "PassThrough", "Active"], {"TracingConfig": {"Mode": "PassThrough"}}, False),
    "image config": ({"image_config": {"command": ["a"]}}, {"image_config": {"command": ["b"], "workdir": "/"}}, ["C", "V"],
                     ["image_config", '"a"', '"b"', "/"], {"ImageConfig": {}}, False),
    "vpc": ({}, {"vpc": {"subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]}}, ["C", "V"], ["vpc", "subnet-2", "sg-1"],
            {"VpcConfig": {"SubnetIds": ["subnet-9"], "SecurityGroupIds": ["sg-1"]}}, "only"),
    "log format": ({}, {"log_format": "JSON"}, ["C", "V"], ["Text", "JSON"], {"LoggingConfig": {"LogFormat": "Text"}}, False),
    "log group": ({}, {"log_group": "/mine"}, ["C", "V"], ["/aws/lambda/fn", "/mine"], {"LoggingConfig": {"LogGroup": "/theirs"}}, False),
    "log levels": ({"log_format": "JSON"}, {"log_format": "JSON", "log_level": "WARN", "system_log_level": "DEBUG"}, ["C", "V"],
                   ["INFO", "WARN", "DEBUG"], {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "ERROR"}}, False),
}
SHORT = {"C": "UpdateFunctionConfiguration", "V": "PublishVersion"}


# moto takes few settings in an update, and the local cloud has no network of its own
PLACES = [(where, setting) for setting, row in SETTINGS.items() for where in ("stage", "moto_stage")
          if row[-1] is True or (where == "moto_stage") == bool(row[-1])]


@pytest.mark.parametrize("where, setting", PLACES)
def test_a_setting_is_planned_written_and_repaired_alone(where, setting, request):
    before, after, writes, words, drift, _ = SETTINGS[setting]
    stage = request.getfixturevalue(where)
    writes = [SHORT[w] for w in writes]
    stage(**before)
    planned = stage("plan", **after)
    assert stage.writes() == [] and "updated" in planned.text
    for word in words:
        assert word in planned.text, planned.text
    stage(**after)
    assert stage.writes() == writes
    stage.proxy.assert_valid()
    wanted = stage.configuration()
    stage(**after)
    assert stage.writes() == []
    stage.client.update_function_configuration(FunctionName=FN, **drift)
    stage.settle()
    repaired = stage(**after)
    assert stage.writes()[0] == writes[0], repaired.text
    now = stage.configuration()
    for member in ("Description", "Timeout", "MemorySize", "Environment", "KMSKeyArn", "EphemeralStorage", "TracingConfig", "ImageConfigResponse",
                   "VpcConfig", "LoggingConfig", "DeadLetterConfig"):
        assert now.get(member) == wanted.get(member), member
    stage(**after)
    assert stage.writes() == []
    for shown in (planned, repaired):
        assert "hush-hush-1" not in shown.text and "by-hand-value" not in shown.text


def hand(**calls):
    """Drift by calls of the client: hand(put_function_concurrency={...})."""
    return lambda stage: [getattr(stage.client, name)(FunctionName=FN, **arguments) for name, arguments in calls.items()]


OTHERS = {
    "tags": ({"tags": {"team": "data"}}, {"tags": {"team": "ops", "a": "b"}}, ["TagResource"], ["team", "data", "ops"], None, None),
    "reserved concurrency": ({}, {"reserved_concurrency": 5}, ["PutFunctionConcurrency"], ["reserved_concurrency", "-1", "5"],
                             hand(put_function_concurrency={"ReservedConcurrentExecutions": 7}), ["PutFunctionConcurrency"]),
    "no reserved concurrency": ({"reserved_concurrency": 2}, {"reserved_concurrency": -1}, ["DeleteFunctionConcurrency"],
                                ["reserved_concurrency", "2"], hand(put_function_concurrency={"ReservedConcurrentExecutions": 7}),
                                ["DeleteFunctionConcurrency"]),
    "alias": ({}, {"alias": "live"}, ["CreateAlias"], ["alias live"],
              hand(update_alias={"Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}}, ), ["UpdateAlias"]),
    "log retention": ({}, {"log_retention": 7}, ["PutRetentionPolicy"], ["log group /aws/lambda/fn"],
                      lambda stage: stage.endpoint.direct.client("logs").delete_retention_policy(logGroupName="/aws/lambda/fn"),
                      ["PutRetentionPolicy"]),
}


@pytest.mark.parametrize("setting", OTHERS)
def test_a_setting_beside_the_configuration(stage, setting):
    before, after, writes, words, drift, repair = OTHERS[setting]
    stage(**before)
    planned = stage("plan", **after)
    assert stage.writes() == [] and all(w in planned.text for w in words), planned.text
    stage(**after)
    assert stage.writes() == writes
    stage.proxy.assert_valid()
    stage(**after)
    assert stage.writes() == []
    if not drift:
        return
    if setting == "alias":
        stage(memory=256)  # a second version, so that there are two to weigh
        stage(memory=256, **after)
        after = {"memory": 256, **after}
    drift(stage)
    shown = stage(**after)
    assert stage.writes() == repair and "updated" in shown.text
    stage(**after)
    assert stage.writes() == []


def test_lost_tags_make_it_somebody_elses_and_are_not_taken_back(stage):
    stage(tags={"team": "data"})
    stage.client.untag_resource(Resource=stage.configuration()["FunctionArn"], TagKeys=["team"])
    stage(tags={"team": "data"})
    assert stage.writes() == ["TagResource"] and stage.function()["Tags"]["team"] == "data"
    stage.client.untag_resource(Resource=stage.configuration()["FunctionArn"], TagKeys=["runner:pipeline", "runner:stage"])
    shown = stage(tags={"team": "data"})
    assert stage.writes() == [] and "not made by this pipeline" in shown.text
    stage("destroy")
    assert stage.writes() == [] and stage.exists()


def test_a_new_image_is_deployed_by_its_digest(stage, push):
    stage(alias="live")
    two = push("two")
    planned = stage("plan", alias="live", image=two)
    assert stage.writes() == [] and stage.base["image"].partition("@")[2] in planned.text and two.partition("@")[2] in planned.text
    stage(alias="live", image=two)
    assert stage.writes() == ["UpdateFunctionCode", "PublishVersion", "UpdateAlias"]
    assert stage.function()["Code"]["ImageUri"] == two and stage.alias()["FunctionVersion"] == "2"
    assert json.loads(next(c.body for c in stage.proxy.calls if c.operation == "UpdateFunctionCode"))["RevisionId"]
    stage.proxy.assert_valid()
    by_tag = two.partition("@")[0] + ":one"
    stage(alias="live", image=by_tag)
    assert stage.writes() == ["UpdateFunctionCode", "PublishVersion", "UpdateAlias"]
    assert stage.function()["Code"]["ImageUri"] == stage.base["image"]
    push("two", Cmd=["x"])  # the tag moves: the digest decides
    stage(alias="live", image=two.partition("@")[0] + ":two")
    assert "UpdateFunctionCode" in stage.writes()


def test_code_changed_by_hand_comes_back(stage, push):
    stage()
    stage.client.update_function_code(FunctionName=FN, ImageUri=push("two"))
    stage.settle()
    shown = stage()
    assert stage.writes()[0] == "UpdateFunctionCode" and "image: sha256:" in shown.text
    assert stage.function()["Code"]["ImageUri"] == stage.base["image"]


def test_a_zip_function_is_refused_in_words(moto_stage):
    stage = moto_stage
    stage.client.create_function(FunctionName=FN, Role=stage.base["role"], Runtime="python3.12", Handler="a.b", Code={"ZipFile": b"PK\x05\x06" + bytes(18)})
    failed = stage(code=None)
    assert failed.code in (1, 3) and stage.writes() == [] and ".zip" in failed.text and "function_name" in failed.text


BAD = [({"memory": 64}, "128 to 10240"), ({"timeout": "1500ms"}, "whole seconds"), ({"timeout": "16m"}, "15m"), ({"ephemeral_storage": 1}, "512"),
       ({"image_config": {"cmd": []}}, "entrypoint, command and workdir"), ({"vpc": {"subnet": []}}, "subnets"), ({"log_retention": 2}, "1"),
       ({"log_level": "WARN"}, "log_format: JSON"), ({"shift": {"weight": 0.1}}, "alias: live"), ({"role": "name"}, "ARN"),
       ({"alias": "live", "shift": {"weight": 2}}, "below 1"), ({"alias": "live", "shift": {"wait": 2}}, "weight"),
       ({"layers": []}, "no parameter"), ({"handler": "a.b"}, "no parameter"), ({"tracing": "Maybe"}, "PassThrough"),
       ({"alias": "live", "shift": {"weight": "10%", "for": "soon"}}, "5m")]


@pytest.mark.parametrize("changes, words", BAD, ids=lambda v: next(iter(v)) if isinstance(v, dict) else "")
def test_what_cannot_be_is_refused_before_any_call(runner, pipe, changes, words):
    with_ = {"function_name": FN, "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:y", "role": "arn:aws:iam::000000000000:role/r", **changes}
    failed = runner("run", pipe({"name": "p", "stages": [{"id": "function", "uses": "lambda", "with": with_}]}), code=None)
    assert failed.code in (1, 2) and words in failed.text and "test.pipe:" in failed.text and "credentials" not in failed.text, failed.text


# ---- the test event and the shift ---------------------------------------------------------------


def test_the_test_event_decides_about_version_and_alias(stage, push):
    event = {"test_event": {"do": "echo", "x": 1}, "test_expect": {"x": 1}, **UNHURRIED}
    stage(alias="live", **event)
    assert stage.proxy.count("lambda.Invoke") == 1
    stage(alias="live", **event)
    assert stage.writes() == []
    failed = stage(alias="live", code=1, image=push("two"), test_event={"do": "echo", "x": 2}, test_expect={"x": 1}, **UNHURRIED)
    assert "x: expected 1, got 2" in failed.text
    assert stage.alias()["FunctionVersion"] == "1" and stage.versions() == ["1"]
    failed = stage(alias="live", code=1, test_event={"do": "fail", "arg": "broken"}, **UNHURRIED)
    assert "log" in failed.text and "REPORT RequestId" in failed.text


def test_a_shift_moves_the_alias_in_two_steps(stage, push):
    more = {"alias": "live", "shift": {"weight": "10%", "for": "1s"}, "test_event": {"do": "echo"}, **UNHURRIED}
    stage(**more)
    assert stage.writes() == ["CreateFunction", "PublishVersion", "CreateAlias"]
    planned = stage("plan", image=push("two"), **more)
    assert "shift: 10% for 1.0s first" in planned.text and stage.writes() == [], planned.text
    stage(image=push("two"), **more)
    bodies = [json.loads(c.body) for c in stage.proxy.calls if c.operation == "UpdateAlias"]
    assert [(b["FunctionVersion"], b["RoutingConfig"]["AdditionalVersionWeights"]) for b in bodies] == [("1", {"2": 0.1}), ("2", {})]
    invoked = [c.target.partition("?")[2] for c in stage.proxy.calls if c.operation == "Invoke"]
    assert invoked == ["", "Qualifier=2", "Qualifier=2"]
    assert stage.alias()["FunctionVersion"] == "2" and "RoutingConfig" not in stage.alias()
    stage.proxy.assert_valid()
    stage(image=push("two"), **more)
    assert stage.writes() == []


def test_a_shift_whose_test_fails_goes_back(stage, push):
    more = {"alias": "live", "shift": {"weight": 0.25, "for": "1s"}, "test_event": {"do": "count"}, "test_expect": None, **UNHURRIED}
    stage(**more)
    two = push("two")
    stage.proxy.fault("lambda.Invoke", "error", status=400, code="InvalidRequestContentException", message="broken on purpose", skip=2, times=9)
    failed = stage(image=two, code=1, **more)
    alias = stage.alias()
    assert alias["FunctionVersion"] == "1" and "RoutingConfig" not in alias, alias
    assert "serves version 1 alone" in failed.text and "old version again" in failed.text
    stage.proxy.clear_faults()
    stage(image=two, **more)
    assert stage.alias()["FunctionVersion"] == "2"


def test_an_interrupted_shift_is_finished_by_the_next_run(stage, push):
    more = {"alias": "live", "shift": {"weight": 0.5, "for": "0s"}}
    stage(**more)
    two = push("two")
    stage(image=two)  # version 2, alias untouched
    stage.client.update_alias(FunctionName=FN, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    stage(image=two, **more)
    assert stage.writes() == ["UpdateAlias"] and stage.alias()["FunctionVersion"] == "2"


# ---- faults ---------------------------------------------------------------------------------------

CREATED = {"tags": {"a": "b"}, "alias": "live", "log_retention": 7, "reserved_concurrency": 3, "test_event": {"do": "echo"}, **UNHURRIED}
CREATING = ["GetFunction", "ListVersionsByFunction", "GetAlias", "CreateFunction", "PublishVersion", "CreateAlias", "PutFunctionConcurrency", "Invoke",
            "DescribeLogGroups", "CreateLogGroup", "PutRetentionPolicy"]
UPDATING = ["GetFunction", "ListVersionsByFunction", "GetAlias", "UpdateFunctionConfiguration", "UpdateFunctionCode", "TagResource", "PublishVersion",
            "UpdateAlias", "PutFunctionConcurrency", "DescribeImages", "PutRetentionPolicy"]
DELETING = ["GetFunction", "DeleteFunction", "DescribeLogGroups", "ListTagsForResource", "DeleteLogGroup"]


def all_fail_once(stage, operations, kind):
    for i, operation in enumerate(operations):
        stage.proxy.fault(f"*.{operation}", kind or ("throttle", "error", "error")[i % 3], status=(0, 500, 503)[i % 3])


def all_did(stage, operations):
    assert {c.operation for c in stage.proxy.calls if c.fault} == set(operations)
    stage.proxy.clear_faults()


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", None], ids=["reset before", "reset after", "refused"])
def test_every_call_may_fail_once(stage, push, kind):
    all_fail_once(stage, CREATING, kind)
    stage(**CREATED)
    all_did(stage, CREATING)
    assert stage.versions() == ["1"] and stage.alias()["FunctionVersion"] == "1"
    stage(**CREATED)
    assert stage.writes() == []
    push("two")
    changed = {**CREATED, "image": stage.base["image"].partition("@")[0] + ":two", "memory": 256, "tags": {"a": "c"}, "log_retention": 14, "reserved_concurrency": 4}
    all_fail_once(stage, UPDATING, kind)
    stage(**changed)
    all_did(stage, UPDATING)
    assert stage.versions() == ["1", "2"] and stage.alias()["FunctionVersion"] == "2" and stage.configuration()["MemorySize"] == 256
    stage(**changed)
    assert stage.writes() == []
    all_fail_once(stage, DELETING, kind)
    stage("destroy", **changed)
    all_did(stage, DELETING)
    assert not stage.exists() and stage.endpoint.direct.client("logs").describe_log_groups()["logGroups"] == []


@pytest.mark.parametrize("kind", ["skewed", "expired"])
def test_a_clock_that_is_wrong_and_tokens_that_expire_on_the_way(stage, kind):
    stage.proxy.fault_each("*.*", kind)
    stage(**CREATED)
    assert any(c.fault for c in stage.proxy.calls) and stage.versions() == ["1"]
    stage.proxy.clear_faults()
    stage(**CREATED)
    assert stage.writes() == []


PASSING = [("CreateFunction", 400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.", "cannot assume the role yet"),
           ("CreateFunction", 403, "AccessDeniedException", "Lambda does not have permission to access the ECR image. Check the ECR permissions.", "cannot read the repository"),
           ("CreateFunction", 429, "TooManyRequestsException", "Rate exceeded", None),
           ("UpdateFunctionConfiguration", 409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: x", "in progress"),
           ("UpdateFunctionCode", 409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: x", "in progress"),
           ("PublishVersion", 409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: x", "in progress"),
           ("UpdateFunctionConfiguration", 412, "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId.", None),
           ("UpdateFunctionCode", 412, "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId.", None),
           ("PublishVersion", 412, "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId.", None)]


@pytest.mark.parametrize("operation, status, error, message, words", PASSING)
def test_what_passes_is_waited_for(stage, push, operation, status, error, message, words):
    created = operation == "CreateFunction"
    if not created:
        stage()
    stage.proxy.fault(f"lambda.{operation}", "error", status=status, code=error, message=message)
    shown = stage(memory=256, image=stage.base["image"] if created else push("two"))
    assert stage.proxy.count(f"lambda.{operation}") == 2
    assert not words or (words in shown.text and "trying again" in shown.text)
    assert stage.configuration()["MemorySize"] == 256
    stage(memory=256, image=stage.base["image"] if created else push("two"))
    assert stage.writes() == []


def test_a_role_that_never_becomes_assumable_ends_with_the_cure(stage):
    stage.proxy.fault("lambda.CreateFunction", "error", times=99, status=400, code="InvalidParameterValueException",
                      message="The role defined for the function cannot be assumed by Lambda.")
    failed = stage(code=1, role_wait="5s")
    assert "lambda.amazonaws.com" in failed.text and "trust policy" in failed.text and "trying again in 1 s" in failed.text, failed.text


FINAL = ["GetFunction", "CreateFunction", "PublishVersion", "CreateAlias", "Invoke", "PutFunctionConcurrency", "DescribeLogGroups", "CreateLogGroup",
         "PutRetentionPolicy", "ListVersionsByFunction", "GetAlias"]


@pytest.mark.parametrize("operation", FINAL)
def test_a_denial_is_final_and_says_who_what_and_which(stage, operation):
    stage.proxy.fault(f"*.{operation}", "error", times=9, status=403 if operation not in ("DescribeLogGroups", "CreateLogGroup", "PutRetentionPolicy") else 400,
                      code="AccessDeniedException", message="not allowed")
    failed = stage(code=1, **CREATED)
    assert sum(c.operation == operation for c in stage.proxy.calls) == 1
    for words in (operation, "AccessDenied", "not allowed", "asked as arn:aws:", "00000000-0000-4000-8000-000000000000"):
        assert words in failed.text, failed.text


REASONS = ["InvalidImage", "ImageAccessDenied", "FunctionError.InvalidEntryPoint", "InvalidStateKMSKey", "ServiceQuotaExceededException"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_failed_update_is_told_with_its_cure(stage, reason):
    def fail(call, body):
        answer = json.loads(body)
        answer["Configuration"].update(LastUpdateStatus="Failed", LastUpdateStatusReasonCode=reason, LastUpdateStatusReason="because of it")
        return json.dumps(answer).encode()

    stage()
    stage.proxy.rewrite("lambda.GetFunction", lambda call, body: fail(call, body) if stage.proxy.count("lambda.Update*") else body)
    failed = stage(code=1, memory=256)
    assert reason in failed.text and "because of it" in failed.text and "\n  do    " in failed.text, failed.text


def test_a_hidden_environment_is_said_and_written(stage):
    stage(environment={"AA": "1"})

    def hide(call, body):
        answer = json.loads(body)
        answer["Configuration"]["Environment"] = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"}}
        return json.dumps(answer).encode()

    stage.proxy.rewrite("lambda.GetFunction", hide)
    shown = stage(environment={"AA": "1"})
    assert "cannot be read" in shown.text and "no kms:Decrypt" in shown.text and "UpdateFunctionConfiguration" in stage.writes()


def test_the_alias_is_known_in_a_plan_that_brings_a_new_version(stage, push):
    stage(alias="live")
    planned = stage("plan", alias="live", image=push("two"))
    assert stage.configuration()["FunctionArn"] + ":live" in planned.text and "version of function fn" in planned.text
