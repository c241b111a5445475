# SPDX-License-Identifier: Apache-2.0
"""Parameter Store of the local cloud, by boto3 and the stock CLI, in the words of moto where both have them."""

import concurrent.futures
import subprocess

import pytest
from botocore.exceptions import ClientError

from support import BUILD, clean_env


def code_of(call, **args):
    with pytest.raises(ClientError) as e:
        call(**args)
    return e.value.response["Error"]["Code"]


@pytest.fixture(params=["moto", "cloud"])
def ssm(request):
    """boto3's client of moto and of the local cloud: what is asserted holds for both."""
    return request.getfixturevalue(request.param).client("ssm")


def test_a_parameter_from_birth_to_death(ssm):
    made = ssm.put_parameter(Name="/app/db", Value="one", Type="String", Description="where", Tags=[{"Key": "team", "Value": "a"}])
    assert (made["Version"], made["Tier"]) == (1, "Standard")
    assert code_of(ssm.put_parameter, Name="/app/db", Value="two", Type="String") == "ParameterAlreadyExists"
    first = ssm.get_parameter(Name="/app/db")["Parameter"]
    assert ssm.put_parameter(Name="/app/db", Value="two", Overwrite=True)["Version"] == 2
    found = ssm.get_parameter(Name="/app/db")["Parameter"]
    assert (found["Value"], found["Version"], found["Type"], found["DataType"]) == ("two", 2, "String", "text")
    assert found["ARN"].endswith(":parameter/app/db") and found["LastModifiedDate"] >= first["LastModifiedDate"]
    assert ssm.get_parameter(Name="/app/db:2")["Parameter"]["Value"] == "two"
    assert code_of(ssm.get_parameter, Name="/app/db:9") == "ParameterVersionNotFound"
    some = ssm.get_parameters(Names=["/app/db", "/app/none"])
    assert ([p["Name"] for p in some["Parameters"]], some["InvalidParameters"]) == (["/app/db"], ["/app/none"])
    gone = ssm.delete_parameters(Names=["/app/db", "/app/none"])
    assert (gone["DeletedParameters"], gone["InvalidParameters"]) == (["/app/db"], ["/app/none"])
    assert code_of(ssm.get_parameter, Name="/app/db") == "ParameterNotFound"
    assert code_of(ssm.delete_parameter, Name="/app/db") == "ParameterNotFound"


def test_paths_and_pages(ssm):
    names = [f"/tree/{n:02}" for n in range(23)] + ["/tree/deep/er", "/trees", "/tree"]
    for name in names:
        ssm.put_parameter(Name=name, Value="x", Type="String")
    pages = ssm.get_paginator("get_parameters_by_path")
    flat = [p["Name"] for page in pages.paginate(Path="/tree") for p in page["Parameters"]]
    assert sorted(flat) == names[:23]
    deep = [p["Name"] for page in pages.paginate(Path="/tree/", Recursive=True) for p in page["Parameters"]]
    assert sorted(deep) == sorted(names[:24])
    first = ssm.get_parameters_by_path(Path="/tree", MaxResults=7)
    assert len(first["Parameters"]) == 7 and first["NextToken"]
    assert ssm.get_parameters_by_path(Path="/none")["Parameters"] == []
    below = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "OneLevel", "Values": ["/tree"]}])
    assert sorted(p["Name"] for page in below for p in page["Parameters"]) == names[:23]
    named = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/tree/deep"]}])
    assert [p["Name"] for p in named["Parameters"]] == ["/tree/deep/er"] and "Value" not in named["Parameters"][0]


def test_tags(ssm):
    ssm.put_parameter(Name="/t", Value="x", Type="String", Tags=[{"Key": "a", "Value": "1"}])
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="/t", Tags=[{"Key": "b", "Value": "2"}])
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId="/t", TagKeys=["a"])
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/t")["TagList"] == [{"Key": "b", "Value": "2"}]
    assert code_of(ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId="/none") == "InvalidResourceId"
    assert code_of(ssm.put_parameter, Name="/t", Value="y", Type="String", Overwrite=True,
                   Tags=[{"Key": "c", "Value": "3"}]) == "ValidationException"


