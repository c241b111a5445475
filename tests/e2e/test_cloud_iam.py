# SPDX-License-Identifier: Apache-2.0
"""IAM and STS of the local cloud, and who is let in."""

import base64
import json
import time
import urllib.parse

import boto3
import pytest
from botocore.exceptions import ClientError

from support import http

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
def iam(cloud):
    return cloud.client("iam")


def code(call, **arguments):
    with pytest.raises(ClientError) as info:
        call(**arguments)
    return info.value.response["Error"]["Code"], info.value.response["ResponseMetadata"]["HTTPStatusCode"]


def role(iam, name="r1", trust=TRUST, **more):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **more)["Role"]


def test_a_role_lives_and_dies(iam):
    made = role(iam, Path="/team/", Description="a <role> & more", MaxSessionDuration=7200, Tags=[{"Key": "k", "Value": "v"}],
                PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")
    assert made["Arn"] == "arn:aws:iam::000000000000:role/team/r1" and made["RoleId"].startswith("AROA")
    found = iam.get_role(RoleName="r1")["Role"]
    assert found["Description"] == "a <role> & more" and found["AssumeRolePolicyDocument"] == TRUST
    assert found["MaxSessionDuration"] == 7200 and found["Tags"] == [{"Key": "k", "Value": "v"}]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("PowerUserAccess")
    assert code(iam.create_role, RoleName="R1", AssumeRolePolicyDocument=json.dumps(TRUST)) == ("EntityAlreadyExists", 409)
    iam.delete_role(RoleName="r1")
    assert code(iam.get_role, RoleName="r1") == ("NoSuchEntity", 404)
    assert code(iam.delete_role, RoleName="r1") == ("NoSuchEntity", 404)


def test_a_role_changes(iam):
    role(iam)
    iam.update_role(RoleName="r1", Description="new", MaxSessionDuration=3600)
    other = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}}]}
    iam.update_assume_role_policy(RoleName="r1", PolicyDocument=json.dumps(other))
    iam.put_role_permissions_boundary(RoleName="r1", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.tag_role(RoleName="r1", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    iam.untag_role(RoleName="r1", TagKeys=["a"])
    found = iam.get_role(RoleName="r1")["Role"]
    assert found["Description"] == "new" and found["AssumeRolePolicyDocument"] == other
    assert iam.list_role_tags(RoleName="r1")["Tags"] == found["Tags"] == [{"Key": "b", "Value": ""}]
    iam.delete_role_permissions_boundary(RoleName="r1")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="r1")["Role"]


@pytest.mark.parametrize("document", [
    "no json", "[]", "{}", {"Statement": []}, {"Version": "2020-01-01", "Statement": TRUST["Statement"]},
    {"Statement": [{"Effect": "Maybe", "Principal": "*", "Action": "sts:AssumeRole"}]},
    {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]},
    {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda"}, "Action": "sts:AssumeRole"}]},
    {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}]},
    {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "AssumeRole"}]},
])
def test_a_malformed_trust_policy_is_refused(iam, document):
    text = document if isinstance(document, str) else json.dumps(document)
    assert code(iam.create_role, RoleName="r1", AssumeRolePolicyDocument=text) == ("MalformedPolicyDocument", 400)


@pytest.mark.parametrize("more", [{"RoleName": "bad name"}, {"RoleName": "x" * 65}, {"Path": "team"}, {"Description": "x" * 1001},
                                  {"MaxSessionDuration": 50000}])
def test_bad_values_are_refused(iam, more):
    wanted = {"RoleName": "r1", "AssumeRolePolicyDocument": json.dumps(TRUST), **more}
    lax = iam  # values that botocore itself refuses must reach the cloud
    lax.meta.events.register("before-parameter-build.iam", lambda **_: None)
    assert code(lax.create_role, **wanted) == ("ValidationError", 400)


def test_managed_policies_are_attached(iam):
    role(iam)
    iam.attach_role_policy(RoleName="r1", PolicyArn=BASIC)
    iam.attach_role_policy(RoleName="r1", PolicyArn=BASIC)
    assert iam.list_attached_role_policies(RoleName="r1")["AttachedPolicies"] == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    assert iam.get_policy(PolicyArn=BASIC)["Policy"]["AttachmentCount"] == 1
    assert [r["RoleName"] for r in iam.list_entities_for_policy(PolicyArn=BASIC)["PolicyRoles"]] == ["r1"]
    assert code(iam.attach_role_policy, RoleName="r1", PolicyArn="arn:aws:iam::aws:policy/NoSuchThing") == ("NoSuchEntity", 404)
    assert code(iam.delete_role, RoleName="r1") == ("DeleteConflict", 409)
    iam.detach_role_policy(RoleName="r1", PolicyArn=BASIC)
    assert code(iam.detach_role_policy, RoleName="r1", PolicyArn=BASIC) == ("NoSuchEntity", 404)
    iam.delete_role(RoleName="r1")


