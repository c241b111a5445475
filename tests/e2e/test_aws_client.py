# SPDX-License-Identifier: Apache-2.0
"""The AWS client against misbehaving endpoints: retries, clock, expired tokens, errors, pages, endpoints."""

import json
import re
import select
import socket
import ssl
import subprocess
import time
from email.utils import formatdate

import pytest

import support
from fake_services import Fake, reply_json, stamp, sts_credentials, sts_error, sts_xml

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret", "AWS_REGION": "eu-west-1"}
GET = {"service": "lambda", "protocol": "rest", "operation": "GetFunction", "method": "GET", "path": "/2015-03-31/functions/f"}
CREATE = {"service": "apigateway", "protocol": "rest", "operation": "CreateRestApi", "method": "POST", "path": "/restapis",
          "input": {"name": "x"}, "once": True}


@pytest.fixture
def call(tmp_path):
    """call(*calls, url=..., env=..., args=...) -> answers; one call gives one answer."""

    def run(*calls, url=None, env=None, args=()):
        full = {**support.clean_env(tmp_path), **KEYS, **({"AWS_ENDPOINT_URL": url} if url else {}), **(env or {})}
        full = {k: v for k, v in full.items() if v is not None}
        done = subprocess.run([support.BUILD / "tests/tools/aws", *args], input="\n".join(map(json.dumps, calls)) + "\n", env=full,
                              capture_output=True, text=True, timeout=support.PATIENCE)
        assert "Sanitizer" not in done.stderr, done.stderr
        answers = [{**json.loads(line), "log": done.stderr} for line in done.stdout.splitlines()]
        return answers[0] if len(answers) == 1 else answers

    return run


def scripted(*replies):
    """A fake that gives the replies in order, the last one for ever."""
    left = list(replies)
    return Fake(lambda seen: left.pop(0) if len(left) > 1 else left[0])


OK = reply_json({"ok": True})


# ---- retries ------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [
    (500, {}, ""), (502, {}, "x"), (503, {}, "{}"), (504, {}, ""), None,
    reply_json({"message": "slow down"}, 429, {"x-amzn-ErrorType": "TooManyRequestsException:http://x"}),
    reply_json({"__type": "ThrottlingException", "message": "Rate exceeded"}, 400),
])
def test_transient_failures_are_repeated(call, bad):
    with scripted(bad, OK) as fake:
        got = call(GET, url=fake.url)
    assert got["ok"] and got["answer"] == {"ok": True} and len(fake.seen) == 2


def test_it_gives_up_after_three_attempts(call):
    with scripted((500, {}, "")) as fake:
        got = call(GET, url=fake.url)
    assert not got["ok"] and len(fake.seen) == 3 and got["retryable"] and got["error"]["attempts"] == 3 and got["error"]["maybe_done"]


def test_the_number_of_attempts_can_be_set(call):
    with scripted((500, {}, "")) as fake:
        call(GET, url=fake.url, env={"AWS_MAX_ATTEMPTS": "1"})
    assert len(fake.seen) == 1


THROTTLED = reply_json({"message": "slow down"}, 429, {"x-amzn-ErrorType": "TooManyRequestsException"})


def waits(log):
    """Milliseconds before each repetition."""
    return [int(n) for n in re.findall(r"once more in (\d+) ms", log)]


def test_the_backoff_doubles_up_to_its_ceilings_with_full_jitter(call):
    """50 ms first for what failed, 1 s for what was throttled, 20 s at most: the SDKs' standard mode."""
    seen = []
    for _ in range(4):
        with scripted((500, {}, "")) as fake:
            got = call(GET, url=fake.url, env={"AWS_MAX_ATTEMPTS": "4"})
        seen.append(waits(got["log"]))
    assert all(len(w) == 3 and all(0 <= d <= 50 * 2**i for i, d in enumerate(w)) for w in seen), seen
    assert len({d for w in seen for d in w}) > 4, seen  # random
    with scripted(THROTTLED, OK) as fake:
        got = call(GET, url=fake.url)
    assert got["ok"] and 0 <= waits(got["log"])[0] <= 1000