def test_what_is_refused(cloud):
    ssm = cloud.client("ssm")
    put = ssm.put_parameter
    for wrong, code in (
        (dict(Name="/x", Value="v"), "ValidationException"),
        (dict(Name="/x", Value="v", Type="SecureString"), "UnsupportedParameterType"),
        (dict(Name="x/y", Value="v", Type="String"), "ValidationException"),
        (dict(Name="/aws/y", Value="v", Type="String"), "ValidationException"),
        (dict(Name="/x y", Value="v", Type="String"), "ValidationException"),
        (dict(Name="/x", Value="{{ssm:y}}", Type="String"), "ValidationException"),
        (dict(Name="/x", Value="v" * 4097, Type="String"), "ValidationException"),
        (dict(Name="/x", Value="v", Type="String", Policies="[]"), "InvalidPolicyTypeException"),
        (dict(Name="/a" * 16, Value="v", Type="String"), "HierarchyLevelLimitExceededException"),
        (dict(Name="/x", Value="v", Type="String", AllowedPattern="^[0-9]+$"), "ParameterPatternMismatchException"),
        (dict(Name="/x", Value="v", Type="String", AllowedPattern="("), "InvalidAllowedPatternException"),
        (dict(Name="/x", Value="ddd", Type="String", AllowedPattern=r"^\d+$"), "ParameterPatternMismatchException"),
        (dict(Name="/x", Value="v", Type="String", AllowedPattern="((((a{1,99}){1,99}){1,99}){1,99})"), "InvalidAllowedPatternException"),
        (dict(Name="/x", Value="v", Type="String", AllowedPattern="(" * 500 + ")" * 500), "InvalidAllowedPatternException"),
    ):
        assert code_of(put, **wrong) == code, wrong
    assert put(Name="/x", Value="v" * 8192, Type="String", Tier="Intelligent-Tiering")["Tier"] == "Advanced"
    put(Name="/n", Value="12", Type="String", AllowedPattern=r"^\d+$")
    assert code_of(put, Name="/n", Value="x", Overwrite=True) == "ParameterPatternMismatchException"
    assert code_of(put, Name="/n", Value="1", Type="StringList", Overwrite=True) == "HierarchyTypeMismatchException"
    assert ssm.get_parameter(Name="/n:1")["Parameter"]["Selector"] == ":1"
    assert code_of(ssm.get_parameters_by_path, Path="tree") == "ValidationException"
    assert code_of(ssm.get_parameters_by_path, Path="/", MaxResults=11) == "ValidationException"
    assert code_of(ssm.get_parameters_by_path, Path="/", NextToken="!") == "InvalidNextToken"
    assert code_of(ssm.get_parameter_history, Name="/n") == "UnknownOperationException"
    assert code_of(ssm.send_command, DocumentName="AWS-RunShellScript") == "UnknownOperationException"


def test_of_many_that_create_one_name_one_succeeds(cloud):
    clients = [cloud.client("ssm") for _ in range(16)]

    def create(i):
        try:
            clients[i].put_parameter(Name="/one", Value=str(i), Type="String")
            return i
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ParameterAlreadyExists"
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        won = [i for i in pool.map(create, range(16)) if i is not None]
    assert len(won) == 1 and cloud.client("ssm").get_parameter(Name="/one")["Parameter"]["Value"] == str(won[0])


def test_parameters_survive_kill_9_are_regional_and_are_listed(cloud):
    cloud.client("ssm").put_parameter(Name="/keep", Value="x", Type="String")
    cloud.kill()
    cloud.start()
    assert cloud.aws("ssm", "get-parameter", "--name", "/keep")["Parameter"]["Value"] == "x"
    assert cloud.aws("ssm", "get-parameters-by-path", "--path", "/", "--region", "eu-west-1")["Parameters"] == []
    listed = subprocess.run([BUILD / "libexec/runner/runner-cloud", "ls", "--state", cloud.state], env=clean_env(cloud.state.parent),
                            capture_output=True, text=True, check=True).stdout
    assert "parameter" in listed and "/keep" in listed and "version 1" in listed


def test_requests_and_answers_fit_the_model(recorded_cloud):
    ssm = recorded_cloud.client("ssm")
    ssm.put_parameter(Name="/m", Value="x", Type="StringList", Tags=[{"Key": "a", "Value": "1"}])
    ssm.get_parameter(Name="/m")
    ssm.get_parameters(Names=["/m", "/none"])  # the model wants no empty list, AWS gives some
    ssm.get_parameters_by_path(Path="/", Recursive=True)
    ssm.describe_parameters()
    ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/m")
    ssm.delete_parameter(Name="/m")
    recorded_cloud.proxy.assert_valid(answers=True)