def test_own_managed_policies(iam):
    made = iam.create_policy(PolicyName="p1", PolicyDocument=json.dumps(ALLOW))["Policy"]
    assert made["Arn"] == "arn:aws:iam::000000000000:policy/p1"
    assert code(iam.create_policy, PolicyName="p1", PolicyDocument=json.dumps(ALLOW)) == ("EntityAlreadyExists", 409)
    role(iam)
    iam.attach_role_policy(RoleName="r1", PolicyArn=made["Arn"])
    assert iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]["Document"] == ALLOW
    assert [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]] == ["p1"]
    assert code(iam.delete_policy, PolicyArn=made["Arn"]) == ("DeleteConflict", 409)
    iam.detach_role_policy(RoleName="r1", PolicyArn=made["Arn"])
    iam.delete_policy(PolicyArn=made["Arn"])
    assert code(iam.get_policy, PolicyArn=made["Arn"]) == ("NoSuchEntity", 404)


def test_inline_policies(iam):
    role(iam)
    for name in ("two", "one"):
        iam.put_role_policy(RoleName="r1", PolicyName=name, PolicyDocument=json.dumps(ALLOW))
    assert iam.list_role_policies(RoleName="r1")["PolicyNames"] == ["one", "two"]
    assert iam.get_role_policy(RoleName="r1", PolicyName="one")["PolicyDocument"] == ALLOW
    assert code(iam.put_role_policy, RoleName="r1", PolicyName="x", PolicyDocument=json.dumps(TRUST)) == ("MalformedPolicyDocument", 400)
    assert code(iam.delete_role, RoleName="r1") == ("DeleteConflict", 409)
    for name in ("one", "two"):
        iam.delete_role_policy(RoleName="r1", PolicyName=name)
    assert code(iam.get_role_policy, RoleName="r1", PolicyName="one") == ("NoSuchEntity", 404)
    iam.delete_role(RoleName="r1")


