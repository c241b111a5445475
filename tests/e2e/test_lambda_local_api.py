# SPDX-License-Identifier: Apache-2.0
"""The API of the local Lambda: states, refusals and their words, versions, aliases, policies, tags."""

import gzip
import json
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import lambda_images as images

FILES = [{"program": (b"\x7fELF", 0o755)}]


@pytest.fixture
def client(cloud):
    return cloud.client("lambda")


@pytest.fixture
def arn(cloud):
    return images.role(cloud)


@pytest.fixture
def image(cloud):
    return images.push(cloud, "app", FILES, {"Entrypoint": ["/program"]})


@pytest.fixture
def function(client, arn, image):
    client.create_function(FunctionName="fn", Role=arn, PackageType="Image", Code={"ImageUri": image[0]}, Tags={"a": "1"})
    wait(client)
    return "fn"


def wait(client, name="fn"):
    while True:
        configuration = client.get_function_configuration(FunctionName=name)
        if configuration["State"] != "Pending" and configuration.get("LastUpdateStatus") != "InProgress":
            return configuration
        time.sleep(0.03)


def refused(code, text, call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    assert e.value.response["Error"]["Code"] == code
    assert text in e.value.response["Error"]["Message"]
    return e.value.response["ResponseMetadata"]["HTTPStatusCode"]


def create(client, arn, uri, **more):
    return client.create_function(**{"FunctionName": "fn", "Role": arn, "PackageType": "Image", "Code": {"ImageUri": uri}, **more})


def test_life_of_a_function(client, arn, image, cloud):
    uri, digest = image
    made = create(client, arn, uri, Timeout=10, MemorySize=256, Description="d", Tags={"team": "x"},
                  EphemeralStorage={"Size": 1024}, Environment={"Variables": {"A_B": "1"}})
    assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating" and made["Version"] == "$LATEST"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert wait(client)["LastUpdateStatus"] == "Successful"
    got = client.get_function(FunctionName="fn")
    configuration = got["Configuration"]
    assert configuration["State"] == "Active" and "StateReason" not in configuration
    assert (configuration["Timeout"], configuration["MemorySize"], configuration["Description"]) == (10, 256, "d")
    assert configuration["EphemeralStorage"] == {"Size": 1024} and configuration["Environment"]["Variables"] == {"A_B": "1"}
    assert configuration["CodeSha256"] == digest.partition(":")[2] and configuration["PackageType"] == "Image"
    assert configuration["Architectures"] == ["x86_64"]
    assert got["Code"] == {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": f"{cloud.host}/app@{digest}"}
    assert got["Tags"] == {"team": "x"}
    assert not any(key.startswith("_") for key in configuration)
    client.delete_function(FunctionName="fn")
    assert refused("ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:fn",
                   client.get_function, FunctionName="fn") == 404


def test_nothing_is_done_with_a_function_that_is_pending(client, arn, image, cloud):
    cloud.fault("lambda.CreateFunction", "slow-update", time="20m")
    create(client, arn, image[0])
    assert refused("ResourceConflictException", "currently in the following state: Pending",
                   client.update_function_configuration, FunctionName="fn", Timeout=3) == 409
    assert refused("ResourceConflictException", "state: Pending", client.invoke, FunctionName="fn") == 409


def test_an_update_is_in_progress_for_a_while(client, function, cloud):
    client.update_function_configuration(FunctionName="fn", Timeout=9)
    assert wait(client)["Timeout"] == 9
    cloud.fault("lambda.UpdateFunctionConfiguration", "slow-update", time="20m")
    changed = client.update_function_configuration(FunctionName="fn", Timeout=9)
    assert changed["LastUpdateStatus"] == "InProgress" and changed["State"] == "Active"
    for call in (lambda **_: client.update_function_configuration(FunctionName="fn", Timeout=4),
                 lambda **_: client.publish_version(FunctionName="fn")):
        assert refused("ResourceConflictException", "An update is in progress for resource", call) == 409


def test_waiters_of_the_sdk(client, arn, image):
    create(client, arn, image[0])
    client.get_waiter("function_active_v2").wait(FunctionName="fn")
    client.update_function_configuration(FunctionName="fn", Timeout=5)
    client.get_waiter("function_updated_v2").wait(FunctionName="fn")


def test_names_and_arns(client, function):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:fn"
    for name in (arn, "000000000000:function:fn", "fn:$LATEST", arn + ":$LATEST"):
        assert client.get_function(FunctionName=name)["Configuration"]["FunctionName"] == "fn"
    refused("ResourceNotFoundException", "not reachable in this region", client.get_function,
            FunctionName=arn.replace("us-east-1", "eu-west-1"))


@pytest.mark.parametrize("change, code, text", [
    ({"MemorySize": 64}, "ValidationException", "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"),
    ({"MemorySize": 20000}, "ValidationException", "less than or equal to 10240"),
    ({"Timeout": 901}, "ValidationException", "at 'timeout'"),
    ({"EphemeralStorage": {"Size": 100}}, "ValidationException", "ephemeralStorage.size"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION"),
    ({"Environment": {"Variables": {"BIG": "x" * 5000}}}, "InvalidParameterValueException", "exceeded the 4KB limit"),
    ({"Environment": {"Variables": {"1x": "y"}}}, "ValidationException", "environment.variables"),
    ({"Architectures": ["mips"]}, "ValidationException", "x86_64, arm64"),
    ({"Role": "role"}, "ValidationException", "at 'role' failed to satisfy constraint"),
    ({"Role": "arn:aws:iam::000000000000:role/nobody"}, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."),
    ({"PackageType": "Zip", "Runtime": "python3.12", "Handler": "x.y"}, "InvalidParameterValueException", "Image only"),
])
def test_refusals_of_create(cloud, arn, image, change, code, text):
    client = boto3.client("lambda", endpoint_url=cloud.url, region_name=cloud.region, aws_access_key_id=cloud.access_key,
                          aws_secret_access_key=cloud.secret_key, config=Config(parameter_validation=False))
    assert refused(code, text, lambda: create(client, arn, image[0], **change)) == 400
    assert client.list_functions()["Functions"] == []


def test_a_role_that_trusts_another_service(client, cloud, image):
    trust = json.loads(json.dumps(images.TRUST).replace("lambda.", "ec2."))
    other = images.role(cloud, "other", trust)
    refused("InvalidParameterValueException", "cannot be assumed by Lambda", lambda: create(client, other, image[0]))


def test_images_that_lambda_does_not_take(client, arn, cloud, image):
    unsupported = "The image manifest, config or layer media type for the source image"
    zstd, _ = images.push(cloud, "zstd", FILES, layer_type=images.OCI_LAYER + "+zstd", compress=lambda t: b"\x28\xb5\x2f\xfd" + t)
    plain, _ = images.push(cloud, "plain", FILES, layer_type=images.OCI_LAYER, compress=lambda t: t)
    for uri in (zstd, plain):
        refused("InvalidParameterValueException", unsupported, lambda uri=uri: create(client, arn, uri))
    ecr = cloud.client("ecr")
    size = len(ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "latest"}])["images"][0]["imageManifest"])
    index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"mediaType": images.OCI_MANIFEST, "digest": image[1], "size": size, "platform": {"os": "linux", "architecture": "amd64"}}]})
    ecr.put_image(repositoryName="app", imageManifest=index, imageTag="index")
    refused("InvalidParameterValueException", unsupported, lambda: create(client, arn, f"{cloud.host}/app:index"))
    refused("InvalidParameterValueException", "does not exist. Provide a valid source image.",
            lambda: create(client, arn, f"{cloud.host}/app:missing"))
    refused("InvalidParameterValueException", "does not exist", lambda: create(client, arn, f"{cloud.host}/nothing:latest"))
    refused("InvalidParameterValueException", "is not valid", lambda: create(client, arn, "docker.io/library/alpine:3"))