def test_the_tokens_for_repetitions_run_out(call):
    """500 for a session, 14 for a repetition, 5 for one of a throttled call."""
    with scripted((500, {}, "")) as fake:
        got = call(*[GET] * 20, url=fake.url)
    assert not any(g["ok"] for g in got)
    assert [g["error"]["attempts"] for g in got] == [3] * 17 + [2] + [1] * 2


def test_a_success_gives_the_tokens_back(call):
    with scripted(*[(500, {}, ""), OK] * 40, OK) as fake:
        got = call(*[GET] * 40, url=fake.url)
    assert all(g["ok"] for g in got) and len(fake.seen) == 80


def test_x_amz_retry_after_counts_for_five_seconds_at_most(call, tmp_path):
    with scripted((503, {"x-amz-retry-after": "300"}, ""), (503, {"x-amz-retry-after": "-1"}, ""), OK) as fake:
        first, second = waits(call(GET, url=fake.url)["log"])
    assert 300 <= first <= 350 and second <= 100
    with scripted((503, {"x-amz-retry-after": "3600000"}, "")) as fake:
        env = {**support.clean_env(tmp_path), **KEYS, "AWS_ENDPOINT_URL": fake.url}
        with subprocess.Popen([support.BUILD / "tests/tools/aws"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, text=True) as tool:
            tool.stdin.write(json.dumps(GET) + "\n")
            tool.stdin.flush()
            line = next(line for line in tool.stderr if "once more" in line)
            tool.kill()  # it would wait
    assert 5000 <= waits(line)[0] <= 5050


def test_the_retry_mode_is_legacy_standard_or_adaptive(call):
    for mode, tries in (("legacy", 5), ("standard", 3), ("adaptive", 3)):
        with scripted((500, {}, "")) as fake:
            assert call(GET, url=fake.url, env={"AWS_RETRY_MODE": mode})["error"]["attempts"] == tries
    got = call(GET, env={"AWS_RETRY_MODE": "eager"})
    assert not got["ok"] and "eager" in got["message"] and "adaptive" in got["message"]


def test_adaptive_calls_wait_for_their_turn_once_throttled(call):
    # The call that was throttled waits; not where the random time before its second try was so long (up to 1 s) that its turn
    # had come by then.
    for _ in range(30):
        with scripted(THROTTLED, OK) as fake:
            got = call(GET, url=fake.url, env={"AWS_RETRY_MODE": "adaptive"})
        assert got["ok"] and len(fake.seen) == 2
        if "waits" in got["log"]:
            break
    assert "waits" in got["log"] and "as the service throttles" in got["log"]


def test_retry_after_is_honoured(call):
    with scripted(reply_json({}, 429, {"Retry-After": "2"}), OK) as fake:
        begin = time.monotonic()
        assert call(GET, url=fake.url)["ok"]
    assert time.monotonic() - begin >= 2


def test_permanent_refusals_are_not_repeated(call):
    with scripted(reply_json({"message": "bad"}, 400, {"x-amzn-ErrorType": "InvalidParameterValueException"})) as fake:
        got = call(GET, url=fake.url)
    assert not got["ok"] and len(fake.seen) == 1 and not got["retryable"]


def test_a_call_that_is_not_idempotent_is_not_repeated_when_the_service_may_have_acted(call):
    for bad in (None, (500, {}, "")):
        with scripted(bad, OK) as fake:
            got = call(CREATE, url=fake.url)
        assert not got["ok"] and len(fake.seen) == 1 and got["error"]["maybe_done"], bad


def test_a_call_that_is_not_idempotent_is_repeated_when_throttled(call):
    with scripted(reply_json({"message": "Too Many Requests"}, 429, {"x-amzn-ErrorType": "TooManyRequestsException"}), OK) as fake:
        assert call(CREATE, url=fake.url)["ok"]
    assert len(fake.seen) == 2


def test_a_call_that_is_not_idempotent_survives_a_kept_connection_that_died(call):
    """curl repeats a request by itself on a dead kept connection; such a call must not run that risk."""
    with scripted(OK, None, OK) as fake:
        first, second = call(GET, CREATE, url=fake.url)
    assert first["ok"] and not second["ok"] and len(fake.seen) == 2


def test_nothing_listening_is_repeated_and_then_said(call):
    with support.nobody() as url:
        got = call(GET, url=url)
    assert not got["ok"] and got["code"] == "network" and got["error"]["attempts"] == 3 and "Lambda GetFunction" in got["message"]


# ---- clock and expiry ------------------------------------------------------------------------


def test_a_wrong_clock_is_corrected_by_the_services_date(call):
    ahead = time.time() + 3600

    def answer(seen):
        return OK if seen.headers["x-amz-date"] >= time.strftime("%Y%m%dT%H%M", time.gmtime(ahead - 60)) else reply_json(
            {"message": "Signature expired"}, 403, {"x-amzn-ErrorType": "InvalidSignatureException", "Date": formatdate(ahead, usegmt=True)})

    with Fake(answer) as fake:
        first, second = call(GET, GET, url=fake.url)
    assert first["ok"] and second["ok"] and len(fake.seen) == 3  # the correction is kept


def test_a_wrong_signature_with_a_right_clock_is_final(call):
    with scripted(reply_json({"message": "no match"}, 403, {"x-amzn-ErrorType": "InvalidSignatureException"})) as fake:
        assert not call(GET, url=fake.url)["ok"]
    assert sum(s.method == "GET" for s in fake.seen) == 1


def test_an_expired_token_is_renewed_once(call):
    names = iter(["OLD", "NEW", "NEWER"])

    def keys(seen):
        return reply_json({"AccessKeyId": f"ASIA{next(names)}", "SecretAccessKey": "s", "Token": "t", "Expiration": stamp(9000)})

    def answer(seen):
        return OK if "ASIANEW/" in seen.headers["authorization"] else reply_json({"message": "expired"}, 403, {"x-amzn-ErrorType": "ExpiredTokenException"})

    with Fake(keys) as ecs, Fake(answer) as fake:
        env = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_CONTAINER_CREDENTIALS_FULL_URI": ecs.url}
        assert call(GET, url=fake.url, env=env)["ok"]
    assert len(fake.seen) == 2 and len(ecs.seen) == 2


# ---- errors ------------------------------------------------------------------------------------


def test_errors_of_rest_json(call):
    headers = {"x-amzn-ErrorType": "ResourceNotFoundException:http://internal.amazon.com/", "x-amzn-RequestId": "req-1"}
    with scripted(reply_json({"Type": "User", "Message": "Function not found: f"}, 404, headers)) as fake:
        got = call(GET, url=fake.url)
    assert got["message"] == "Lambda GetFunction: ResourceNotFoundException: Function not found: f (HTTP 404, request req-1)"
    assert got["code"] == "not-found" and got["error"]["code"] == "ResourceNotFoundException" and got["error"]["request_id"] == "req-1"


def test_errors_of_json_1_1(call):
    body = {"__type": "com.amazonaws.ecr#RepositoryNotFoundException", "message": "none"}
    with scripted(reply_json(body, 400, {"x-amzn-requestid": "req-2"})) as fake:
        got = call({"service": "ecr", "protocol": "json", "operation": "DescribeRepositories"}, url=fake.url)
    assert got["error"]["code"] == "RepositoryNotFoundException" and got["code"] == "not-found"
    seen = fake.seen[0]
    assert seen.body == b"{}" and seen.headers["x-amz-target"] == "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
    assert seen.headers["content-type"] == "application/x-amz-json-1.1"


def test_errors_of_query(call):
    with scripted(sts_error("NoSuchEntity", "role &lt;x&gt; not found", 404)) as fake:
        got = call({"service": "iam", "protocol": "query", "operation": "GetRole", "input": {"RoleName": "x"}}, url=fake.url)
    assert got["error"]["code"] == "NoSuchEntity" and "role <x> not found" in got["message"] and got["error"]["request_id"] == "r-2"


def test_a_denial_names_the_identity(call):
    def answer(seen):
        if b"GetCallerIdentity" in seen.body:
            return sts_xml("GetCallerIdentity", "<Arn>arn:aws:iam::1:user/ci</Arn><UserId>U</UserId><Account>1</Account>")
        return reply_json({"message": "denied"}, 403, {"x-amzn-ErrorType": "AccessDeniedException"})

    with Fake(answer) as fake:
        got = call(GET, url=fake.url)
    assert got["code"] == "auth" and "asked as arn:aws:iam::1:user/ci (environment)" in got["message"] and len(fake.seen) == 2


def test_an_answer_that_is_no_json_is_an_error(call):
    with scripted((200, {"Content-Type": "text/html"}, "hello there")) as fake:
        got = call(GET, url=fake.url)
    assert not got["ok"] and "hello there" in got["message"]


def test_malformed_xml_is_an_error(call):
    with scripted((200, {"Content-Type": "text/xml"}, "<a><b></a>")) as fake:
        assert not call({"service": "iam", "protocol": "query", "operation": "GetRole"}, url=fake.url)["ok"]


# ---- encoding -------------------------------------------------------------------------------------


def test_query_parameters_are_flattened_and_lists_come_back_as_arrays(call):
    body = ("<ListXResponse><ListXResult><Items><member><N>1</N></member><member><N>2</N></member></Items><None/><One><member>a</member></One>"
            "</ListXResult></ListXResponse>")
    with scripted((200, {"Content-Type": "text/xml"}, body)) as fake:
        got = call({"service": "iam", "protocol": "query", "operation": "ListX",
                    "input": {"Tags": [{"Key": "a b", "Value": "é"}, {"Key": "c", "Value": ""}], "N": 5, "B": True, "Empty": []}}, url=fake.url)
    assert got["answer"] == {"Items": [{"N": "1"}, {"N": "2"}], "None": "", "One": ["a"]}
    assert fake.seen[0].form == {"Action": "ListX", "Version": "2010-05-08", "Tags.member.1.Key": "a b", "Tags.member.1.Value": "é",
                                 "Tags.member.2.Key": "c", "Tags.member.2.Value": "", "N": "5", "B": "true", "Empty": ""}


def test_rest_queries_repeat_names_of_lists(call):
    with scripted(OK) as fake:
        call({**GET, "query": {"tagKeys": ["a/b", "c d"], "n": 3, "skip": None, "t": True}}, url=fake.url)
    assert fake.seen[0].target == "/2015-03-31/functions/f?tagKeys=a%2Fb&tagKeys=c%20d&n=3&t=true"
    assert fake.seen[0].headers["accept"] == "application/json"


# ---- pages ------------------------------------------------------------------------------------------


def test_pages_are_joined_also_over_empty_ones(call):
    def answer(seen):
        at = int(seen.query.get("position", "0"))
        items = [] if at == 1 else [{"id": at}]
        return reply_json({"item": items, **({"position": str(at + 1)} if at < 3 else {})})

    with Fake(answer) as fake:
        got = call({"service": "apigateway", "protocol": "rest", "operation": "GetRestApis", "path": "/restapis", "query": {"limit": 1},
                    "pages": {"list": "item", "out_token": "position"}}, url=fake.url)
    assert got["answer"] == [{"id": 0}, {"id": 2}, {"id": 3}] and [s.query["limit"] for s in fake.seen] == ["1"] * 4


def test_a_page_that_names_itself_as_next_ends_with_an_error(call):
    with scripted(reply_json({"repositories": [], "nextToken": "x"})) as fake:
        got = call({"service": "ecr", "protocol": "json", "operation": "DescribeRepositories",
                    "pages": {"list": "repositories", "out_token": "nextToken"}}, url=fake.url)
    assert not got["ok"] and "twice" in got["message"] and len(fake.seen) == 2


# ---- endpoints and regions -----------------------------------------------------------------------------


@pytest.mark.parametrize("service, region, url, signed", [
    ("lambda", "eu-west-1", "https://lambda.eu-west-1.amazonaws.com", "eu-west-1"),
    ("ecr", "eu-west-1", "https://api.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
    ("iam", "eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
    ("sts", "eu-west-1", "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
    ("ecr-public", "eu-west-1", "https://api.ecr-public.us-east-1.amazonaws.com", "us-east-1"),
    ("lambda", "cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("iam", "cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("iam", "us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
    ("apigateway", "us-gov-west-1", "https://apigateway.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
])
def test_endpoints_by_partition(call, service, region, url, signed):
    got = call({"endpoint": service}, env={"AWS_REGION": region})["answer"]
    assert (got["url"], got["region"]) == (url, signed)


def test_endpoints_are_those_of_botocore_in_every_region(call):
    """Each service in each region that botocore knows, plain, FIPS, dual-stack and both; and the region that is signed for."""
    from botocore.endpoint_provider import EndpointProvider
    from botocore.loaders import Loader

    loader = Loader()
    partitions = loader.load_data("partitions")
    asks, want = [], []
    for service in ("apigateway", "ecr", "iam", "lambda", "logs", "ssm", "sso", "sso-oidc", "sts"):
        provider = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
        for partition in partitions["partitions"]:
            for region in partition["regions"]:
                if region.endswith("-global"):
                    continue
                for fips, dual in ((False, False), (True, False), (False, True), (True, True)):
                    more = {"UseGlobalEndpoint": False} if service == "sts" else {}
                    found = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual, **more)
                    scheme = (found.properties.get("authSchemes") or [{}])[0]
                    asks.append({"endpoint": service, "region": region, "fips": fips, "dualstack": dual})
                    want.append({"url": found.url, "region": scheme.get("signingRegion", region), "partition": partition["id"]})
    assert len(asks) > 1200
    got = call(*asks)
    wrong = [(a, w, g) for a, w, g in zip(asks, want, got) if g.get("answer") != w]
    assert not wrong, wrong[:5]


def test_dual_stack_and_fips_come_from_the_profile_too(call, tmp_path):
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/config").write_text("[default]\nuse_dualstack_endpoint = true\nuse_fips_endpoint = true\n")
    ask = {"endpoint": "ecr"}
    assert call(ask)["answer"]["url"] == "https://ecr-fips.eu-west-1.api.aws"
    assert call(ask, env={"AWS_USE_FIPS_ENDPOINT": "false"})["answer"]["url"] == "https://ecr.eu-west-1.api.aws"
    assert call(ask, env={"AWS_USE_DUALSTACK_ENDPOINT": "false"})["answer"]["url"] == "https://api.ecr-fips.eu-west-1.amazonaws.com"


def test_the_region_of_a_parameter_beats_the_environment(call, tmp_path):
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/config").write_text("[default]\nregion = ap-south-1\n")
    ask = {"endpoint": "lambda"}
    assert call(ask, args=["--region", "sa-east-1"], env={"AWS_DEFAULT_REGION": "us-west-2"})["answer"]["region"] == "sa-east-1"
    assert call(ask, env={"AWS_DEFAULT_REGION": "us-west-2"})["answer"]["region"] == "eu-west-1"
    assert call(ask, env={"AWS_REGION": None, "AWS_DEFAULT_REGION": "us-west-2"})["answer"]["region"] == "us-west-2"
    assert call(ask, env={"AWS_REGION": None})["answer"]["region"] == "ap-south-1"


def test_no_region_is_said_with_its_cure(call):
    got = call({"endpoint": "lambda"}, env={"AWS_REGION": None})
    assert not got["ok"] and "region" in got["message"] and "AWS_REGION" in got["hint"]


def test_a_region_that_is_none_is_refused(call):
    assert not call({"endpoint": "lambda"}, env={"AWS_REGION": "evil.example.com/"})["ok"]


def test_custom_endpoints_in_their_order(call, tmp_path):
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/config").write_text("[default]\nservices = mine\nendpoint_url = http://profile:4\n[services mine]\napi_gateway =\n"
                                         "  endpoint_url = http://section:3/base/\n")
    ask = {"endpoint": "apigateway"}
    both = {"AWS_ENDPOINT_URL_API_GATEWAY": "http://service:1", "AWS_ENDPOINT_URL": "http://all:2"}
    assert call(ask, env=both)["answer"]["url"] == "http://service:1"
    assert call(ask, env={"AWS_ENDPOINT_URL": "http://all:2"})["answer"]["url"] == "http://all:2"
    assert call(ask)["answer"]["url"] == "http://section:3/base"
    assert call({"endpoint": "lambda"})["answer"]["url"] == "http://profile:4"
    ignored = call(ask, env={**both, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"})["answer"]["url"]
    assert ignored == "https://apigateway.eu-west-1.amazonaws.com"


def test_a_base_path_of_a_custom_endpoint_is_kept_and_signed(call):
    with scripted(OK) as fake:
        assert call(GET, url=fake.url + "/aws/")["ok"]
    assert fake.seen[0].path == "/aws/2015-03-31/functions/f"


def test_iam_is_signed_for_its_own_region_also_under_a_custom_endpoint(call):
    with scripted((200, {}, "<a/>")) as fake:
        call({"service": "iam", "protocol": "query", "operation": "ListRoles"}, url=fake.url)
    assert "/us-east-1/iam/aws4_request" in fake.seen[0].headers["authorization"]


# ---- TLS -----------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
                    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return key, cert


def test_aws_ca_bundle_is_trusted_and_nothing_else(call, certificate):
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Fake(lambda seen: OK, ssl_context=context) as fake:
        assert call(GET, url=fake.url, env={"AWS_CA_BUNDLE": str(cert)})["ok"]
        got = call(GET, url=fake.url)
    assert not got["ok"] and got["code"] == "auth" and "AWS_CA_BUNDLE" in got["hint"] and got["error"]["attempts"] == 1


class Tunnel(Fake):
    """A proxy that takes any CONNECT to one TLS server, and answers nothing else."""

    def __init__(self, server):
        super().__init__(lambda seen: (405, {}, ""))
        tunnel = self

        def connect(handler):
            tunnel.seen.append(handler.path)
            with socket.create_connection(("127.0.0.1", server.port)) as far:
                handler.send_response_only(200)
                handler.end_headers()
                pair = {handler.connection: far, far: handler.connection}
                while True:
                    for ready in select.select(list(pair), [], [])[0]:
                        data = ready.recv(65536)
                        if not data:
                            handler.close_connection = True
                            return
                        pair[ready].sendall(data)

        self.server.RequestHandlerClass.do_CONNECT = connect


def test_https_goes_through_the_proxy_of_the_environment_but_for_no_proxy(call, certificate):
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Fake(lambda seen: OK, ssl_context=context) as fake, Tunnel(fake) as proxy:
        for variable in ("HTTPS_PROXY", "https_proxy"):
            # the certificate is not one of this name, which shows that the connection got as far as TLS
            got = call(GET, env={variable: proxy.url, "AWS_CA_BUNDLE": str(cert), "AWS_MAX_ATTEMPTS": "1"})
            assert not got["ok"] and got["code"] == "auth" and proxy.seen.pop() == "lambda.eu-west-1.amazonaws.com:443"
        got = call({**GET, "service": "lambda"}, url="https://far.invalid", env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "far.invalid", "AWS_MAX_ATTEMPTS": "1"})
        assert not got["ok"] and got["code"] == "network" and not proxy.seen


def test_a_ca_bundle_that_is_missing_is_said(call):
    got = call(GET, env={"AWS_CA_BUNDLE": "/nonexistent/ca.pem"})
    assert not got["ok"] and "/nonexistent/ca.pem" in got["message"]
