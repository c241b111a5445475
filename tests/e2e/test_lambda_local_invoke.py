# SPDX-License-Identifier: Apache-2.0
"""Functions of the local cloud really run: what they see, how they end, what is told about it."""

import base64
import concurrent.futures
import contextlib
import json
import os
import secrets
import signal
import time

import pytest
from botocore.exceptions import ClientError

import lambda_images as images
from engine import processes, wait_for


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    return images.compile_static(tmp_path_factory.mktemp("probe"), images.ROOT / "tests/data/functions/probe.c")


@pytest.fixture
def function(cloud, probe):
    """make(name="probe", config={}, **create arguments) -> call(do, arg, **invoke arguments)"""
    arn = images.role(cloud)
    client = cloud.client("lambda")
    mark = "probe-" + secrets.token_hex(6)  # tells its processes from those of other tests

    def make(name="probe", config=None, files=None, **arguments):
        arguments.setdefault("Timeout", 60)  # the usual 3 s may be over on a busy machine
        uri, _ = images.push(cloud, name, [{mark: (probe, 0o755), **(files or {})}],
                             {"Entrypoint": ["/" + mark], **(config or {})})
        client.create_function(FunctionName=name, Role=arn, PackageType="Image", Code={"ImageUri": uri}, **arguments)
        wait(client, name)

        def call(do, arg="", **more):
            answer = client.invoke(FunctionName=name, Payload=json.dumps({"do": do, "arg": str(arg)}), LogType="Tail", **more)
            answer["text"] = answer["Payload"].read().decode()
            answer["log"] = base64.b64decode(answer.get("LogResult", "")).decode()
            return answer

        call.client, call.mark = client, mark
        return call

    return make


def wait(client, name):
    while True:
        configuration = client.get_function_configuration(FunctionName=name)
        if configuration["State"] == "Active" and configuration.get("LastUpdateStatus") == "Successful":
            return configuration
        assert configuration["State"] != "Failed", configuration
        time.sleep(0.05)


def test_event_and_answer_cross_unchanged(function):
    call = function()
    event = json.dumps({"do": "echo", "text": "ünïcode \U0001f600", "n": 1.5, "list": [None, True]})
    answer = call.client.invoke(FunctionName="probe", Payload=event)
    assert json.loads(answer["Payload"].read()) == json.loads(event)
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer and answer["ExecutedVersion"] == "$LATEST"


def test_a_warm_instance_serves_again(function):
    call = function()
    assert [json.loads(call("count")["text"]).split()[0] for _ in range(3)] == ["1", "2", "3"]


def test_log_tail_has_the_lines_of_platform_and_function(function):
    call = function()
    log = call("log", "hello from inside")["log"]
    assert "START RequestId: " in log and "Version: $LATEST" in log and "END RequestId: " in log
    assert "\nhello from inside\n" in log and "\nerror: hello from inside\n" in log
    assert "Init Duration: " in log and "Memory Size: 128 MB" in log
    assert log.index("START") < log.index("hello") < log.index("END") < log.index("REPORT")
    assert "Init Duration" not in call("echo")["log"]


