# SPDX-License-Identifier: Apache-2.0
"""The lambda stage's settings beside the configuration (async, provisioned_concurrency, url, recursive_loop), the ones that only AWS has
something behind (file systems, IPv6), and what moto can do of all settings."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

import lambda_images as images
from test_stage_lambda import FN, UNHURRIED, moto_stage, probe, push, stage  # noqa: F401

PUBLIC = ["FunctionURLAllowPublicAccess", "FunctionURLAllowInvokeAction"]
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
CORS = {"origins": ["https://b.example", "https://a.example"], "methods": ["GET", "POST"], "headers": ["X-One", "content-type"], "max_age": "1h"}


def get(stage, operation, alias="live", **more):
    """The answer of a Get call, or the code of its refusal."""
    try:
        answer = getattr(stage.client, operation)(FunctionName=FN, **({"Qualifier": alias} if alias else {}), **more)
        return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", "LastModified", "LastModifiedTime")}
    except ClientError as e:
        return e.response["Error"]["Code"]


def statements(stage, alias="live"):
    answer = get(stage, "get_policy", alias)
    return {} if isinstance(answer, str) else {s["Sid"]: s for s in json.loads(answer["Policy"])["Statement"]}


def open_url(url, method="GET", body=None, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as r:
            return r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


# ---- one after the other: planned, written alone, written no more, drift shown and repaired ----

ASYNC = {"max_age": "1h", "retries": 1, "on_failure": QUEUE}
# setting -> (before, after, writes, words of the plan, drift by hand, writes of the repair)
SETTINGS = {
    "async": ({}, {"async": ASYNC}, ["PutFunctionEventInvokeConfig"],
              ["created", "asynchronous invocation of function fn:live", "max_age: (none) -> 3600", "retries: (none) -> 1", "on_failure", QUEUE],
              lambda s: s.client.update_function_event_invoke_config(FunctionName=FN, Qualifier="live", MaximumRetryAttempts=2),
              ["PutFunctionEventInvokeConfig"]),
    "async changed": ({"async": ASYNC}, {"async": {**ASYNC, "retries": 0, "max_age": 7200}}, ["PutFunctionEventInvokeConfig"],
                      ["max_age: 3600 -> 7200", "retries: 1 -> 0"],
                      lambda s: s.client.delete_function_event_invoke_config(FunctionName=FN, Qualifier="live"), ["PutFunctionEventInvokeConfig"]),
    "async destinations": ({"async": {"on_failure": QUEUE}}, {"async": {"on_success": QUEUE}}, ["PutFunctionEventInvokeConfig"],
                           [f"on_success: (none) -> {QUEUE}", f"on_failure: {QUEUE} -> (none)"],
                           lambda s: s.client.update_function_event_invoke_config(
                               FunctionName=FN, Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": QUEUE + "2"}}),
                           ["PutFunctionEventInvokeConfig"]),
    "no async": ({"async": ASYNC}, {"async": False}, ["DeleteFunctionEventInvokeConfig"], ["deleted", "asynchronous invocation of function fn:live"],
                 lambda s: s.client.put_function_event_invoke_config(FunctionName=FN, Qualifier="live", MaximumRetryAttempts=0),
                 ["DeleteFunctionEventInvokeConfig"]),
    "provisioned": ({}, {"provisioned_concurrency": 2}, ["PutProvisionedConcurrencyConfig"],
                    ["created", "provisioned_concurrency: (none) -> 2", "provisioned concurrency of function fn:live"],
                    lambda s: s.client.put_provisioned_concurrency_config(FunctionName=FN, Qualifier="live", ProvisionedConcurrentExecutions=1),
                    ["PutProvisionedConcurrencyConfig"]),
    "no provisioned": ({"provisioned_concurrency": 1}, {"provisioned_concurrency": 0}, ["DeleteProvisionedConcurrencyConfig"], ["deleted"],
                       lambda s: s.client.put_provisioned_concurrency_config(FunctionName=FN, Qualifier="live", ProvisionedConcurrentExecutions=1),
                       ["DeleteProvisionedConcurrencyConfig"]),
    "url": ({}, {"url": {"auth": "AWS_IAM"}}, ["CreateFunctionUrlConfig"], ["created", "URL of function fn:live", "auth: (none) -> AWS_IAM"],
            lambda s: s.client.update_function_url_config(FunctionName=FN, Qualifier="live", AuthType="NONE"), ["UpdateFunctionUrlConfig"]),
    "public url": ({"url": {"auth": "AWS_IAM"}}, {"url": {"auth": "NONE"}}, ["UpdateFunctionUrlConfig", "AddPermission", "AddPermission"],
                   ["updated", "auth: AWS_IAM -> NONE", "public", *PUBLIC],
                   lambda s: s.client.remove_permission(FunctionName=FN, Qualifier="live", StatementId=PUBLIC[1]), ["AddPermission"]),
    "url closed": ({"url": {"auth": "NONE"}}, {"url": {"auth": "AWS_IAM"}}, ["UpdateFunctionUrlConfig", "RemovePermission", "RemovePermission"],
                   ["auth: NONE -> AWS_IAM"],
                   lambda s: s.client.add_permission(FunctionName=FN, Qualifier="live", StatementId=PUBLIC[0], Principal="*",
                                                     Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"), ["RemovePermission"]),
    "url cors": ({"url": {"auth": "AWS_IAM"}}, {"url": {"auth": "AWS_IAM", "cors": CORS}}, ["UpdateFunctionUrlConfig"],
                 ["cors.origins", "https://a.example", "cors.methods", "cors.max_age: 0 -> 3600"],
                 lambda s: s.client.update_function_url_config(FunctionName=FN, Qualifier="live", Cors={"AllowOrigins": ["*"], "AllowCredentials": True}),
                 ["UpdateFunctionUrlConfig"]),
    "url without cors": ({"url": {"auth": "AWS_IAM", "cors": CORS}}, {"url": {"auth": "AWS_IAM"}}, ["UpdateFunctionUrlConfig"],
                         ["cors.origins"], lambda s: s.client.update_function_url_config(FunctionName=FN, Qualifier="live", Cors={"MaxAge": 5}),
                         ["UpdateFunctionUrlConfig"]),
    "url streams": ({"url": {"auth": "AWS_IAM"}}, {"url": {"auth": "AWS_IAM", "invoke_mode": "RESPONSE_STREAM"}}, ["UpdateFunctionUrlConfig"],
                    ["invoke_mode: BUFFERED -> RESPONSE_STREAM"],
                    lambda s: s.client.update_function_url_config(FunctionName=FN, Qualifier="live", InvokeMode="BUFFERED"), ["UpdateFunctionUrlConfig"]),
    "no url": ({"url": {"auth": "NONE"}}, {"url": False}, ["DeleteFunctionUrlConfig", "RemovePermission", "RemovePermission"], ["deleted"],
               lambda s: s.client.create_function_url_config(FunctionName=FN, Qualifier="live", AuthType="AWS_IAM"), ["DeleteFunctionUrlConfig"]),
    "loops": ({}, {"recursive_loop": "Allow"}, ["PutFunctionRecursionConfig"], ["loop detection of function fn", "recursive_loop: Terminate -> Allow"],
              lambda s: s.client.put_function_recursion_config(FunctionName=FN, RecursiveLoop="Terminate"), ["PutFunctionRecursionConfig"]),
}
READS = {"async": [("get_function_event_invoke_config", "live")], "provisioned_concurrency": [("get_provisioned_concurrency_config", "live")],
         "url": [("get_function_url_config", "live"), ("get_policy", "live")], "recursive_loop": [("get_function_recursion_config", None)]}


def state(stage, parameters):
    def one(operation, alias):
        answer = get(stage, operation, alias)
        return statements(stage) if operation == "get_policy" else answer

    return [one(*read) for p in parameters for read in READS[p]]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_is_planned_written_alone_and_repaired(stage, setting):  # noqa: F811
    before, after, writes, words, drift, repair = SETTINGS[setting]
    before, after = {"alias": "live", **before}, {"alias": "live", **after}
    stage(**before)
    planned = stage("plan", **after)
    assert stage.writes() == [] and all(w in planned.text for w in words), planned.text
    stage.proxy.assert_valid(answers=True)
    stage(**after)
    assert stage.writes() == writes
    stage.proxy.assert_valid(answers=True)
    wanted = state(stage, after.keys() & READS)
    again = stage(**after)
    assert stage.writes() == [] and "updated" not in again.text
    drift(stage)
    assert state(stage, after.keys() & READS) != wanted
    shown = stage("plan", **after)
    assert stage.writes() == [] and any(w in shown.text for w in ("updated", "created", "deleted"))
    stage(**after)
    assert stage.writes() == repair
    now = state(stage, after.keys() & READS)
    if setting not in ("no url",):
        assert now == wanted
    stage(**after)
    assert stage.writes() == []


ALL = {"alias": "live", "async": ASYNC, "provisioned_concurrency": 1, "url": {"auth": "NONE", "cors": CORS}, "recursive_loop": "Allow",
       **UNHURRIED, "dead_letter": QUEUE, "kms_key": "arn:aws:kms:us-east-1:000000000000:key/k"}


def test_all_of_them_in_one_run_and_none_in_the_second(stage):  # noqa: F811
    planned = stage("plan", **ALL)
    for words in ("asynchronous invocation of function fn:live", "provisioned concurrency of function fn:live", "URL of function fn:live", "auth: (none) -> NONE"):
        assert words in planned.text, planned.text
    assert stage.writes() == [] and not stage.exists()
    first = stage(**ALL)
    assert stage.writes() == ["CreateFunction", "PublishVersion", "CreateAlias", "PutFunctionRecursionConfig", "PutFunctionEventInvokeConfig",
                              "PutProvisionedConcurrencyConfig", "CreateFunctionUrlConfig", "AddPermission", "AddPermission"]
    stage.proxy.assert_valid(answers=True)
    url = get(stage, "get_function_url_config")["FunctionUrl"]
    assert f"function.url            {url}" in first.text
    assert get(stage, "get_provisioned_concurrency_config")["Status"] == "READY"
    made = next(json.loads(c.body) for c in stage.proxy.calls if c.operation == "CreateFunction")
    assert made["DeadLetterConfig"] == {"TargetArn": QUEUE} and made["KMSKeyArn"].endswith("key/k")
    second = stage(**ALL)
    assert stage.writes() == [] and url in second.text
    status, _, body = open_url(url + "?do=echo", "POST", b"x", **{"Content-Type": "text/plain"})
    assert status == 200 and json.loads(body)["requestContext"]["http"]["method"] == "POST"
    stage("destroy", **ALL)
    assert stage.writes() == ["DeleteFunction"] and not stage.exists()
    assert open_url(url)[0] == 403


def test_without_an_alias_they_belong_to_the_function(stage):  # noqa: F811
    more = {"async": ASYNC, "url": {"auth": "NONE"}, **UNHURRIED}
    stage(**more)
    assert get(stage, "get_function_event_invoke_config", None)["MaximumRetryAttempts"] == 1
    url = get(stage, "get_function_url_config", None)["FunctionUrl"]
    assert set(statements(stage, None)) == set(PUBLIC) and open_url(url)[0] == 200
    stage(**more)
    assert stage.writes() == []


def test_provisioned_instances_follow_the_alias(stage, push):  # noqa: F811
    more = {"alias": "live", "provisioned_concurrency": 2, **UNHURRIED}
    stage(**more)
    stage(image=push("two"), **more)
    assert stage.writes() == ["UpdateFunctionCode", "PublishVersion", "UpdateAlias"]
    assert get(stage, "get_provisioned_concurrency_config")["Status"] == "READY"  # it was waited for
    kind = stage.client.invoke(FunctionName=FN, Qualifier="live", Payload=b'{"do": "env"}')
    assert "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency" in kind["Payload"].read().decode() and kind["ExecutedVersion"] == "2"
    stage(image=push("two"), **more)
    assert stage.writes() == []


def test_provisioned_instances_that_cannot_start_are_told_with_the_cure(stage):  # noqa: F811
    failed = stage(alias="live", provisioned_concurrency=1, environment={"PROBE_INIT": "exit"}, code=1)
    assert "FUNCTION_ERROR_INIT_FAILURE" in failed.text and "failed at its start" in failed.text and "provisioned_concurrency" in failed.text
    again = stage("plan", alias="live", provisioned_concurrency=1, environment={"PROBE_INIT": "exit"})
    assert "state: FAILED" in again.text and stage.writes() == []
    stage(alias="live", provisioned_concurrency=1)
    assert get(stage, "get_provisioned_concurrency_config")["Status"] == "READY"


# ---- faults and the way back ----

CREATING = ["GetFunctionEventInvokeConfig", "GetProvisionedConcurrencyConfig", "GetFunctionUrlConfig", "GetFunctionRecursionConfig", "GetPolicy",
            "PutFunctionRecursionConfig", "PutFunctionEventInvokeConfig", "PutProvisionedConcurrencyConfig", "CreateFunctionUrlConfig", "AddPermission"]
REMOVING = ["DeleteFunctionEventInvokeConfig", "DeleteProvisionedConcurrencyConfig", "DeleteFunctionUrlConfig", "RemovePermission"]


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "503"])
def test_every_call_may_fail_once(stage, kind):  # noqa: F811
    for operation in CREATING + REMOVING:
        stage.proxy.fault(f"lambda.{operation}", kind)
    stage(**ALL)
    assert {c.operation for c in stage.proxy.calls if c.fault} == set(CREATING)
    assert set(statements(stage)) == set(PUBLIC) and get(stage, "get_function_url_config")["AuthType"] == "NONE"
    stage(**ALL)
    assert stage.writes() == []
    stage(**{**ALL, "async": False, "provisioned_concurrency": 0, "url": False})
    assert {c.operation for c in stage.proxy.calls if c.fault} == set(REMOVING)
    assert statements(stage) == {} and get(stage, "get_function_url_config") == "ResourceNotFoundException"
    assert get(stage, "get_provisioned_concurrency_config") == "ProvisionedConcurrencyConfigNotFoundException"


@pytest.mark.parametrize("operation", ["GetFunctionUrlConfig", "GetPolicy", "CreateFunctionUrlConfig", "AddPermission", "PutFunctionEventInvokeConfig",
                                       "PutProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig", "PutFunctionRecursionConfig"])
def test_a_denial_is_final(stage, operation):  # noqa: F811
    stage.proxy.fault(f"lambda.{operation}", "error", times=9, status=403, code="AccessDeniedException", message="not allowed")
    failed = stage(code=1, **ALL)
    assert sum(c.operation == operation for c in stage.proxy.calls) == 1
    assert operation in failed.text and "not allowed" in failed.text


def run_and_fail(stage, **changes):
    """A run of the stage with on_failure: rollback, behind which another stage fails."""
    with_ = {k: v for k, v in {**stage.base, **changes}.items() if v is not None}
    file = stage.pipe({"name": "p", "stages": [{"id": "function", "uses": "lambda", "with": with_, "on_failure": "rollback"},
                                               {"id": "late", "uses": "exec", "with": {"command": "false"}}]})
    return stage.runner("run", file, env=stage.endpoint.env, code=1)


def test_all_of_them_come_back_when_a_later_stage_fails(stage):  # noqa: F811
    stage(**ALL)
    before = state(stage, READS)
    shown = run_and_fail(stage, **{**ALL, "async": {"retries": 0}, "provisioned_concurrency": 2, "recursive_loop": "Terminate",
                                   "url": {"auth": "AWS_IAM", "invoke_mode": "RESPONSE_STREAM"}, "memory": 256, "dead_letter": QUEUE + "2"})
    assert "retries: 0 -> 1" in shown.text and "auth: AWS_IAM -> NONE" in shown.text, shown.text
    # the instances are made anew behind the rollback
    after = state(stage, [p for p in READS if p != "provisioned_concurrency"])
    assert after == [s for p, s in zip([p for p in READS for _ in READS[p]], before) if p != "provisioned_concurrency"]
    assert get(stage, "get_provisioned_concurrency_config")["RequestedProvisionedConcurrentExecutions"] == 1
    assert stage.configuration()["DeadLetterConfig"] == {"TargetArn": QUEUE}


def test_what_the_run_added_goes_again_when_a_later_stage_fails(stage):  # noqa: F811
    stage(alias="live")
    run_and_fail(stage, **ALL)
    assert state(stage, ["async", "provisioned_concurrency", "url"]) == [
        "ResourceNotFoundException", "ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFoundException", {}]
    assert get(stage, "get_function_recursion_config", None) == {"RecursiveLoop": "Terminate"} and stage.alias()["FunctionVersion"] == "1"


def test_a_function_that_the_run_made_goes_with_all_of_them(stage):  # noqa: F811
    failed = run_and_fail(stage, **ALL)
    assert not stage.exists() and "deleted" in failed.text
    stage(**ALL)
    assert get(stage, "get_function_url_config")["AuthType"] == "NONE"


def test_a_function_of_somebody_else_gets_them_and_keeps_them(stage):  # noqa: F811
    stage()
    stage.client.untag_resource(Resource=stage.configuration()["FunctionArn"], TagKeys=["runner:pipeline", "runner:stage"])
    more = {"alias": "live", "url": {"auth": "AWS_IAM"}, "async": ASYNC}
    stage(**more)
    assert stage.writes() == ["CreateAlias", "PutFunctionEventInvokeConfig", "CreateFunctionUrlConfig"]
    kept = stage("destroy", **more)
    assert stage.writes() == [] and "so does its URL" in kept.text and get(stage, "get_function_url_config")["AuthType"] == "AWS_IAM"


def test_a_plan_for_machines_has_the_old_and_the_new_value_of_each_field(stage):  # noqa: F811
    stage(alias="live", url={"auth": "NONE"})
    planned = json.loads(stage("plan", flags=("-o", "json"), alias="live", url={"auth": "AWS_IAM", "cors": CORS}).out)
    (change,) = [c for c in planned["changes"] if c["resource"].startswith("URL of")]
    fields = {f["name"]: (f.get("before"), f.get("after")) for f in change["fields"]}
    assert fields["auth"] == ("NONE", "AWS_IAM") and fields["public"] == (PUBLIC, None)
    assert fields["cors.methods"] == (None, ["GET", "POST"]) and fields["cors.max_age"] == (0, 3600) and change["action"] == "updated"


# ---- refused offline, at the place in the file ----

BAD = [({"async": {"retries": 3}}, "async.retries must be 0 to 2"), ({"async": {"max_age": "30s"}}, "60 to 21600"), ({"async": {"age": 1}}, "max_age, retries"),
       ({"async": {"on_success": "arn:aws:s3:::bucket"}}, "only failures to S3"), ({"async": {"on_failure": "q"}}, "must be the ARN"), ({"async": True}, "must be a map"),
       ({"provisioned_concurrency": 1}, "needs an alias"), ({"provisioned_concurrency": -1}, "1 or more"),
       ({"provisioned_concurrency": 5, "alias": "live", "reserved_concurrency": 4}, "more than reserved_concurrency"),
       ({"url": {"cors": {}}}, "url.auth must be given"), ({"url": {"auth": "OPEN"}}, "NONE, AWS_IAM"), ({"url": {"auth": "NONE", "invoke_mode": "X"}}, "RESPONSE_STREAM"),
       ({"url": {"auth": "NONE", "cors": {"methods": ["OPTIONS"]}}}, "url.cors.methods"), ({"url": {"auth": "NONE", "cors": {"max_age": "2d"}}}, "0 to 86400"),
       ({"url": {"auth": "NONE", "cors": {"credentials": "yes"}}}, "true or false"), ({"recursive_loop": "Never"}, "Terminate"),
       ({"file_system": {"access_point": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0", "path": "/mnt/x"}}, "add vpc"),
       ({"file_system": {"access_point": "fsap-1", "path": "/mnt/x"}}, "ARN of an access point"),
       ({"file_system": {"access_point": "arn:aws:elasticfilesystem:us-east-1:0:access-point/fsap-0", "path": "/data"}}, "right below /mnt"),
       ({"file_system": {"access_point": "arn:aws:elasticfilesystem:us-east-1:0:access-point/fsap-0", "path": "/mnt/x", "direct_read": "AUTO"}}, "about S3 Files"),
       ({"vpc": {"subnets": ["subnet-1"]}}, "no security_groups"), ({"vpc": {"ipv6": True}}, "vpc has none"), ({"dead_letter": "arn:aws:lambda:us-east-1:0:function:f"}, "sqs"),
       ({"kms_key": "alias/k"}, "ARN of kms"), ({"description": "x" * 257}, "at most 256")]


@pytest.mark.parametrize("changes, words", BAD, ids=lambda v: next(iter(v)) if isinstance(v, dict) else "")
def test_what_cannot_be_is_refused_before_any_call(runner, pipe, changes, words):
    with_ = {"function_name": FN, "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:y", "role": "arn:aws:iam::000000000000:role/r", **changes}
    failed = runner("run", pipe({"name": "p", "stages": [{"id": "function", "uses": "lambda", "with": with_}]}), code=None)
    assert failed.code in (1, 2) and words in failed.text and "test.pipe:" in failed.text and "no AWS credentials" not in failed.text, failed.text


# ---- what needs a network: the local cloud has none, so the proxy keeps it ----

EFS = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0"
S3 = "arn:aws:s3files:us-east-1:000000000000:file-system/fs-0123456789abcdef0/access-point/fsap-0123456789abcdef0"
VPC = {"subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]}


class Kept:
    """Keeps what an update says of VPC and file system, and shows it in the answers."""

    def __init__(self, proxy):
        self.members = {}
        proxy.reply("lambda.UpdateFunctionConfiguration", self.update)
        for operation in ("GetFunction", "GetFunctionConfiguration", "ListVersionsByFunction"):
            proxy.rewrite(f"lambda.{operation}", self.show)

    def update(self, call):
        body = json.loads(call.body)
        self.members.update({k: v for k, v in body.items() if k in ("VpcConfig", "FileSystemConfigs")})
        return {"FunctionName": FN, "LastUpdateStatus": "Successful"}

    def show(self, call, body):
        answer = json.loads(body)
        for c in [answer.get("Configuration", answer), *answer.get("Versions", [])]:
            if "FunctionName" in c:
                c.update(self.members)
        return json.dumps(answer).encode()


@pytest.mark.parametrize("after, member, sent, words", [
    ({"vpc": {**VPC, "ipv6": True}}, "VpcConfig",
     {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"], "Ipv6AllowedForDualStack": True}, ["vpc", "subnet-2"]),
    ({"vpc": VPC, "file_system": {"access_point": EFS, "path": "/mnt/data"}}, "FileSystemConfigs",
     [{"Arn": EFS, "LocalMountPath": "/mnt/data"}], ["file_system", EFS, "/mnt/data"]),
    ({"vpc": VPC, "file_system": {"access_point": S3, "path": "/mnt/data", "direct_read": "ENABLED"}}, "FileSystemConfigs",
     [{"Arn": S3, "LocalMountPath": "/mnt/data", "S3FilesConfig": {"DirectS3Read": "ENABLED"}}], ["file_system", S3, "ENABLED"]),
], ids=["ipv6", "efs", "s3 files"])
def test_what_needs_a_network_is_planned_written_and_repaired(stage, after, member, sent, words):  # noqa: F811
    stage()
    kept = Kept(stage.proxy)
    planned = stage("plan", **after)
    assert stage.writes() == [] and all(w in planned.text for w in words), planned.text
    stage(**after)
    assert stage.writes() == ["UpdateFunctionConfiguration"] and kept.members[member] == sent
    stage.proxy.assert_valid()
    stage(**after)
    assert stage.writes() == []
    kept.members[member] = [] if member == "FileSystemConfigs" else {**VPC, "SubnetIds": ["subnet-1"]}
    stage(**after)
    assert stage.writes() == ["UpdateFunctionConfiguration"] and kept.members[member] == sent
    stage()
    assert stage.writes() == ["UpdateFunctionConfiguration"] and not any(kept.members["VpcConfig"].values()) and not kept.members.get("FileSystemConfigs")
    stage()
    assert stage.writes() == []


# ---- what it may do ----


def test_every_call_is_in_the_table_of_permissions(stage, push):  # noqa: F811
    permissions = json.loads(stage.runner("plugins", "describe", "lambda", "--json").out)["permissions"]
    declared = {line.split()[0].partition(":")[2] for line in permissions.splitlines() if line.startswith("lambda:")}
    seen = set()

    def note(*args, **changes):
        stage(*args, **changes)
        seen.update({"Invoke": "InvokeFunction"}.get(c.operation, c.operation) for c in stage.proxy.calls if c.service == "lambda")

    note(**ALL, reserved_concurrency=3, test_event={"do": "echo"})
    note(**{**ALL, "url": {"auth": "AWS_IAM"}, "async": False, "provisioned_concurrency": 0, "reserved_concurrency": -1, "tags": {"a": "b"}, "memory": 256,
            "image": push("two")})
    note(**{**ALL, "url": False})
    note("destroy", **ALL)
    assert seen <= declared and {d for d in declared - seen if "Provisioned" in d or "Url" in d or "Event" in d or "Recursion" in d} == set()


# ---- moto ----

# setting -> (parameters, what moto shows of it)
ON_CREATION = {
    "description": ({"description": "d"}, {"Description": "d"}),
    "timeout": ({"timeout": "9s"}, {"Timeout": 9}),
    "memory": ({"memory": 512}, {"MemorySize": 512}),
    "environment": ({"environment": {"AA": "${{ secrets.token }}"}}, {"Environment": {"Variables": {"AA": "hush-hush-1"}}}),
    "kms key": ({"kms_key": "arn:aws:kms:us-east-1:000000000000:key/k"}, {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k"}),
    "architecture": ({"architecture": "arm64"}, {"Architectures": ["arm64"]}),
    "image config": ({"image_config": {"entrypoint": ["/e"], "command": ["a", "b"], "workdir": "/w"}},
                     {"ImageConfigResponse": {"ImageConfig": {"EntryPoint": ["/e"], "Command": ["a", "b"], "WorkingDirectory": "/w"}}}),
    "ephemeral storage": ({"ephemeral_storage": 1024}, {"EphemeralStorage": {"Size": 1024}}),
    "tracing": ({"tracing": "Active"}, {"TracingConfig": {"Mode": "Active"}}),
    "vpc": ({"vpc": {**VPC, "ipv6": True}}, {"VpcConfig": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"],
                                                          "Ipv6AllowedForDualStack": True, "VpcId": "vpc-123abc"}}),
}


@pytest.mark.parametrize("setting", ON_CREATION)
def test_moto_makes_a_function_with_the_setting_and_the_second_run_writes_nothing(moto_stage, setting):  # noqa: F811
    parameters, shown = ON_CREATION[setting]
    moto_stage(**parameters)
    assert moto_stage.writes()[0] == "CreateFunction"
    assert {k: moto_stage.configuration()[k] for k in shown} == shown
    moto_stage.proxy.assert_valid()
    second = moto_stage(**parameters)
    assert moto_stage.writes() == [] and "updated" not in second.text


def by_hand(**calls):
    return lambda s: [getattr(s.client, name)(FunctionName=FN, **arguments) for name, arguments in calls.items()]


# not here: moto answers 404 to provisioned concurrency and loops, knows no conditions of function URLs in policies, no qualifiers of URLs, and
# takes description, timeout, memory, role, environment and VPC alone in an update (those are in test_stage_lambda.py)
ON_MOTO = {
    "tags": ({"tags": {"team": "data"}}, {"tags": {"team": "ops"}}, ["TagResource"],
             lambda s: s.client.tag_resource(Resource=s.configuration()["FunctionArn"], Tags={"team": "x"})),
    "reserved concurrency": ({}, {"reserved_concurrency": 5}, ["PutFunctionConcurrency"], by_hand(put_function_concurrency={"ReservedConcurrentExecutions": 7})),
    "no reserved concurrency": ({"reserved_concurrency": 5}, {"reserved_concurrency": -1}, ["DeleteFunctionConcurrency"],
                                by_hand(put_function_concurrency={"ReservedConcurrentExecutions": 7})),
    "alias": ({}, {"alias": "live"}, ["CreateAlias"], None),
    "log retention": ({}, {"log_retention": 7}, ["CreateLogGroup", "PutRetentionPolicy"], None),
    "async": ({}, {"async": {"retries": 1, "max_age": "2h"}}, ["PutFunctionEventInvokeConfig"], by_hand(delete_function_event_invoke_config={})),
    "no async": ({"async": {"retries": 1}}, {"async": False}, ["DeleteFunctionEventInvokeConfig"],
                 by_hand(put_function_event_invoke_config={"MaximumRetryAttempts": 0})),
    "url": ({}, {"url": {"auth": "AWS_IAM"}}, ["CreateFunctionUrlConfig"], by_hand(update_function_url_config={"AuthType": "NONE"})),
    "url cors": ({"url": {"auth": "AWS_IAM"}}, {"url": {"auth": "AWS_IAM", "cors": CORS}}, ["UpdateFunctionUrlConfig"],
                 by_hand(update_function_url_config={"Cors": {"AllowOrigins": ["*"]}})),
    "no url": ({"url": {"auth": "AWS_IAM"}}, {"url": False}, ["DeleteFunctionUrlConfig"], by_hand(create_function_url_config={"AuthType": "AWS_IAM"})),
}


@pytest.mark.parametrize("setting", ON_MOTO)
def test_moto_takes_the_setting_in_an_update(moto_stage, setting):  # noqa: F811
    before, after, writes, drift = ON_MOTO[setting]
    moto_stage(**before)
    planned = moto_stage("plan", **after)
    assert moto_stage.writes() == [] and any(w in planned.text for w in ("created", "updated", "deleted")), planned.text
    moto_stage(**after)
    assert moto_stage.writes() == writes
    moto_stage.proxy.assert_valid()
    moto_stage(**after)
    assert moto_stage.writes() == []
    if drift:
        drift(moto_stage)
        moto_stage(**after)
        assert len(moto_stage.writes()) == 1
        moto_stage(**after)
        assert moto_stage.writes() == []


def test_no_provisioned_concurrency_needs_no_alias(stage):  # noqa: F811
    stage(provisioned_concurrency=0)
    stage(provisioned_concurrency=0)
    assert stage.writes() == []
