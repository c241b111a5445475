# SPDX-License-Identifier: Apache-2.0
"""Every operation of the services' models is either served or answered as AWS answers an unknown one: never silent success."""

import base64
import concurrent.futures
import json
import re

import boto3
import botocore
import botocore.loaders
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceModel

import support

SERVICES = ("iam", "sts", "ecr", "lambda", "apigateway", "logs", "ssm")
UNKNOWN = {"InvalidAction", "UnknownOperationException"}


def model(service):
    return ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def sample(shape, name="", depth=0):
    """A smallest valid value of a shape."""
    kind = shape.type_name
    if kind == "structure":
        return {m: sample(shape.members[m], m, depth + 1) for m in shape.required_members}
    if kind == "list":
        return [sample(shape.member, name, depth + 1) for _ in range(shape.metadata.get("min", 0))]
    if kind == "map":
        return {}
    if kind in ("integer", "long", "float", "double"):
        return shape.metadata.get("min", 1)
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 1_700_000_000
    if kind == "blob":
        return b"x"
    if shape.enum:
        return shape.enum[0]
    return ("x" * max(shape.metadata.get("min", 1), 3))[:shape.metadata.get("max", 3) or 3]


def outcome(client, service, operation):
    """"served", "unknown", or what is wrong."""
    method = getattr(client, botocore.xform_name(operation.name))
    members = sample(operation.input_shape) if operation.input_shape else {}
    try:
        answer = method(**members)
    except ClientError as e:
        code, status = e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in UNKNOWN:
            return "unknown"
        modelled = {s.metadata.get("error", {}).get("code", s.name) for s in operation.error_shapes}
        modelled |= {s.name for s in operation.error_shapes}
        common = {"ValidationError", "ValidationException", "InvalidParameterException", "MissingParameter", "AccessDenied",
                  "InvalidParameterValueException", "BadRequestException", "SerializationException", "404", "NotFoundException"}
        return "served" if code in modelled | common and status < 500 else f"{code} ({status}): {e}"
    wanted = set(operation.output_shape.required_members) if operation.output_shape else set()
    missing = wanted - set(answer)
    return f"lacks {missing}" if missing else "served"


@pytest.mark.parametrize("service", SERVICES)
def test_all_operations(cloud, service):
    client = boto3.client(service, endpoint_url=cloud.url, aws_access_key_id=cloud.access_key, region_name="us-east-1",
                          aws_secret_access_key=cloud.secret_key, config=Config(
                              retries={"total_max_attempts": 1}, parameter_validation=False, inject_host_prefix=False,
                              max_pool_connections=8))
    operations = [model(service).operation_model(n) for n in model(service).operation_names]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = dict(zip((o.name for o in operations), pool.map(lambda o: outcome(client, service, o), operations)))
    wrong = {name: what for name, what in found.items() if what not in ("served", "unknown")}
    assert not wrong, json.dumps(wrong, indent=1)
    assert set(found.values()) >= {"served", "unknown"}
    # what is served is what has a route, so that no call is taken for another one (rules name existing calls alone)
    served = {n for n, what in found.items() if what == "served"}
    basic = base64.b64encode(f"{cloud.access_key}:{cloud.secret_key}".encode()).decode()

    def has_route(name):
        return support.http("POST", f"{cloud.url}/_runner/faults", {"Authorization": f"Basic {basic}"},
                            json={"match": f"{service}.{name}", "effect": "throttle"})[0] == 201

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        routed = {name for name, routed in zip(found, pool.map(has_route, found)) if routed}
    assert routed | {"ImportRestApi"} & served == served  # a query of CreateRestApi's route
    page = (support.SOURCE / "docs/local-cloud.md").read_text()
    table = re.search(rf"^\| `{service}` \| (.*) \|$", page, re.M).group(1)
    assert sorted(table.split(", ")) == sorted(served)