def test_lines_of_the_platform_are_json_when_asked_for(function):
    call = function(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"})
    lines = [line for line in call("log", "hello")["log"].splitlines() if line]
    start, report = json.loads(lines[0]), json.loads(lines[-1])
    assert start["type"] == "platform.start" and start["record"]["version"] == "$LATEST" and "hello" in lines
    assert report["type"] == "platform.report" and report["record"]["requestId"] == start["record"]["requestId"]
    metrics = report["record"]["metrics"]
    assert metrics["memorySizeMB"] == 128 and metrics["initDurationMs"] > 0 and report["record"]["status"] == "success"
    assert "AWS_LAMBDA_LOG_FORMAT=JSON|" in call("env")["text"]
    failed = json.loads(call("exit", 3)["log"].splitlines()[-1])
    assert (failed["record"]["status"], failed["record"]["errorType"]) == ("error", "Runtime.ExitError")
    with pytest.raises(ClientError, match="Log level is not supported"):
        call.client.update_function_configuration(FunctionName="probe", LoggingConfig={"LogFormat": "Text", "SystemLogLevel": "INFO"})
    with pytest.raises(ClientError, match="neither an SQS queue nor an SNS topic"):
        call.client.update_function_configuration(FunctionName="probe", DeadLetterConfig={"TargetArn": "arn:aws:lambda:us-east-1:1:function:f"})


def test_a_flood_of_output_keeps_the_last_4_kb(function):
    log = function(Timeout=30)("flood")["log"]
    assert len(log) <= 4096 and "line 19999 of" in log and "REPORT" in log


def test_environment(function, cloud):
    call = function(config={"Env": ["PATH=/mine", "OF_IMAGE=1"]}, MemorySize=256, Environment={"Variables": {"MY_NAME": "a=b c"}})
    env = dict(line.split("=", 1) for line in json.loads(call("env")["text"]).split("|") if line)
    assert env["MY_NAME"] == "a=b c" and env["OF_IMAGE"] == "1" and env["PATH"] == "/mine"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "probe" and env["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256" and env["AWS_REGION"] == "us-east-1"
    assert env["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/probe" and "[$LATEST]" in env["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand" and env["LAMBDA_TASK_ROOT"] == "/var/task"
    # the credentials are a session of the function's role, and the endpoint is this cloud
    import boto3
    sts = boto3.client("sts", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"],
                       aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                       aws_session_token=env["AWS_SESSION_TOKEN"])
    assert sts.get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/function-role/probe"
    assert not any(value == cloud.env["AWS_SECRET_ACCESS_KEY"] for value in env.values())


def test_headers_of_an_event(function):
    call = function()
    context = base64.b64encode(json.dumps({"custom": {"a": 1}}).encode()).decode()
    head = json.loads(call("headers", ClientContext=context)["text"])
    assert "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:probe" in head
    deadline = int(head.partition("Lambda-Runtime-Deadline-Ms: ")[2].split("|")[0])
    assert 0 < deadline - time.time() * 1000 <= 60500
    assert "Lambda-Runtime-Trace-Id: Root=1-" in head and 'Lambda-Runtime-Client-Context: {"custom": {"a": 1}}' in head


def test_root_is_read_only_and_tmp_is_not(function):
    call = function(files={"etc/hello": (b"hi", 0o644)})
    assert json.loads(call("write", "/tmp/x")["text"]) == "ok"
    assert json.loads(call("read", "/tmp/x")["text"]) == "x"
    assert json.loads(call("read", "/etc/hello")["text"]) == "hi"
    assert json.loads(call("write", "/etc/hello")["text"]) != "ok"
    assert json.loads(call("write", "/new")["text"]) != "ok"
    assert json.loads(call("id")["text"]) == "uid=993 gid=990 cwd=/"


def test_image_config_beats_the_image(function):
    call = function(config={"Cmd": ["from-image"], "WorkingDir": "/etc"}, files={"etc/x": b"", "var/y": b""},
                    ImageConfig={"Command": ["from-function"], "WorkingDirectory": "/var"})
    answer = call("id")
    assert "arguments: from-function" in answer["log"] and "cwd=/var" in answer["text"]


def test_timeout(function):
    call = function(Timeout=1)
    answer = call("sleep", 600000)
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled"
    body = json.loads(answer["text"])
    assert body["errorType"] == "Sandbox.Timedout" and body["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in answer["log"] and "Status: timeout" in answer["log"]
    assert json.loads(call("count")["text"]).startswith("1 ")  # a new instance


@pytest.mark.parametrize("do, arg, text", [
    ("exit", 3, "Runtime exited with error: exit status 3"),
    ("exit", 0, "Runtime exited without providing a reason"),
    ("crash", 9, "Runtime exited with error: signal: killed"),
    ("crash", 11, "Runtime exited with error: signal: segmentation fault"),
])
def test_a_function_that_ends(function, do, arg, text):
    call = function()
    call("echo")
    answer = call(do, arg)
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled"
    body = json.loads(answer["text"])
    assert body["errorType"] == "Runtime.ExitError" and body["errorMessage"].endswith(text)
    assert body["errorMessage"].startswith("RequestId: ")
    assert "FunctionError" not in call("echo")


def test_an_error_that_the_function_reports(function):
    answer = function()("fail", "bad input")
    assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["text"]) == {"errorType": "ValueError", "errorMessage": "bad input"}


def test_init_that_exits(function):
    answer = function(Environment={"Variables": {"PROBE_INIT": "exit"}})("echo")
    assert answer["FunctionError"] == "Unhandled"
    assert "exit status 3" in json.loads(answer["text"])["errorMessage"]


def test_init_error_that_the_runtime_reports(function):
    answer = function(Environment={"Variables": {"PROBE_INIT": "error"}})("echo")
    assert answer["FunctionError"] == "Unhandled" and json.loads(answer["text"])["errorType"] == "ImportError"


@pytest.mark.parametrize("config, type_, text", [
    ({"Entrypoint": ["/missing"]}, "Runtime.InvalidEntrypoint", "fork/exec /missing: no such file or directory"),
    ({"Entrypoint": ["/data"]}, "Runtime.InvalidEntrypoint", "fork/exec /data: permission denied"),
    ({"Entrypoint": ["/script"]}, "Runtime.InvalidEntrypoint", "fork/exec /script: exec format error"),
    ({"WorkingDir": "/nowhere"}, "Runtime.InvalidWorkingDir", "no such file or directory"),
])
def test_an_image_that_cannot_start(function, config, type_, text):
    answer = function(config=config, files={"data": b"x", "script": (b"\x7fELF nonsense", 0o755)})("echo")
    body = json.loads(answer["text"])
    assert answer["FunctionError"] == "Unhandled" and body["errorType"] == type_ and text in body["errorMessage"]


def test_memory_limit(function):
    call = function()
    assert json.loads(call("eat", 64)["text"]) == "ate 1"
    answer = call("eat", 400)
    body = json.loads(answer["text"])
    assert answer["FunctionError"] == "Unhandled" and body["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert body["errorMessage"].endswith(("signal: killed", "exit status 12"))  # 12: refused, where limits hold for each process alone


def test_tmp_has_its_configured_size_whatever_the_memory(function):
    call = function(Timeout=60)  # 128 MB of memory, 512 MB of /tmp
    assert json.loads(call("fill", 400)["text"]) == "400 MB: ok"
    assert "No space left on device" in json.loads(call("fill", 600)["text"])


def test_response_that_is_too_large(function):
    call = function()
    assert len(call("big", 6 * 1024 * 1024)["text"]) == 6 * 1024 * 1024
    body = json.loads(call("big", 6400000)["text"])
    assert body["errorType"] == "Function.ResponseSizeTooLarge"


def end(calls, mark):
    """Kills what works until all the calls are answered."""
    def ended():
        for pid in processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return all(c.done() for c in calls)

    wait_for(ended, "all are answered")


def test_concurrent_calls_get_instances_of_their_own(function):
    call = function(Timeout=600)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, "sleep", 500000) for _ in range(4)]
        wait_for(lambda: len(processes(call.mark)) == 4, "four work, as none of them has ended")
        end(calls, call.mark)
    assert all("FunctionError" in c.result() for c in calls)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all("FunctionError" not in a for a in pool.map(lambda _: call("sleep", 100), range(4)))


def test_reserved_concurrency(function):
    call = function(Timeout=600)
    client = call.client
    client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=1)
    assert client.get_function_concurrency(FunctionName="probe")["ReservedConcurrentExecutions"] == 1
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(call, "sleep", 500000) for _ in range(2)]
        wait_for(lambda: any(f.done() for f in both) and processes(call.mark), "one works, the other one is refused")
        end(both, call.mark)
    [refused] = [f.exception() for f in both if f.exception()]
    assert refused.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    client.delete_function_concurrency(FunctionName="probe")
    assert "FunctionError" not in call("echo")


def test_event_and_dry_run(function, cloud):
    call = function()
    assert call.client.invoke(FunctionName="probe", InvocationType="DryRun")["StatusCode"] == 204
    answer = call("log", "asynchronous", InvocationType="Event")
    assert answer["StatusCode"] == 202 and answer["text"] == ""
    assert set(messages(cloud, "asynchronous", 2)) == {"asynchronous", "error: asynchronous"}


def messages(cloud, pattern, enough):
    """Messages of the function's log that hold `pattern`, once there are `enough`, or after a long time."""
    for _ in range(6000):
        found = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/probe", filterPattern=pattern)["events"]
        if len(found) >= enough:
            break
        time.sleep(0.05)
    return [e["message"] for e in found]


def test_an_event_that_fails_comes_back_twice_and_is_given_up(function, cloud):
    call = function()
    answer = call("fail", "bad input", InvocationType="Event")
    assert answer["StatusCode"] == 202
    given_up, = messages(cloud, "given", 1)
    request = answer["ResponseMetadata"]["RequestId"]
    assert f"RequestId: {request} The event was given up after 3 tries" in given_up and "bad input" in given_up
    assert len([m for m in messages(cloud, "START", 3) if request in m]) == 3
    assert request in cloud.running.log.read_text()


def test_events_wait_for_a_free_instance(function, cloud):
    call = function()
    call.client.put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=1)
    for i in range(6):
        assert call("log", f"number-{i}", InvocationType="Event")["StatusCode"] == 202
    found = messages(cloud, "number", 12)
    assert {m for m in found if not m.startswith("error")} == {f"number-{i}" for i in range(6)}


