# SPDX-License-Identifier: Apache-2.0
"""Signatures, compared with botocore's over many random requests."""

import datetime
import json
import random
import string
import subprocess
import urllib.parse
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import support

COUNT = 10000
SERVICES = ["lambda", "ecr", "iam", "sts", "apigateway", "execute-api"]
ODD = string.ascii_letters + string.digits + " :/?#[]@!$&'()*+,;=%~-._äß€😀\"<>|\\^`{}"
HEADERS = ["Content-Type", "X-Amz-Target", "X-Amz-Invocation-Type", "X-Custom", "x-amz-log-type", "Accept", "X-Zebra"]


def word(rng, alphabet, longest):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, longest)))


def random_path(rng):
    """A path as on the wire: encoded segments, some of them empty or made of dots."""
    parts = [urllib.parse.quote(word(rng, ODD, 12), safe="") for _ in range(rng.randint(0, 5))]
    parts += rng.choice([[], [], [], ["."], [".."], [""], ["", ""]])
    rng.shuffle(parts)
    return "/" + "/".join(parts)


def random_request(rng):
    query = [(word(rng, ODD, 6) or "q", word(rng, ODD, 8)) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    if query and rng.random() < 0.3:
        query.append((query[0][0], word(rng, ODD, 4)))
    headers = {}
    for name in rng.sample(HEADERS, rng.randint(0, 4)):
        headers[name] = "".join(rng.choice(string.ascii_letters + "  \t,;=:/") for _ in range(rng.randint(1, 20)))
    return {
        "method": rng.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
        "path": random_path(rng),
        "query": "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in query),
        "headers": headers,
        "payload": word(rng, ODD, 60),
        "host": rng.choice(["lambda.eu-west-1.amazonaws.com", "127.0.0.1:4566", "api.ecr.cn-north-1.amazonaws.com.cn"]),
        "access_key": "AKIA" + word(rng, string.ascii_uppercase, 16),
        "secret_key": word(rng, string.ascii_letters + "/+", 40) or "s",
        "token": rng.choice([None, word(rng, string.ascii_letters + "/+=", 80) or "t"]),
        "region": rng.choice(["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]),
        "service": rng.choice(SERVICES),
        "timestamp": f"20{rng.randint(10, 60):02d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
                     f"T{rng.randint(0, 23):02d}{rng.randint(0, 59):02d}{rng.randint(0, 59):02d}Z",
    }


def by_botocore(r):
    """(canonical request, Authorization) as botocore makes them."""
    url = f"http://{r['host']}{r['path']}" + (f"?{r['query']}" if r["query"] else "")
    request = AWSRequest(method=r["method"], url=url, data=r["payload"].encode(), headers=r["headers"])
    signer = botocore.auth.SigV4Auth(Credentials(r["access_key"], r["secret_key"], r["token"]), r["service"], r["region"])
    when = datetime.datetime.strptime(r["timestamp"], "%Y%m%dT%H%M%SZ")
    seen = {}
    original = signer.canonical_request

    def canonical(req):
        seen["text"] = original(req)
        return seen["text"]

    with mock.patch.object(signer, "canonical_request", canonical), \
            mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: when):
        signer.add_auth(request)
    return seen["text"], request.headers["Authorization"]


def as_input(r):
    headers = [["Host", r["host"]], ["X-Amz-Date", r["timestamp"]], *r["headers"].items()]
    if r["token"]:
        headers.append(["X-Amz-Security-Token", r["token"]])
    return json.dumps({**r, "headers": headers})


def test_random_requests_sign_as_botocore_signs_them():
    rng = random.Random(20261124)
    requests = [random_request(rng) for _ in range(COUNT)]
    done = subprocess.run([support.BUILD / "tests/tools/sigv4"], input="\n".join(map(as_input, requests)), capture_output=True,
                          text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == COUNT
    for request, ours in zip(requests, answers):
        canonical, authorization = by_botocore(request)
        assert ours["canonical_request"] == canonical, request
        assert ours["authorization"] == authorization, request
