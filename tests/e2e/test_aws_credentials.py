# SPDX-License-Identifier: Apache-2.0
"""Each provider of the credentials chain against fake services, the order between them, and renewal."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import support
from fake_services import Fake, reply_json, stamp, sts_credentials, sts_error, sts_xml

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret"}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "aws").mkdir()
    return tmp_path


@pytest.fixture
def tool(home):
    """tool(*calls, env=..., args=...) -> answers of tests/tools/aws, one a call."""

    def run(*calls, env=None, args=()):
        clean = {**support.clean_env(home), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1", **(env or {})}
        clean = {k: v for k, v in clean.items() if v is not None}
        done = subprocess.run([support.BUILD / "tests/tools/aws", *args], input="\n".join(map(json.dumps, calls)) + "\n", env=clean,
                              capture_output=True, text=True, timeout=support.PATIENCE)
        assert "Sanitizer" not in done.stderr, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for a in answers:
            a["log"] = done.stderr
        return answers[0] if len(answers) == 1 else answers

    return run


@pytest.fixture
def files(home):
    def write(config="", credentials=""):
        (home / "aws/config").write_text(config)
        (home / "aws/credentials").write_text(credentials)

    return write


ASK = {"credentials": True}


def sts(answer=None):
    """A fake STS; AssumeRole gives keys named after the role, GetCallerIdentity echoes the key."""

    def default(seen):
        action = seen.form["Action"]
        if action == "GetCallerIdentity":
            return sts_xml(action, "<Arn>arn:aws:iam::111122223333:user/x</Arn><UserId>U</UserId><Account>111122223333</Account>")
        return sts_xml(action, sts_credentials(seen.form["RoleArn"].rpartition("/")[2].upper()))

    return Fake(answer or default)


def signed_with(seen):
    return seen.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def jwt(**claims):
    part = lambda d: base64.urlsafe_b64encode(json.dumps(d).encode()).rstrip(b"=").decode()  # noqa: E731
    return f"{part({'alg': 'none'})}.{part(claims)}.sig"


# ---- one provider each ----------------------------------------------------------------


def test_environment(tool):
    got = tool(ASK, env={**KEYS, "AWS_SESSION_TOKEN": "tok"})["answer"]
    assert (got["access_key"], got["secret_key"], got["token"], got["source"]) == ("AKIAENV", "env-secret", "tok", "environment")


def test_half_an_environment_is_an_error_and_no_fall_through(tool, files):
    files(credentials="[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n")
    got = tool(ASK, env={"AWS_ACCESS_KEY_ID": "AKIAENV"})
    assert not got["ok"] and "AWS_SECRET_ACCESS_KEY is not" in got["message"]


def test_shared_credentials_file_beats_config_file(tool, files):
    files(config="[default]\naws_access_key_id = AKIACONF\naws_secret_access_key = c\n",
          credentials="[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\naws_session_token = t\n")
    got = tool(ASK)["answer"]
    assert got["access_key"] == "AKIAFILE" and got["token"] == "t" and "shared credentials file" in got["source"]


def test_config_file(tool, files):
    files(config="# note\n[default]\n\naws_access_key_id=AKIACONF\naws_secret_access_key = c/d+e=\n")
    assert tool(ASK)["answer"]["secret_key"] == "c/d+e="


def test_credential_process_without_a_shell(tool, files, home):
    script = home / "my process"
    out = {"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "p", "SessionToken": "t", "Expiration": stamp(3600)}
    script.write_text(f"#!/bin/sh\n[ \"$1\" = 'a b;c' ] || exit 9\necho '{json.dumps(out)}'\n")
    script.chmod(0o755)
    files(config=f"[profile p]\ncredential_process = \"{script}\" 'a b;c'\n")
    got = tool(ASK, env={"AWS_PROFILE": "p"})["answer"]
    assert got["access_key"] == "AKIAPROC" and got["expires_ms"] > 0


def test_a_failing_credential_process_ends_the_chain_with_its_words(tool, files):
    files(config="[default]\ncredential_process = sh -c 'echo no ticket >&2; exit 3'\naws_access_key_id = A\naws_secret_access_key = b\n")
    got = tool(ASK)
    assert not got["ok"] and "no ticket" in got["message"] and "exited with 3" in got["message"]


def test_assume_role_with_a_source_profile(tool, files):
    files(config="[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"
                 "[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = base\nexternal_id = ex\n"
                 "role_session_name = me\nduration_seconds = 900\n")
    with sts() as fake:
        got = tool(ASK, env={"AWS_PROFILE": "dev", "AWS_ENDPOINT_URL_STS": fake.url})["answer"]
    assert got["access_key"] == "ASIADEV" and got["token"] == "token-DEV"
    form = fake.seen[0].form
    assert signed_with(fake.seen[0]) == "AKIABASE" and form["ExternalId"] == "ex"
    assert form["RoleSessionName"] == "me" and form["DurationSeconds"] == "900"


def test_assume_role_in_a_chain(tool, files):
    files(config="[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"
                 "[profile one]\nrole_arn = arn:aws:iam::111122223333:role/one\nsource_profile = base\n"
                 "[profile two]\nrole_arn = arn:aws:iam::111122223333:role/two\nsource_profile = one\n")
    with sts() as fake:
        got = tool(ASK, env={"AWS_PROFILE": "two", "AWS_ENDPOINT_URL": fake.url})["answer"]
    assert got["access_key"] == "ASIATWO"
    assert [signed_with(s) for s in fake.seen] == ["AKIABASE", "ASIAONE"]


def test_a_profile_may_name_itself_as_source_when_it_has_keys(tool, files):
    files(config="[profile me]\nrole_arn = arn:aws:iam::111122223333:role/me\nsource_profile = me\naws_access_key_id = AKIAME\n"
                 "aws_secret_access_key = s\n")
    with sts() as fake:
        assert tool(ASK, env={"AWS_PROFILE": "me", "AWS_ENDPOINT_URL": fake.url})["answer"]["access_key"] == "ASIAME"


@pytest.mark.parametrize("source, key", [("Environment", "AKIAENV"), ("EcsContainer", "ASIAECS")])
def test_assume_role_with_a_credential_source(tool, files, source, key):
    files(config=f"[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/dev\ncredential_source = {source}\n")
    ecs = Fake(lambda seen: reply_json({"AccessKeyId": "ASIAECS", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(3600)}))
    with sts() as fake, ecs:
        env = {"AWS_ENDPOINT_URL": fake.url, "AWS_CONTAINER_CREDENTIALS_FULL_URI": ecs.url + "/x", **KEYS}
        got = tool(ASK, env=env, args=["--profile", "dev"])["answer"]
    assert got["access_key"] == "ASIADEV" and signed_with(fake.seen[0]) == key


@pytest.mark.parametrize("config, words", [
    ("source_profile = b\n[profile b]\nrole_arn = arn:x\nsource_profile = a\n", "circle: a -> b -> a"),
    ("source_profile = nobody\n", "does not exist"),
    ("", "neither source_profile nor credential_source"),
    ("source_profile = a\ncredential_source = Environment\n", "both"),
    ("credential_source = Moon\n", "Moon"),
    ("source_profile = a\nmfa_serial = arn:aws:iam::1:mfa/me\n", "one-time code"),
])
def test_profiles_that_cannot_work_are_refused(tool, files, config, words):
    files(config=f"[profile a]\nrole_arn = arn:aws:iam::111122223333:role/a\n{config}")
    got = tool(ASK, env={"AWS_PROFILE": "a"})
    assert not got["ok"] and words in got["message"]


def test_web_identity_token_file(tool, home):
    (home / "token").write_text("the.jwt.text\n")
    with sts() as fake:
        got = tool(ASK, env={"AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"), "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/pod",
                             "AWS_ROLE_SESSION_NAME": "sess", "AWS_ENDPOINT_URL": fake.url})["answer"]
    assert got["access_key"] == "ASIAPOD"
    form = fake.seen[0].form
    assert form["WebIdentityToken"] == "the.jwt.text" and form["RoleSessionName"] == "sess"
    assert "authorization" not in fake.seen[0].headers


def github(fake_sts, token):
    service = Fake(lambda seen: reply_json({"value": token}))
    env = {"ACTIONS_ID_TOKEN_REQUEST_URL": service.url + "/tok?api-version=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer-secret",
           "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/ci", "GITHUB_ACTIONS": "true", "AWS_ENDPOINT_URL": fake_sts.url}
    return service, env


def test_github_actions_id_token(tool):
    token = jwt(iss="https://token.actions.githubusercontent.com", aud="sts.amazonaws.com", sub="repo:o/r:ref:refs/heads/main")
    with sts() as fake:
        service, env = github(fake, token)
        with service:
            got = tool(ASK, env=env)
    assert got["answer"]["access_key"] == "ASIACI" and "GitHub" in got["answer"]["source"]
    assert service.seen[0].query == {"api-version": "2", "audience": "sts.amazonaws.com"}
    assert service.seen[0].headers["authorization"] == "bearer bearer-secret"
    assert fake.seen[0].form["WebIdentityToken"] == token
    assert f"secret {token}" in got["log"] and "secret secret-CI" in got["log"]  # told to be masked


def test_a_refused_id_token_shows_its_claims(tool):
    token = jwt(iss="https://token.actions.githubusercontent.com", aud="sts.amazonaws.com", sub="repo:o/r:pull_request")
    with sts(lambda seen: sts_error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")) as fake:
        service, env = github(fake, token)
        with service:
            got = tool(ASK, env=env)
    assert not got["ok"] and "AccessDenied" in got["message"]
    assert "the token says iss=https://token.actions.githubusercontent.com, aud=sts.amazonaws.com, sub=repo:o/r:pull_request" in got["message"]
    trust = json.loads(got["hint"][got["hint"].index("{"):got["hint"].rindex("}") + 1])
    assert trust == {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                     "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
                     "Condition": {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                                                    "token.actions.githubusercontent.com:sub": "repo:o/r:pull_request"}}}
    assert "role/ci" in got["hint"] and token not in got["message"] + got["hint"] and len(got["hint"]) < 1020


@pytest.mark.parametrize("token", ["no-jwt", "a.!!.c", "a.e30.c"])
def test_a_refused_token_that_says_nothing_is_refused_with_what_to_compare(tool, token):
    with sts(lambda seen: sts_error("AccessDenied", "no")) as fake:
        got = tool(ASK, env={"GITLAB_OIDC_TOKEN": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/gl", "AWS_ENDPOINT_URL": fake.url})
    assert not got["ok"] and "trust policy of arn:aws:iam::1:role/gl" in got["hint"] and "GitLab" in got["message"]


def test_a_verification_key_that_cannot_be_fetched_is_tried_again(tool):
    answers = [sts_error("InvalidIdentityToken", "Couldn't retrieve verification key", 400)]

    def answer(seen):
        return answers.pop() if answers else sts_xml(seen.form["Action"], sts_credentials("CI"))

    with sts(answer) as fake:
        service, env = github(fake, jwt(sub="x"))
        with service:
            assert tool(ASK, env=env)["answer"]["access_key"] == "ASIACI"
    assert len(fake.seen) == 2


def test_a_github_job_without_id_token_permission_is_told_so(tool):
    got = tool(ASK, env={"GITHUB_ACTIONS": "true", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"})
    assert "id-token: write" in got["message"]


def test_gitlab_id_token(tool):
    with sts() as fake:
        got = tool(ASK, env={"GITLAB_OIDC_TOKEN": jwt(sub="project_path:g/p"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/gl",
                             "AWS_ENDPOINT_URL": fake.url})["answer"]
    assert got["access_key"] == "ASIAGL" and "GitLab" in got["source"]


def test_keys_left_in_the_environment_of_a_job_are_named_where_they_hide_its_id_token(tool):
    got = tool(ASK, env={**KEYS, "GITLAB_OIDC_TOKEN": jwt(sub="x"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/gl"})["answer"]
    assert got["access_key"] == "AKIAENV" and "not the job's ID token" in got["source"]


def sso_cache(home, name, **content):
    folder = home / ".aws/sso/cache"
    folder.mkdir(parents=True)
    (folder / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(content))


def test_sso_with_a_session(tool, files, home):
    files(config="[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
                 "[profile sso]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Dev\n")
    sso_cache(home, "corp", accessToken="sso-token", expiresAt=stamp(3600))
    reply = {"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1999999999000}}
    with Fake(lambda seen: reply_json(reply)) as fake:
        got = tool(ASK, env={"AWS_PROFILE": "sso", "AWS_ENDPOINT_URL_SSO": fake.url})["answer"]
    assert got["access_key"] == "ASIASSO" and got["expires_ms"] == 1999999999000
    seen = fake.seen[0]
    assert seen.path == "/federation/credentials" and seen.query == {"role_name": "Dev", "account_id": "111122223333"}
    assert seen.headers["x-amz-sso_bearer_token"] == "sso-token" and "authorization" not in seen.headers


@pytest.mark.parametrize("expires", [None, -10])
def test_sso_without_a_live_token_names_the_cure(tool, files, home, expires):
    files(config="[profile sso]\nsso_start_url = https://corp/start\nsso_region = eu-central-1\nsso_account_id = 1\nsso_role_name = Dev\n")
    if expires:
        sso_cache(home, "https://corp/start", accessToken="x", expiresAt=stamp(expires))
    got = tool(ASK, env={"AWS_PROFILE": "sso"})
    assert not got["ok"] and "aws sso login --profile sso" in got["hint"]


REFRESHABLE = {"accessToken": "old", "clientId": "cid", "clientSecret": "csecret", "refreshToken": "rtoken", "registrationExpiresAt": stamp(90 * 86400)}


@pytest.mark.parametrize("left", [-10, 600])
def test_an_sso_token_of_a_session_is_renewed_in_time_and_kept(tool, files, home, left):
    files(config="[sso-session corp]\nsso_start_url = https://corp/start\nsso_region = eu-central-1\n"
                 "[profile sso]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Dev\n")
    sso_cache(home, "corp", **REFRESHABLE, expiresAt=stamp(left))

    def answer(seen):
        if seen.path == "/token":
            return reply_json({"accessToken": "new", "expiresIn": 3600, "refreshToken": "rtoken2", "tokenType": "Bearer"})
        return reply_json({"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1999999999000}})

    with Fake(answer) as fake:
        got = tool(ASK, env={"AWS_PROFILE": "sso", "AWS_ENDPOINT_URL": fake.url})
    assert got["answer"]["access_key"] == "ASIASSO" and fake.seen[1].headers["x-amz-sso_bearer_token"] == "new"
    assert json.loads(fake.seen[0].body) == {"grantType": "refresh_token", "clientId": "cid", "clientSecret": "csecret", "refreshToken": "rtoken"}
    assert "authorization" not in fake.seen[0].headers
    [path] = (home / ".aws/sso/cache").iterdir()
    kept = json.loads(path.read_text())
    assert kept["accessToken"] == "new" and kept["refreshToken"] == "rtoken2" and kept["expiresAt"] > stamp(3000) and path.stat().st_mode & 0o777 == 0o600
    assert "secret csecret" in got["log"] and "secret new" in got["log"]  # told to be masked


@pytest.mark.parametrize("left, ok", [(600, True), (-10, False)])
def test_an_sso_token_that_cannot_be_renewed_serves_while_it_lives(tool, files, home, left, ok):
    files(config="[sso-session corp]\nsso_start_url = https://corp/start\nsso_region = eu-central-1\n"
                 "[profile sso]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Dev\n")
    sso_cache(home, "corp", **REFRESHABLE, expiresAt=stamp(left))

    def answer(seen):
        if seen.path == "/token":
            return reply_json({"error": "invalid_grant", "error_description": "over"}, 400, {"x-amzn-ErrorType": "InvalidGrantException"})
        return reply_json({"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1999999999000}})

    with Fake(answer) as fake:
        got = tool(ASK, env={"AWS_PROFILE": "sso", "AWS_ENDPOINT_URL": fake.url})
    assert got["ok"] is ok and (ok or "aws sso login --profile sso" in got["hint"])


def login_cache(home, name, **content):
    folder = home / ".aws/login/cache"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hashlib.sha256(name.encode()).hexdigest()}.json").write_text(json.dumps(content))


def test_a_login_session(tool, files, home):
    files(config="[profile me]\nlogin_session = arn:aws:iam::111122223333:user/me\n")
    keys = {"accessKeyId": "ASIALOGIN", "secretAccessKey": "s", "sessionToken": "t", "accountId": "111122223333", "expiresAt": stamp(600)}
    login_cache(home, "arn:aws:iam::111122223333:user/me", accessToken=keys, refreshToken="r", dpopKey="k", clientId="c")
    got = tool(ASK, env={"AWS_PROFILE": "me"})["answer"]
    assert got["access_key"] == "ASIALOGIN" and got["token"] == "t" and "login session" in got["source"]


@pytest.mark.parametrize("token", [None, {}, {"accessToken": {"accessKeyId": "A", "secretAccessKey": "s", "sessionToken": "t", "expiresAt": stamp(-5)}}])
def test_a_login_session_that_is_over_names_the_cure(tool, files, home, token):
    files(config="[profile me]\nlogin_session = x\n")
    if token is not None:
        login_cache(home, "x", **token)
    got = tool(ASK, env={"AWS_PROFILE": "me"})
    assert not got["ok"] and "aws login --profile me" in got["hint"] and "login session" in got["message"]


def test_container_endpoint_reads_its_token_file_each_time(tool, home):
    (home / "token").write_text("pod-token\n")
    keys = {"AccessKeyId": "ASIAPOD", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(3600)}
    with Fake(lambda seen: reply_json(keys)) as fake:
        got = tool(ASK, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url + "/v1/credentials",
                             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(home / "token")})["answer"]
    assert got["access_key"] == "ASIAPOD" and fake.seen[0].headers["authorization"] == "pod-token"


ADDRESSES = """
import json, subprocess, sys
sys.path.insert(0, sys.argv[1])
for a in ("169.254.170.2", "169.254.169.254"):
    subprocess.run(["ip", "addr", "add", a + "/32", "dev", "lo"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
import fake_services
from http.server import ThreadingHTTPServer
from test_aws_credentials import imds
from fake_services import Fake, reply_json, stamp

class There(ThreadingHTTPServer):
    address = None

    def __init__(self, _, handler):
        super().__init__((There.address, 80), handler)

fake_services.ThreadingHTTPServer = There
There.address = "169.254.170.2"
ecs = Fake(lambda seen: reply_json({"AccessKeyId": "ASIATASK", "SecretAccessKey": seen.target, "Token": seen.headers.get("authorization", "-"), "Expiration": stamp(3600)}))
There.address = "169.254.169.254"
ec2 = Fake(imds)
sys.exit(subprocess.run([sys.argv[2]], input=b'{"credentials": true}\\n').returncode)
"""


@pytest.mark.parametrize("env, want", [
    ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "tok"}, ("ASIATASK", "/v2/credentials/1", "tok")),
    ({"AWS_EC2_METADATA_DISABLED": None}, ("ASIAEC2", "s", "t")),
])
def test_the_addresses_of_ecs_and_ec2(home, env, want):
    """In a network of its own, where both addresses are on loopback."""
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ADDRESSES, str(Path(__file__).parent),
                           str(support.BUILD / "tests/tools/aws")],
                          env={k: v for k, v in {**support.clean_env(home), "AWS_REGION": "eu-west-1", **env}.items() if v}, capture_output=True, text=True, timeout=support.PATIENCE)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)["answer"]
    assert (got["access_key"], got["secret_key"], got["token"]) == want


def test_container_endpoint_elsewhere_without_tls_is_refused(tool):
    got = tool(ASK, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://198.51.100.1/x"})
    assert not got["ok"] and "without TLS" in got["message"]


def imds(seen):
    if seen.method == "PUT":
        assert seen.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        return 200, {}, "imds-token"
    if seen.headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return 401, {}, ""
    if seen.path.endswith("/security-credentials/"):
        return 200, {}, "my-role"
    return reply_json({"Code": "Success", "AccessKeyId": "ASIAEC2", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(21000)})


def test_instance_metadata_with_a_token(tool):
    with Fake(imds) as fake:
        got = tool(ASK, env={"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": fake.url + "/"})["answer"]
    assert got["access_key"] == "ASIAEC2" and "my-role" in got["source"]
    assert [s.method for s in fake.seen] == ["PUT", "GET", "GET"]


def test_instance_without_a_role_is_not_configured(tool):
    answer = lambda seen: (200, {}, "t") if seen.method == "PUT" else (404, {}, "")  # noqa: E731
    with Fake(answer) as fake:
        got = tool(ASK, env={"AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": fake.url})
    assert not got["ok"] and "has no role" in got["message"]


# ---- order ------------------------------------------------------------------------------


def everything(home, files, fake, ecs):
    """A machine where every provider could answer; the test takes one away after the other."""
    (home / "token").write_text("a.b.c")
    out = json.dumps({"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "p"})
    (home / "proc").write_text(f"#!/bin/sh\necho '{out}'\n")
    (home / "proc").chmod(0o755)
    return {**KEYS, "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/web",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": ecs.url, "AWS_ENDPOINT_URL": fake.url}


def test_the_order_is_botocores(tool, files, home):
    base = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n[default]\n"
    role = "role_arn = arn:aws:iam::1:role/prof\nsource_profile = base\n"
    process = f"credential_process = {home}/proc\n"
    keys = "aws_access_key_id = AKIACONF\naws_secret_access_key = s\n"
    sso = "sso_start_url = https://corp/start\nsso_region = eu-central-1\nsso_account_id = 1\nsso_role_name = Dev\n"
    sso_cache(home, "https://corp/start", accessToken="x", expiresAt=stamp(3600))
    login = "login_session = me\n"
    login_cache(home, "me", accessToken={"accessKeyId": "ASIALOGIN", "secretAccessKey": "s", "sessionToken": "t", "expiresAt": stamp(600)})
    shared = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n"
    ecs_keys = {"AccessKeyId": "ASIAECS", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(3600)}
    with sts() as fake, Fake(lambda seen: reply_json(ecs_keys)) as ecs:
        env = everything(home, files, fake, ecs)

        def winner():
            return tool(ASK, env=env)["answer"]["access_key"]

        files(base + role + process + keys, shared)
        assert winner() == "AKIAENV"
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        assert winner() == "ASIAPROF"
        files(base + sso + login + process + keys, shared)
        assert winner() == "ASIAWEB"
        del env["AWS_WEB_IDENTITY_TOKEN_FILE"]
        env.update(GITLAB_OIDC_TOKEN=jwt(sub="x"), AWS_ROLE_ARN="arn:aws:iam::1:role/oidc")
        assert winner() == "ASIAOIDC"
        del env["GITLAB_OIDC_TOKEN"]
        with Fake(lambda seen: reply_json({"roleCredentials": {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 1999999999000}})) as portal:
            env["AWS_ENDPOINT_URL_SSO"] = portal.url
            assert winner() == "ASIASSO"
        files(base + login + process + keys, shared)
        assert winner() == "AKIAFILE"
        files(base + login + process + keys)
        assert winner() == "ASIALOGIN"
        files(base + process + keys)
        assert winner() == "AKIAPROC"
        files(base + keys)
        assert winner() == "AKIACONF"
        files()
        assert winner() == "ASIAECS"
        del env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        with Fake(imds) as ec2:
            env.update(AWS_EC2_METADATA_SERVICE_ENDPOINT=ec2.url, AWS_EC2_METADATA_DISABLED="false")
            assert winner() == "ASIAEC2"


def test_environment_keys_beat_aws_profile_but_not_an_explicit_profile(tool, files):
    files(credentials="[p]\naws_access_key_id = AKIAP\naws_secret_access_key = s\n")
    assert tool(ASK, env={**KEYS, "AWS_PROFILE": "p"})["answer"]["access_key"] == "AKIAENV"
    assert tool(ASK, env=KEYS, args=["--profile", "p"])["answer"]["access_key"] == "AKIAP"


def test_a_missing_named_profile_is_an_error(tool):
    got = tool(ASK, env={**KEYS, "AWS_PROFILE": "nope"})
    assert not got["ok"] and '"nope"' in got["message"]


def test_a_malformed_profile_file_names_its_line(tool, files):
    files(config="[default]\nregion = eu-west-1\nnonsense\n")
    got = tool(ASK)
    assert not got["ok"] and "config:3" in got["message"]


def test_without_any_credentials_all_that_was_tried_is_listed(tool):
    got = tool(ASK)
    assert not got["ok"] and got["code"] == "auth"
    for name in ("environment", "web identity", "GitHub", "SSO", "shared credentials file", "login session", "credential_process", "config file", "container",
                 "EC2"):
        assert name in got["message"], name
    assert "--local" in got["hint"]


# ---- renewal --------------------------------------------------------------------------------


def test_credentials_are_renewed_ahead_of_their_expiry(tool):
    numbers = iter(range(100))

    def answer(seen):
        return reply_json({"AccessKeyId": f"ASIA{next(numbers)}", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(50)})

    with Fake(answer) as fake:  # less than a minute left: each use asks again
        first, second = tool(ASK, ASK, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url})
    assert (first["answer"]["access_key"], second["answer"]["access_key"]) == ("ASIA0", "ASIA1")


def test_live_credentials_are_kept_when_the_renewal_fails(tool):
    answers = [reply_json({"AccessKeyId": "ASIA0", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(50)})]
    with Fake(lambda seen: answers.pop() if answers else (404, {}, "gone")) as fake:
        first, second = tool(ASK, ASK, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url})
    assert first["answer"] == second["answer"] and "could not be renewed yet" in second["log"]


def test_long_lived_credentials_are_asked_for_once(tool):
    keys = {"AccessKeyId": "ASIA0", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(3600)}
    with Fake(lambda seen: reply_json(keys)) as fake:
        tool(ASK, ASK, ASK, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.url})
    assert len(fake.seen) == 1


@pytest.mark.parametrize("recorded", ["cloud"], indirect=True)
def test_keys_that_expire_while_a_stage_works_are_renewed(bench, recorded):
    """Each answer of the container endpoint is a new session of the cloud's STS with less than a minute to live, and the service
    refuses one of them as expired in the middle of the run."""
    iam, sts_client = recorded.direct.client("iam"), recorded.direct.client("sts")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": sts_client.get_caller_identity()["Account"]}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    given = []

    def keys(seen):
        found = sts_client.assume_role(RoleArn=arn, RoleSessionName=f"s{len(given)}")["Credentials"]
        given.append(found["AccessKeyId"])
        recorded.proxy.secrets[found["AccessKeyId"]] = found["SecretAccessKey"]
        return reply_json({"AccessKeyId": found["AccessKeyId"], "SecretAccessKey": found["SecretAccessKey"], "Token": found["SessionToken"],
                           "Expiration": stamp(50 if len(given) < 4 else 3600)})

    with Fake(keys) as ecs:
        stage = bench(recorded, "iam", {"role_name": "made", "trust": ["lambda.amazonaws.com"], "managed_policies": ["service-role/AWSLambdaBasicExecutionRole"]},
                      env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_CONTAINER_CREDENTIALS_FULL_URI": ecs.url})
        recorded.proxy.fault("iam.AttachRolePolicy", "expired")
        stage("run")
        stage.valid()
    used = list(dict.fromkeys(signed_with(c) for c in recorded.proxy.calls))
    assert used == given[:len(used)] and len(used) >= 4, (used, given)
    assert len(iam.list_attached_role_policies(RoleName="made")["AttachedPolicies"]) == 1
    home = stage.runner.cwd
    secrets = [recorded.proxy.secrets[k].encode() for k in given]
    for path in (home / ".runner").rglob("*"):
        assert not path.is_file() or not any(s in path.read_bytes() for s in secrets), path


# ---- runner aws whoami -----------------------------------------------------------------------


def whoami(home, *args, env):
    return subprocess.run([support.BUILD / "libexec/runner/runner-aws", "whoami", *args], env={**support.clean_env(home), **env},
                          capture_output=True, text=True, timeout=support.PATIENCE)


def test_whoami_says_who_and_how(home):
    with sts() as fake:
        env = {**KEYS, "AWS_ENDPOINT_URL": fake.url, "AWS_REGION": "eu-west-1"}
        text = whoami(home, env=env).stdout
        found = json.loads(whoami(home, "--output", "json", env=env).stdout)
    assert "arn:aws:iam::111122223333:user/x" in text and "environment" in text and "env-secret" not in text
    assert found["account"] == "111122223333" and found["credentials"] == "environment" and found["region"] == "eu-west-1"


def test_whoami_without_credentials_fails_and_lists_what_was_tried(home):
    done = whoami(home, env={})
    assert done.returncode == 1 and "tried:" in done.stderr and "env-secret" not in done.stderr


def test_whoami_refuses_unknown_arguments(home):
    assert whoami(home, "--nonsense", env={}).returncode == 2