def test_an_accepted_event_outlives_a_kill(function, cloud):
    call = function()
    cloud.client("lambda").put_function_concurrency(FunctionName="probe", ReservedConcurrentExecutions=0)
    assert call("log", "survivor", InvocationType="Event")["StatusCode"] == 202  # nothing may run it yet
    cloud.kill()
    cloud.start()
    cloud.client("lambda").delete_function_concurrency(FunctionName="probe")
    assert "survivor" in messages(cloud, "survivor", 1)


def test_fifty_calls_at_once_are_answered_each_with_its_own(function):
    call = function()
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: json.loads(call.client.invoke(
            FunctionName="probe", Payload=json.dumps({"do": "echo", "number": i}))["Payload"].read()), range(50)))
    assert answers == [{"do": "echo", "number": i} for i in range(50)]


def test_an_image_that_is_deleted_fails_the_function(function, cloud, probe):
    call = function()
    assert "FunctionError" not in call("echo")
    cloud.client("ecr").delete_repository(repositoryName="probe", force=True)
    cloud.stop()  # with its warm instance
    cloud.start()
    client = cloud.client("lambda")
    with pytest.raises(client.exceptions.ResourceConflictException, match="state: Failed"):
        client.invoke(FunctionName="probe", Payload=b"{}")
    configuration = client.get_function_configuration(FunctionName="probe")
    assert (configuration["State"], configuration["StateReasonCode"]) == ("Failed", "ImageDeleted")
    uri, _ = images.push(cloud, "probe", [{call.mark: (probe, 0o755)}], {"Entrypoint": ["/" + call.mark]})
    client.update_function_code(FunctionName="probe", ImageUri=uri)
    wait(client, "probe")
    assert "FunctionError" not in client.invoke(FunctionName="probe", Payload=b'{"do": "echo"}')