def test_lists_come_in_pages(iam):
    for i in range(5):
        role(iam, f"Role{i}", Path="/odd/" if i % 2 else "/")
    pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
    assert [[r["RoleName"] for r in p["Roles"]] for p in pages] == [["Role0", "Role1"], ["Role2", "Role3"], ["Role4"]]
    assert [r["RoleName"] for r in iam.list_roles(PathPrefix="/odd/")["Roles"]] == ["Role1", "Role3"]
    names = [p["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 7})
             for p in page["Policies"]]
    assert len(names) == len(set(names)) > 30 and "AWSLambdaBasicExecutionRole" in names


def test_an_unknown_action_is_refused(iam):
    assert code(iam.create_group, GroupName="g") == ("InvalidAction", 400)


def test_the_stock_cli_agrees(cloud, iam):
    role(iam)
    assert cloud.aws("iam", "get-role", "--role-name", "r1")["Role"]["AssumeRolePolicyDocument"] == TRUST
    assert cloud.aws("sts", "get-caller-identity")["Arn"] == "arn:aws:iam::000000000000:root"


# ---- who is let in ----

def client(cloud, service, **more):
    return boto3.client(service, **{"endpoint_url": cloud.url, "region_name": "us-east-1", "aws_access_key_id": cloud.access_key,
                                    "aws_secret_access_key": cloud.secret_key, **more})


@pytest.mark.parametrize("service, call, wrong_secret, wrong_key", [
    ("sts", "get_caller_identity", ("SignatureDoesNotMatch", 403), ("InvalidClientTokenId", 403)),
    ("ecr", "describe_repositories", ("InvalidSignatureException", 400), ("UnrecognizedClientException", 400)),
    ("apigateway", "get_rest_apis", ("InvalidSignatureException", 403), ("UnrecognizedClientException", 403)),
    ("lambda", "list_functions", ("InvalidSignatureException", 403), ("UnrecognizedClientException", 403)),
])
def test_wrong_credentials_are_refused_in_the_words_of_the_service(cloud, service, call, wrong_secret, wrong_key):
    assert code(getattr(client(cloud, service, aws_secret_access_key="wrong"), call)) == wrong_secret
    assert code(getattr(client(cloud, service, aws_access_key_id="AKIAWRONG00000000000"), call)) == wrong_key


def test_no_signature_at_all(cloud):
    status, headers, body = http("GET", f"{cloud.url}/restapis")
    assert status == 403 and headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert json.loads(body) == {"message": "Missing Authentication Token"}
    status, _, body = http("POST", cloud.url, {"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"}, b"{}")
    assert status == 400 and json.loads(body)["__type"] == "MissingAuthenticationTokenException"
    status, _, body = http("POST", cloud.url, {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=ListRoles&Version=2010-05-08")
    assert status == 403 and b"<Code>MissingAuthenticationToken</Code>" in body


def signed_at(cloud, seconds, region="us-east-1"):
    """A GetCallerIdentity signed `seconds` from now."""
    import datetime
    from unittest import mock

    from botocore import auth, awsrequest, credentials

    request = awsrequest.AWSRequest("POST", cloud.url + "/", data="Action=GetCallerIdentity&Version=2011-06-15",
                                    headers={"Content-Type": "application/x-www-form-urlencoded"})
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    signer = auth.SigV4Auth(credentials.Credentials(cloud.access_key, cloud.secret_key), "sts", region)
    with mock.patch("botocore.auth.get_current_datetime", return_value=then):
        signer.add_auth(request)
    return http("POST", cloud.url + "/", dict(request.headers), request.data if isinstance(request.data, bytes) else request.data.encode())


def test_a_signature_has_its_time(cloud):
    assert signed_at(cloud, -600)[0] == 200
    for seconds, text in ((-1200, b"Signature expired"), (1200, b"Signature not yet current")):
        status, _, body = signed_at(cloud, seconds)
        assert status == 403 and b"SignatureDoesNotMatch" in body and text in body


@pytest.mark.parametrize("region", ["..", "", "us_east_1"])
def test_a_signature_names_a_region(cloud, region):
    status, _, body = signed_at(cloud, 0, region)
    assert status == 403 and b"scoped to a valid region" in body


def test_a_presigned_address_works_once_its_time_holds(cloud):
    url = client(cloud, "sts").generate_presigned_url("get_caller_identity", ExpiresIn=600, HttpMethod="GET")
    status, _, body = http("GET", url)
    assert status == 200 and b"<Account>000000000000</Account>" in body, body
    assert http("GET", url.replace("X-Amz-Expires=600", "X-Amz-Expires=601"))[0] == 403


def test_sessions_of_roles(cloud, iam):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
                                                     "Action": "sts:AssumeRole"}]}
    made, sts = role(iam, "deployer", trust), cloud.client("sts")
    role(iam, "closed")
    got = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="ci")
    assert got["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/deployer/ci"
    keys = got["Credentials"]
    session = client(cloud, "sts", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
                     aws_session_token=keys["SessionToken"])
    assert session.get_caller_identity()["Arn"] == got["AssumedRoleUser"]["Arn"]
    no_token = client(cloud, "sts", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    assert code(no_token.get_caller_identity) == ("InvalidClientTokenId", 403)
    assert code(sts.assume_role, RoleArn=made["Arn"].replace("deployer", "closed"), RoleSessionName="ci") == ("AccessDenied", 403)
    assert code(sts.assume_role, RoleArn=made["Arn"] + "x", RoleSessionName="ci") == ("AccessDenied", 403)


def jwt(**claims):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()  # noqa: E731
    return ".".join((part({"alg": "RS256"}), part(claims), "c2ln"))


def test_sessions_by_web_identity(cloud, iam):
    issuer = "token.actions.githubusercontent.com"
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::000000000000:oidc-provider/{issuer}"},
        "Condition": {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}, "StringLike": {f"{issuer}:sub": "repo:o/r:*"}}}]}
    arn = role(iam, "ci", trust)["Arn"]
    sts = boto3.client("sts", endpoint_url=cloud.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    claims = {"iss": f"https://{issuer}", "aud": "sts.amazonaws.com", "sub": "repo:o/r:ref:refs/heads/main", "exp": time.time() + 3600}
    assume = lambda **more: sts.assume_role_with_web_identity(  # noqa: E731
        RoleArn=arn, RoleSessionName="ci", WebIdentityToken=jwt(**{**claims, **more}))
    got = assume()
    assert got["SubjectFromWebIdentityToken"] == claims["sub"] and got["Audience"] == "sts.amazonaws.com"
    for more, wanted in (({"sub": "repo:else/r:x"}, "AccessDenied"), ({"aud": "other"}, "AccessDenied"),
                         ({"iss": "https://else"}, "AccessDenied"), ({"exp": 1}, "ExpiredTokenException")):
        assert code(assume, **more)[0] == wanted, more
    with pytest.raises(ClientError) as info:
        sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="ci", WebIdentityToken="no token")
    assert info.value.response["Error"]["Code"] == "InvalidIdentityToken"


def test_a_service_that_is_not_here_says_so(cloud):
    with pytest.raises(ClientError) as info:
        client(cloud, "sqs").list_queues()
    assert "no service \"sqs\"" in info.value.response["Error"]["Message"]
    assert urllib.parse.urlparse(cloud.url).hostname == "127.0.0.1"