def test_a_function_exists_once(client, arn, image, function):
    assert refused("ResourceConflictException", "Function already exist: fn", lambda: create(client, arn, image[0])) == 409


def test_update_code_by_tag_resolves_to_a_digest(client, cloud, function, image):
    uri, digest = images.push(cloud, "app", [{"program": (b"other", 0o755)}], {"Entrypoint": ["/program"]})
    assert client.get_function(FunctionName="fn")["Code"]["ResolvedImageUri"].endswith(image[1])  # a moved tag changes nothing
    tried = client.update_function_code(FunctionName="fn", ImageUri=uri, DryRun=True)
    assert tried["CodeSha256"] == digest.partition(":")[2]
    assert client.get_function(FunctionName="fn")["Code"]["ResolvedImageUri"].endswith(image[1])
    client.update_function_code(FunctionName="fn", ImageUri=uri)
    wait(client)
    assert client.get_function(FunctionName="fn")["Code"]["ResolvedImageUri"].endswith(digest)


def test_revision_guards_against_lost_updates(client, function):
    old = wait(client)["RevisionId"]
    client.update_function_configuration(FunctionName="fn", Timeout=7, RevisionId=old)
    wait(client)
    assert refused("PreconditionFailedException", "does not match the latest Revision Id",
                   client.update_function_configuration, FunctionName="fn", Timeout=8, RevisionId=old) == 412