def test_an_alias_sends_by_its_weights(function):
    call = function()
    client = call.client
    client.publish_version(FunctionName="probe")
    client.update_function_configuration(FunctionName="probe", Description="two")
    wait(client, "probe")
    client.publish_version(FunctionName="probe")
    client.create_alias(FunctionName="probe", Name="live", FunctionVersion="1",
                        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = [call("echo", Qualifier="live")["ExecutedVersion"] for _ in range(40)]
    assert set(seen) == {"1", "2"}  # all of one kind: once in 2^39
    client.update_alias(FunctionName="probe", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {call("echo", Qualifier="live")["ExecutedVersion"] for _ in range(5)} == {"2"}


def test_old_streams_go_by_the_groups_retention(function, cloud):
    call = function()
    call("log", "ancient")
    logs = cloud.client("logs")
    logs.put_retention_policy(logGroupName="/aws/lambda/probe", retentionInDays=3)
    stream, = (cloud.state / "lambda/logs/us-east-1/~aws~lambda~probe").iterdir()
    cloud.stop()
    for age, left in ((2, 1), (4, 0)):  # days
        os.utime(stream, (time.time() - age * 86400,) * 2)
        cloud.start()
        assert len(cloud.client("logs").describe_log_streams(logGroupName="/aws/lambda/probe")["logStreams"]) == left
        cloud.stop()
    cloud.start()
    with pytest.raises(ClientError, match="retentionInDays"):
        cloud.client("logs").put_retention_policy(logGroupName="/aws/lambda/probe", retentionInDays=2)


def test_payload_must_be_json(function):
    call = function()
    with pytest.raises(call.client.exceptions.InvalidRequestContentException, match="Could not parse request body into json"):
        call.client.invoke(FunctionName="probe", Payload="{not json")
    with pytest.raises(ClientError) as e:
        call.client.invoke(FunctionName="probe", Payload=json.dumps("x" * 6291460))
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_new_code_and_configuration_are_served_at_once(function, cloud, probe):
    call = function()
    first = json.loads(call("count")["text"])
    call.client.update_function_configuration(FunctionName="probe", Environment={"Variables": {"STAGE": "two"}})
    wait(call.client, "probe")
    assert "STAGE=two" in call("env")["text"]
    uri, _ = images.push(cloud, "probe", [{call.mark: (probe, 0o755), "marker": b"new"}],
                         {"Entrypoint": ["/" + call.mark]})
    call.client.update_function_code(FunctionName="probe", ImageUri=uri)
    wait(call.client, "probe")
    assert json.loads(call("read", "/marker")["text"]) == "new"
    assert json.loads(call("count")["text"]) != first


def test_nothing_is_left_behind(function, cloud):
    call = function()
    call("fork")
    call("echo")
    assert processes(call.mark)
    call.client.delete_function(FunctionName="probe")
    wait_for(lambda: not processes(call.mark), "they are gone")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_instances_end_with_the_cloud(function, cloud, how):
    call = function()
    call("fork")
    assert processes(call.mark)
    getattr(cloud, how)()
    wait_for(lambda: not processes(call.mark), "they are gone")
    cloud.start()
    assert "FunctionError" not in cloud.client("lambda").invoke(FunctionName="probe", Payload=b'{"do": "echo"}')
