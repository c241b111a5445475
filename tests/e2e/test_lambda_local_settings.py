# SPDX-License-Identifier: Apache-2.0
"""What a function of the local cloud has beside its configuration: asynchronous invocation with destinations, provisioned concurrency,
response streams, loop detection; and logs that callers write themselves."""

import concurrent.futures
import contextlib
import json
import sqlite3
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import lambda_images as images
import support
from engine import processes
from test_lambda_local_invoke import function, probe, wait  # noqa: F401

LOCAL = "arn:aws:lambda:us-east-1:000000000000:function:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"


def refusal(call, *args, **more):
    """(code, message) of a call that is refused."""
    with pytest.raises(ClientError) as e:
        call(*args, **more)
    return e.value.response["Error"]["Code"], e.value.response["Error"]["Message"]


def until(ask, seconds=support.PATIENCE):
    """What `ask` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


def lines(cloud, name, pattern=""):
    try:
        return [e["message"] for e in cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=pattern)["events"]]
    except ClientError:
        return []


def records(cloud, name):
    return [json.loads(line.partition("event: ")[2]) for line in lines(cloud, name) if line.startswith("event: ")]


def without(answer, *names):
    return {k: v for k, v in answer.items() if k not in ("ResponseMetadata", "LastModified", *names)}


# ---- asynchronous invocation ----


def test_the_configuration_of_asynchronous_invocation_is_kept_by_qualifier(function):  # noqa: F811
    client = function().client
    client.publish_version(FunctionName="probe")
    client.create_alias(FunctionName="probe", Name="live", FunctionVersion="1")
    assert refusal(client.get_function_event_invoke_config, FunctionName="probe") == (
        "ResourceNotFoundException", f"The function {LOCAL}probe:$LATEST doesn't have an EventInvokeConfig")
    put = client.put_function_event_invoke_config(FunctionName="probe", MaximumRetryAttempts=1, MaximumEventAgeInSeconds=60)
    empty = {"OnSuccess": {}, "OnFailure": {}}
    assert without(put) == {"FunctionArn": f"{LOCAL}probe:$LATEST", "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60, "DestinationConfig": empty}
    assert put["LastModified"].year >= 2024
    client.put_function_event_invoke_config(FunctionName="probe", Qualifier="live", DestinationConfig={"OnFailure": {"Destination": QUEUE}})
    listed = client.list_function_event_invoke_configs(FunctionName="probe")["FunctionEventInvokeConfigs"]
    assert [c["FunctionArn"] for c in listed] == [f"{LOCAL}probe:$LATEST", f"{LOCAL}probe:live"]
    first = client.list_function_event_invoke_configs(FunctionName="probe", MaxItems=1)
    assert len(first["FunctionEventInvokeConfigs"]) == 1
    second = client.list_function_event_invoke_configs(FunctionName="probe", MaxItems=1, Marker=first["NextMarker"])
    assert second["FunctionEventInvokeConfigs"] == listed[1:] and "NextMarker" not in second
    updated = client.update_function_event_invoke_config(FunctionName="probe", Qualifier="live", MaximumRetryAttempts=0)
    assert updated["MaximumRetryAttempts"] == 0 and updated["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    overwritten = client.put_function_event_invoke_config(FunctionName="probe", Qualifier="live", MaximumEventAgeInSeconds=90)
    assert "MaximumRetryAttempts" not in overwritten and overwritten["DestinationConfig"] == empty
    client.delete_function_event_invoke_config(FunctionName="probe")
    assert refusal(client.delete_function_event_invoke_config, FunctionName="probe")[0] == "ResourceNotFoundException"
    client.delete_alias(FunctionName="probe", Name="live")
    assert client.list_function_event_invoke_configs(FunctionName="probe")["FunctionEventInvokeConfigs"] == []


def test_what_asynchronous_invocation_cannot_be_is_refused_as_aws_does(function):  # noqa: F811
    client = function().client
    put = client.put_function_event_invoke_config
    assert refusal(put, FunctionName="probe") == ("InvalidParameterValueException", "You must specify at least one of error handling or destination setting.")
    assert refusal(put, FunctionName="nobody", MaximumRetryAttempts=1) == ("ResourceNotFoundException", "The function doesn't exist.")
    assert refusal(put, FunctionName="probe", Qualifier="live", MaximumRetryAttempts=1)[0] == "ResourceNotFoundException"
    assert "retry" in refusal(put, FunctionName="probe", MaximumRetryAttempts=3)[1].lower()
    for arn, words in ((LOCAL + "probe", "as a destination for itself"), (LOCAL + "nobody", "is invalid"), ("arn:aws:ec2:us-east-1:000000000000:x", "is invalid")):
        code, message = refusal(put, FunctionName="probe", DestinationConfig={"OnFailure": {"Destination": arn}})
        assert code == "InvalidParameterValueException" and words in message
    code, message = refusal(put, FunctionName="probe", DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::bucket"}})
    assert message == ("The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket), onFailure=null) is invalid.")


def test_an_event_is_tried_as_often_as_the_configuration_says_and_its_record_goes_to_a_function(function, cloud):  # noqa: F811
    function("listener", Environment={"Variables": {"TELL": "1"}})
    call = function()
    call.client.put_function_event_invoke_config(FunctionName="listener", MaximumRetryAttempts=0)
    call.client.put_function_event_invoke_config(FunctionName="probe", MaximumRetryAttempts=0, DestinationConfig={
        "OnSuccess": {"Destination": LOCAL + "listener"}, "OnFailure": {"Destination": LOCAL + "listener"}})
    good = call("echo", "fine", InvocationType="Event")["ResponseMetadata"]["RequestId"]
    until(lambda: len(records(cloud, "listener")) == 1)
    bad = call("fail", "broken", InvocationType="Event")["ResponseMetadata"]["RequestId"]
    first, second = until(lambda: len(found := records(cloud, "listener")) == 2 and found)
    assert first["version"] == "1.0" and first["timestamp"].endswith("Z")
    assert first["requestContext"] == {"requestId": good, "functionArn": f"{LOCAL}probe:$LATEST", "condition": "Success", "approximateInvokeCount": 1}
    assert first["requestPayload"] == first["responsePayload"] == {"do": "echo", "arg": "fine"}
    assert first["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert second["requestContext"] == {"requestId": bad, "functionArn": f"{LOCAL}probe:$LATEST", "condition": "RetriesExhausted", "approximateInvokeCount": 1}
    assert second["responseContext"]["functionError"] == "Unhandled" and second["responsePayload"]["errorMessage"] == "broken"
    assert len([line for line in lines(cloud, "probe") if line.startswith(f"START RequestId: {bad}")]) == 1


def test_retries_are_counted_and_what_cannot_be_reached_is_told(function, cloud):  # noqa: F811
    call = function(DeadLetterConfig={"TargetArn": QUEUE + "-dead"})
    call.client.put_function_event_invoke_config(FunctionName="probe", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": QUEUE}})
    bad = call("fail", "broken", InvocationType="Event")["ResponseMetadata"]["RequestId"]
    told = until(lambda: [line for line in lines(cloud, "probe", "RequestId") if QUEUE + "-dead" in line])
    assert bad in told[0]
    found = lines(cloud, "probe")
    assert sum(line.startswith(f"START RequestId: {bad}") for line in found) == 2
    assert any("given up after 2 tries (RetriesExhausted): " in line and "broken" in line for line in found)
    assert any(f"was not sent to {QUEUE}: the local cloud reaches functions only" in line for line in found)


def test_an_event_that_waited_too_long_is_given_up_untried(function, cloud):  # noqa: F811
    function("listener", Environment={"Variables": {"TELL": "1"}})
    call = function()
    call.client.put_function_event_invoke_config(FunctionName="probe", MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": LOCAL + "listener"}})
    call.client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=0)
    assert call("echo", InvocationType="Event")["StatusCode"] == 202
    cloud.kill()
    with contextlib.closing(sqlite3.connect(cloud.state / "state.db")) as db:  # as if a minute had passed
        assert db.execute("UPDATE object SET doc = json_set(doc, '$.created', json_extract(doc, '$.created') - 61000) WHERE kind = 'lambda.event'").rowcount == 1
        db.commit()
    cloud.start()
    (record,) = until(lambda: records(cloud, "listener"))
    assert record["requestContext"]["condition"] == "EventAgeExceeded" and record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record and record["requestPayload"] == {"do": "echo", "arg": ""}


def test_functions_that_call_each_other_in_a_loop_are_stopped(function, cloud):  # noqa: F811
    function("ping")
    call = function("pong")
    for one, other in (("ping", "pong"), ("pong", "ping")):
        call.client.put_function_event_invoke_config(FunctionName=one, MaximumRetryAttempts=0, DestinationConfig={
            "OnSuccess": {"Destination": LOCAL + other}, "OnFailure": {"Destination": LOCAL + other}})
    assert call.client.get_function_recursion_config(FunctionName="ping")["RecursiveLoop"] == "Terminate"
    call("count", InvocationType="Event")
    until(lambda: lines(cloud, "ping", '"in a loop 16 times"') + lines(cloud, "pong", '"in a loop 16 times"'))
    runs = sum(line.startswith("START") for name in ("ping", "pong") for line in lines(cloud, name))
    assert runs == 16
    for name in ("ping", "pong"):
        assert call.client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")["RecursiveLoop"] == "Allow"
    call("count", InvocationType="Event")
    until(lambda: sum(line.startswith("START") for name in ("ping", "pong") for line in lines(cloud, name)) > runs + 20)
    call.client.delete_function(FunctionName="ping")


# ---- provisioned concurrency ----


def provisioned(client, alias="live"):
    return without(client.get_provisioned_concurrency_config(FunctionName="probe", Qualifier=alias))


def ready(client, alias="live"):
    return until(lambda: (answer := provisioned(client, alias))["Status"] != "IN_PROGRESS" and answer)


@pytest.fixture
def aliased(function):  # noqa: F811
    """A function with version 1 and the alias live."""
    call = function()
    call.client.publish_version(FunctionName="probe")
    call.client.create_alias(FunctionName="probe", Name="live", FunctionVersion="1")
    return call


def test_provisioned_instances_run_before_anybody_calls(aliased, cloud):
    client = aliased.client
    assert refusal(client.get_provisioned_concurrency_config, FunctionName="probe", Qualifier="live") == (
        "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
    put = client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=3)
    assert without(put) == {"RequestedProvisionedConcurrentExecutions": 3, "AllocatedProvisionedConcurrentExecutions": 0,
                            "AvailableProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS"}
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert ready(client) == {"RequestedProvisionedConcurrentExecutions": 3, "AllocatedProvisionedConcurrentExecutions": 3,
                             "AvailableProvisionedConcurrentExecutions": 3, "Status": "READY"}
    until(lambda: len(processes(aliased.mark)) == 3)
    answer = aliased("env", Qualifier="live")
    assert "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency" in answer["text"] and "Init Duration" not in answer["log"]
    assert "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand" in aliased("env")["text"]
    cloud.fault("lambda.ListProvisionedConcurrencyConfigs", "error", status=400, code="TooManyRequestsException", times=1)  # it is not Get, on the same path
    assert provisioned(client)["Status"] == "READY" and refusal(client.list_provisioned_concurrency_configs, FunctionName="probe")[0] == "TooManyRequestsException"
    (listed,) = client.list_provisioned_concurrency_configs(FunctionName="probe")["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"] == LOCAL + "probe:live" and listed["Status"] == "READY"
    client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=1)
    ready(client)
    until(lambda: len(processes(aliased.mark)) == 2)  # and that of $LATEST
    client.delete_provisioned_concurrency_config(FunctionName="probe", Qualifier="live")
    until(lambda: len(processes(aliased.mark)) == 1)
    client.delete_provisioned_concurrency_config(FunctionName="probe", Qualifier="live")  # nobody minds


def test_a_provisioned_instance_that_ends_is_replaced(aliased):
    aliased.client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=1)
    ready(aliased.client)
    (before,) = processes(aliased.mark)
    assert aliased("exit", 3, Qualifier="live")["FunctionError"] == "Unhandled"
    (after,) = until(lambda: [p for p in processes(aliased.mark) if p != before])
    until(lambda: provisioned(aliased.client)["Status"] == "READY")
    assert "pid" in aliased("count", Qualifier="live")["text"] and processes(aliased.mark) == [after]


def test_nothing_is_left_of_a_function_that_is_deleted_while_its_instances_are_made(aliased, function):  # noqa: F811
    client = aliased.client
    client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=12)
    client.delete_function(FunctionName="probe")
    function(name="other")  # provisioned behind it: the work for the first is over then
    client.publish_version(FunctionName="other")
    client.put_provisioned_concurrency_config(FunctionName="other", Qualifier="1", ProvisionedConcurrentExecutions=1)
    until(lambda: client.get_provisioned_concurrency_config(FunctionName="other", Qualifier="1")["Status"] == "READY")
    until(lambda: len(processes(aliased.mark)) == 1)


def test_one_that_ends_again_and_again_is_started_with_pauses(function, cloud):  # noqa: F811
    client = function(Environment={"Variables": {"PROBE_INIT": "brief"}}).client
    client.publish_version(FunctionName="probe")
    client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="1", ProvisionedConcurrentExecutions=1)

    def starts():
        groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/probe")["logGroups"]
        return len(cloud.client("logs").describe_log_streams(logGroupName="/aws/lambda/probe")["logStreams"]) if groups else 0

    until(lambda: starts() >= 2)
    before = starts()
    time.sleep(2)
    assert starts() - before < 8


def test_provisioned_instances_follow_the_alias_and_outlive_a_restart(aliased, cloud):
    client = aliased.client
    client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=2)
    ready(client)
    client.update_function_configuration(FunctionName="probe", MemorySize=256)
    wait(client, "probe")
    client.publish_version(FunctionName="probe")
    client.update_alias(FunctionName="probe", Name="live", FunctionVersion="2")
    assert provisioned(client)["Status"] == "IN_PROGRESS" or ready(client)
    assert ready(client)["Status"] == "READY"
    until(lambda: len(processes(aliased.mark)) == 2)
    assert "AWS_LAMBDA_FUNCTION_VERSION=2" in aliased("env", Qualifier="live")["text"]
    cloud.kill()
    cloud.start()
    client = cloud.client("lambda")
    assert ready(client)["AllocatedProvisionedConcurrentExecutions"] == 2
    until(lambda: len(processes(aliased.mark)) == 2)  # those of the killed cloud may need a moment
    client.delete_alias(FunctionName="probe", Name="live")
    until(lambda: not processes(aliased.mark))


def test_what_cannot_be_provisioned_is_refused_or_fails(aliased):
    client = aliased.client

    def put(qualifier, n=1):
        return client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier=qualifier, ProvisionedConcurrentExecutions=n)

    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    assert refusal(put, "$LATEST") == ("InvalidParameterValueException", unpublished)
    assert refusal(put, "nobody")[0] == "ResourceNotFoundException"
    assert "at most 64" in refusal(put, "live", 65)[1]
    client.create_alias(FunctionName="probe", Name="latest", FunctionVersion="$LATEST")
    assert refusal(put, "latest")[1] == unpublished
    client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=2)
    assert "reservedConcurrentExecution" in refusal(put, "live", 3)[1]
    put("live")
    ready(client)
    assert refusal(put, "1") == ("ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias")
    client.update_function_configuration(FunctionName="probe", Environment={"Variables": {"PROBE_INIT": "exit"}})
    wait(client, "probe")
    client.publish_version(FunctionName="probe")
    put("2")
    failed = ready(client, "2")
    assert (failed["Status"], failed["StatusReason"], failed["AllocatedProvisionedConcurrentExecutions"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE", 0)


def test_fifty_calls_at_once_are_right_with_some_instances_provisioned(aliased):
    aliased.client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=5)
    ready(aliased.client)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: aliased("echo", n, Qualifier="live"), range(50)))
    assert [json.loads(a["text"])["arg"] for a in answers] == [str(n) for n in range(50)]
    assert ready(aliased.client)["AllocatedProvisionedConcurrentExecutions"] == 5


# ---- streams ----


def stream(client, payload, **more):
    """(answer, bytes of the parts, the end) of InvokeWithResponseStream as boto3 reads it."""
    answer = client.invoke_with_response_stream(FunctionName="probe", Payload=json.dumps(payload), **more)
    events = list(answer["EventStream"])
    parts = b"".join(e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e)
    (end,) = [e["InvokeComplete"] for e in events if "InvokeComplete" in e]
    return answer, parts, end


def test_a_streamed_answer_is_read_by_boto3(function):  # noqa: F811
    client = function().client
    answer, parts, end = stream(client, {"do": "echo", "text": "ünïcode"}, LogType="Tail")
    assert json.loads(parts) == {"do": "echo", "text": "ünïcode"} and answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST"
    assert "ErrorCode" not in end and end["LogResult"]
    _, parts, _ = stream(client, {"do": "big", "arg": "3000000"})
    assert len(parts) == 3000000
    _, parts, end = stream(client, {"do": "fail", "arg": "broken"})
    assert parts == b"" and end["ErrorCode"] == "Unhandled" and json.loads(end["ErrorDetails"])["errorMessage"] == "broken"
    assert client.invoke_with_response_stream(FunctionName="probe", InvocationType="DryRun")["StatusCode"] == 204
    assert refusal(client.invoke_with_response_stream, FunctionName="nobody")[0] == "ResourceNotFoundException"


# ---- logs of callers ----


def test_callers_write_streams_of_their_own(cloud):
    logs, now = cloud.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName="/mine")
    logs.create_log_stream(logGroupName="/mine", logStreamName="a/b")
    assert refusal(logs.create_log_stream, logGroupName="/mine", logStreamName="a/b") == (
        "ResourceAlreadyExistsException", "The specified log stream already exists")
    put = logs.put_log_events(logGroupName="/mine", logStreamName="a/b",
                              logEvents=[{"timestamp": now - 2, "message": "one"}, {"timestamp": now, "message": "ünï\ntwo"}])
    assert put["nextSequenceToken"] and "rejectedLogEventsInfo" not in put
    got = logs.get_log_events(logGroupName="/mine", logStreamName="a/b", startFromHead=True)["events"]
    assert [(e["timestamp"], e["message"]) for e in got] == [(now - 2, "one"), (now, "ünï\ntwo")]
    logs.create_log_stream(logGroupName="/mine", logStreamName="c")
    logs.put_log_events(logGroupName="/mine", logStreamName="c", logEvents=[{"timestamp": now - 1, "message": "between"}])
    assert [e["message"] for e in logs.filter_log_events(logGroupName="/mine")["events"]] == ["one", "between", "ünï\ntwo"]
    assert [e["logStreamName"] for e in logs.filter_log_events(logGroupName="/mine", logStreamNames=["c"])["events"]] == ["c"]
    old = logs.put_log_events(logGroupName="/mine", logStreamName="c", logEvents=[{"timestamp": now - 15 * 86400000, "message": "old"}])
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert "chronological" in refusal(logs.put_log_events, logGroupName="/mine", logStreamName="c",
                                      logEvents=[{"timestamp": now, "message": "b"}, {"timestamp": now - 9, "message": "a"}])[1]
    assert refusal(logs.put_log_events, logGroupName="/mine", logStreamName="nobody", logEvents=[{"timestamp": now, "message": "x"}])[0] == "ResourceNotFoundException"
    logs.delete_log_stream(logGroupName="/mine", logStreamName="c")
    assert [s["logStreamName"] for s in logs.describe_log_streams(logGroupName="/mine")["logStreams"]] == ["a/b"]
    for name in ("..", ".", "a b"):
        assert refusal(logs.create_log_group, logGroupName=name)[0] == "InvalidParameterException"
    assert refusal(logs.create_log_stream, logGroupName="/mine", logStreamName="..")[0] == "InvalidParameterException"
    assert "at most 255" in refusal(logs.create_log_stream, logGroupName="/mine", logStreamName="x" * 300)[1]
    assert "at most 255" in refusal(logs.create_log_group, logGroupName="x" * 300)[1]


# ---- what no client sends ----


@pytest.mark.parametrize("path, method, body", [
    ("/2019-09-30/functions/probe/provisioned-concurrency?Qualifier=live", "PUT", {"ProvisionedConcurrentExecutions": 1.5}),
    ("/2019-09-30/functions/probe/provisioned-concurrency?Qualifier=live", "PUT", {"ProvisionedConcurrentExecutions": "2"}),
    ("/2019-09-30/functions/probe/provisioned-concurrency", "PUT", {"ProvisionedConcurrentExecutions": 1}),
    ("/2019-09-25/functions/probe/event-invoke-config", "PUT", {"DestinationConfig": "x"}),
    ("/2019-09-25/functions/probe/event-invoke-config", "PUT", {"DestinationConfig": {"OnFailure": {"Destination": "::::"}}}),
    ("/2019-09-25/functions/probe/event-invoke-config", "PUT", {"MaximumRetryAttempts": 0.5}),
    ("/2019-09-25/functions/probe/event-invoke-config", "PUT", []),
    ("/2021-10-31/functions/probe/url", "POST", {"AuthType": 1}),
    ("/2021-10-31/functions/probe/url", "POST", {"AuthType": "NONE", "Cors": "x"}),
    ("/2021-10-31/functions/probe/url", "POST", {"AuthType": "NONE", "Cors": {"MaxAge": "5"}}),
    ("/2021-10-31/functions/probe/url", "POST", {"AuthType": "NONE", "Cors": {"AllowOrigins": [1]}}),
    ("/2021-10-31/functions/probe/url?Qualifier=1", "POST", {"AuthType": "NONE"}),
    ("/2021-10-31/functions/probe/urls?MaxItems=0", "GET", None),
    ("/2024-08-31/functions/probe/recursion-config", "PUT", {"RecursiveLoop": 5}),
])
def test_malformed_requests_are_refused(aliased, cloud, path, method, body):
    data = b"" if body is None else json.dumps(body).encode()
    request = AWSRequest(method=method, url=cloud.url + path, data=data)
    SigV4Auth(Credentials(cloud.access_key, cloud.secret_key), "lambda", "us-east-1").add_auth(request)
    status, headers, _ = support.http(method, cloud.url + path, dict(request.headers.items()), data or None)
    assert status == 400 and headers["x-amzn-ErrorType"] in ("ValidationException", "InvalidParameterValueException", "SerializationException")
    assert without(aliased.client.list_function_event_invoke_configs(FunctionName="probe")) == {"FunctionEventInvokeConfigs": []}


# ---- by hand: boto3 and the aws CLI ----


def test_every_setting_by_hand_has_the_shape_of_the_model(recorded_cloud, probe):  # noqa: F811
    role = images.role(recorded_cloud.direct)
    uri, _ = images.push(recorded_cloud.direct, "app", [{"probe": (probe, 0o755)}], {"Entrypoint": ["/probe"]})
    client = recorded_cloud.client("lambda")
    given = {"Description": "d", "Timeout": 9, "MemorySize": 256, "EphemeralStorage": {"Size": 1024}, "TracingConfig": {"Mode": "Active"},
             "KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k", "DeadLetterConfig": {"TargetArn": QUEUE},
             "Environment": {"Variables": {"AA": "1"}}, "Architectures": ["x86_64"],
             "LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "DEBUG", "LogGroup": "/own"}}
    client.create_function(FunctionName="probe", Role=role, PackageType="Image", Code={"ImageUri": uri}, Tags={"a": "b"},
                           ImageConfig={"EntryPoint": ["/probe"], "Command": ["x"], "WorkingDirectory": "/"}, **given)
    c = wait(client, "probe")
    assert {k: c[k] for k in given} == given
    assert c["ImageConfigResponse"] == {"ImageConfig": {"EntryPoint": ["/probe"], "Command": ["x"], "WorkingDirectory": "/"}}
    client.update_function_configuration(FunctionName="probe", DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in wait(client, "probe")
    version = client.publish_version(FunctionName="probe")["Version"]
    client.create_alias(FunctionName="probe", Name="live", FunctionVersion=version)
    for call in ("put_function_event_invoke_config", "update_function_event_invoke_config"):
        getattr(client, call)(FunctionName="probe", Qualifier="live", MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": QUEUE}})
    client.get_function_event_invoke_config(FunctionName="probe", Qualifier="live")
    client.list_function_event_invoke_configs(FunctionName="probe")
    client.put_provisioned_concurrency_config(FunctionName="probe", Qualifier="live", ProvisionedConcurrentExecutions=1)
    ready(client)
    client.list_provisioned_concurrency_configs(FunctionName="probe")
    client.create_function_url_config(FunctionName="probe", Qualifier="live", AuthType="NONE", Cors={"AllowOrigins": ["*"], "MaxAge": 5})
    client.update_function_url_config(FunctionName="probe", Qualifier="live", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM")
    client.get_function_url_config(FunctionName="probe", Qualifier="live")
    client.list_function_url_configs(FunctionName="probe")
    client.put_function_recursion_config(FunctionName="probe", RecursiveLoop="Allow")
    client.get_function_recursion_config(FunctionName="probe")
    client.add_permission(FunctionName="probe", StatementId="s", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)
    client.delete_function_url_config(FunctionName="probe", Qualifier="live")
    client.delete_provisioned_concurrency_config(FunctionName="probe", Qualifier="live")
    client.delete_function_event_invoke_config(FunctionName="probe", Qualifier="live")
    recorded_cloud.proxy.assert_valid(answers=True)


def test_the_aws_cli_sets_and_shows_them(aliased, cloud):
    put = cloud.aws("lambda", "put-function-event-invoke-config", "--function-name", "probe:live", "--maximum-retry-attempts", "0")
    assert put["MaximumRetryAttempts"] == 0 and put["FunctionArn"].endswith("probe:live")
    cloud.aws("lambda", "put-provisioned-concurrency-config", "--function-name", "probe", "--qualifier", "live", "--provisioned-concurrent-executions", "1")
    until(lambda: cloud.aws("lambda", "get-provisioned-concurrency-config", "--function-name", "probe", "--qualifier", "live")["Status"] == "READY")
    listed = cloud.aws("lambda", "list-provisioned-concurrency-configs", "--function-name", "probe")
    assert len(listed["ProvisionedConcurrencyConfigs"]) == 1
    url = cloud.aws("lambda", "create-function-url-config", "--function-name", "probe", "--qualifier", "live", "--auth-type", "AWS_IAM")["FunctionUrl"]
    assert cloud.aws("lambda", "list-function-url-configs", "--function-name", "probe")["FunctionUrlConfigs"][0]["FunctionUrl"] == url