def test_versions_and_aliases(client, function):
    one = client.publish_version(FunctionName="fn", Description="first")
    assert one["Version"] == "1" and one["FunctionArn"].endswith(":function:fn:1") and one["Description"] == "first"
    assert client.publish_version(FunctionName="fn")["Version"] == "1"  # nothing changed
    client.update_function_configuration(FunctionName="fn", Timeout=7)
    wait(client)
    assert client.publish_version(FunctionName="fn")["Version"] == "2"
    listed = client.list_versions_by_function(FunctionName="fn")["Versions"]
    assert [v["Version"] for v in listed] == ["$LATEST", "1", "2"]
    assert client.get_function(FunctionName="fn", Qualifier="1")["Configuration"]["Timeout"] == 3
    made = client.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    assert made["AliasArn"].endswith(":function:fn:live")
    refused("ResourceConflictException", "Alias already exists", client.create_alias, FunctionName="fn", Name="live", FunctionVersion="1")
    refused("ResourceNotFoundException", "Function not found", client.create_alias, FunctionName="fn", Name="b", FunctionVersion="9")
    refused("ResourceConflictException", "has a dependency on alias", client.delete_function, FunctionName="fn", Qualifier="1")
    assert client.get_function_configuration(FunctionName="fn:live")["Version"] == "1"
    changed = client.update_alias(FunctionName="fn", Name="live", FunctionVersion="2",
                                  RoutingConfig={"AdditionalVersionWeights": {"1": 1.0}})
    assert changed["FunctionVersion"] == "2" and changed["RevisionId"] != made["RevisionId"]
    assert client.get_function_configuration(FunctionName="fn:live")["Version"] == "1"  # by weight, all of it
    assert [a["Name"] for a in client.list_aliases(FunctionName="fn")["Aliases"]] == ["live"]
    client.delete_alias(FunctionName="fn", Name="live")
    refused("ResourceNotFoundException", "Cannot find alias arn", client.get_alias, FunctionName="fn", Name="live")
    client.delete_function(FunctionName="fn", Qualifier="1")
    assert [v["Version"] for v in client.list_versions_by_function(FunctionName="fn")["Versions"]] == ["$LATEST", "2"]


def test_permissions(client, function):
    refused("ResourceNotFoundException", "does not exist", client.get_policy, FunctionName="fn")
    source = "arn:aws:execute-api:us-east-1:000000000000:abc/*/POST/predict"
    answer = client.add_permission(FunctionName="fn", StatementId="api", Action="lambda:InvokeFunction",
                                   Principal="apigateway.amazonaws.com", SourceArn=source)
    statement = json.loads(answer["Statement"])
    assert statement == {"Sid": "api", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
                         "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:fn",
                         "Condition": {"ArnLike": {"AWS:SourceArn": source}}}
    assert refused("ResourceConflictException", "The statement id (api) provided already exists", client.add_permission,
                   FunctionName="fn", StatementId="api", Action="lambda:InvokeFunction", Principal="*") == 409
    policy = json.loads(client.get_policy(FunctionName="fn")["Policy"])
    assert policy["Version"] == "2012-10-17" and policy["Statement"] == [statement]
    client.remove_permission(FunctionName="fn", StatementId="api")
    refused("ResourceNotFoundException", "", client.remove_permission, FunctionName="fn", StatementId="api")


def test_tags(client, function):
    arn = "arn:aws:lambda:us-east-1:000000000000:function:fn"
    client.tag_resource(Resource=arn, Tags={"runner:pipeline": "p", "b": "ü / = &"})
    assert client.list_tags(Resource=arn)["Tags"] == {"a": "1", "runner:pipeline": "p", "b": "ü / = &"}
    client.untag_resource(Resource=arn, TagKeys=["a", "runner:pipeline"])
    assert client.get_function(FunctionName="fn")["Tags"] == {"b": "ü / = &"}


def test_lists_come_in_pages(client, arn, image):
    names = [f"fn-{i}" for i in range(5)]
    for name in names:
        create(client, arn, image[0], FunctionName=name)
    first = client.list_functions(MaxItems=2)
    assert [f["FunctionName"] for f in first["Functions"]] == names[:2]
    pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert [f["FunctionName"] for page in pages for f in page["Functions"]] == names


def test_concurrency_leaves_some_for_the_others(client, function):
    refused("InvalidParameterValueException", "below its minimum value of [100]", client.put_function_concurrency,
            FunctionName="fn", ReservedConcurrentExecutions=901)
    client.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException, match="Rate Exceeded"):
        client.invoke(FunctionName="fn")


def test_functions_survive_the_cloud(client, cloud, function, image):
    cloud.kill()
    cloud.start()
    again = cloud.client("lambda")
    assert again.get_function(FunctionName="fn")["Configuration"]["State"] == "Active"


def test_a_layer_that_cannot_be_unpacked_fails_the_function(client, arn, cloud):
    uri, _ = images.push(cloud, "bad", FILES, compress=lambda t: gzip.compress(t)[:-20])
    create(client, arn, uri)
    configuration = wait(client)
    assert configuration["State"] == "Failed" and configuration["StateReasonCode"] == "InvalidImage"


def test_log_groups(client, cloud):
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/x", tags={"t": "1"})
    refused("ResourceAlreadyExistsException", "already exists", logs.create_log_group, logGroupName="/aws/lambda/x")
    logs.put_retention_policy(logGroupName="/aws/lambda/x", retentionInDays=7)
    [group] = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    assert group["retentionInDays"] == 7 and group["arn"].endswith(":log-group:/aws/lambda/x:*")
    arn = group["arn"].removesuffix(":*")
    logs.tag_resource(resourceArn=arn, tags={"u": "2"})
    logs.untag_resource(resourceArn=arn, tagKeys=["t"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"u": "2"}
    logs.delete_retention_policy(logGroupName="/aws/lambda/x")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    logs.delete_log_group(logGroupName="/aws/lambda/x")
    refused("ResourceNotFoundException", "does not exist", logs.delete_log_group, logGroupName="/aws/lambda/x")
