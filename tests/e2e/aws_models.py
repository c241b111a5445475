# SPDX-License-Identifier: Apache-2.0
"""What a request to AWS means, by botocore's own service models: which operation it
is, whether its members fit the model, and whether its SigV4 signature is right."""

import json
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree
from functools import cache

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel

SIGNING_NAMES = {"lambda": "lambda", "apigateway": "apigateway", "ecr": "ecr", "iam": "iam", "sts": "sts", "logs": "logs", "ssm": "ssm"}


@cache
def service_model(name):
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


@cache
def _rest_routes(name):
    """(method, pattern, operation), the most literal path first."""
    routes = []
    model = service_model(name)
    for operation in model.operation_names:
        http = model.operation_model(operation).http
        path, _, query = http["requestUri"].partition("?")
        pattern = re.escape(path)
        pattern = re.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", pattern)
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
        routes.append((http["method"], re.compile(f"{pattern}/?$"), dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), operation, path))
    return sorted(routes, key=lambda r: (len(re.sub(r"\{[^}]*\}", "", r[4])), len(r[2])), reverse=True)


def identify(method, target, headers, body):
    """(service, operation, path labels) of a request; service None: not an AWS call."""
    path, _, query = target.partition("?")
    scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request", headers.get("authorization", ""))
    service = SIGNING_NAMES.get(scope.group(2)) if scope else None
    content_type = headers.get("content-type", "")
    if service is None and content_type.startswith("application/x-www-form-urlencoded"):
        action = dict(urllib.parse.parse_qsl(body.decode("latin-1"))).get("Action", "")
        service = next((s for s in ("sts", "iam") if action in service_model(s).operation_names), None)
    if service is None:
        return None, f"{method} {path}", {}
    protocol = service_model(service).metadata["protocol"]
    if protocol == "json":
        return service, headers.get("x-amz-target", "?").rpartition(".")[2], {}
    if protocol == "query":
        return service, dict(urllib.parse.parse_qsl(body.decode("latin-1"))).get("Action", "?"), {}
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    for verb, pattern, fixed, operation, _ in _rest_routes(service):
        match = pattern.match(path)
        if verb == method and match and all(given.get(k) == v for k, v in fixed.items()):
            return service, operation, {k: urllib.parse.unquote(v) for k, v in match.groupdict().items()}
    return service, f"?{method} {path}", {}


# ---- members -----------------------------------------------------------------------

def problems(service, operation, labels, target, headers, body):
    """Texts of all that does not fit the model; empty when the request is right."""
    model = service_model(service)
    if operation not in model.operation_names:
        return [f"{service} has no operation {operation}"]
    op = model.operation_model(operation)
    protocol = model.metadata["protocol"]
    if protocol == "query":
        return _query_problems(model, op, body)
    if protocol == "json":
        return _json_problems(op, headers, body, model)
    return _rest_problems(op, labels, target, headers, body)


def _json_problems(op, headers, body, model):
    found = []
    if headers.get("content-type") != f"application/x-amz-json-{model.metadata['jsonVersion']}":
        found.append(f"content-type is {headers.get('content-type')}")
    if not headers.get("x-amz-target", "").startswith(model.metadata["targetPrefix"] + "."):
        found.append(f"target is {headers.get('x-amz-target')}")
    try:
        value = json.loads(body)
    except ValueError as error:
        return found + [f"the body is not JSON: {error}"]
    return found + _check(op.input_shape, value, "") if op.input_shape else found


def _rest_problems(op, labels, target, headers, body):
    shape = op.input_shape
    if shape is None:
        return []
    found, seen, payload_members = [], set(), {}
    query = urllib.parse.parse_qs(target.partition("?")[2], keep_blank_values=True)
    fixed = urllib.parse.parse_qs(op.http["requestUri"].partition("?")[2], keep_blank_values=True)
    known_query = set(fixed)
    for name, member in shape.members.items():
        location, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri" and wire in labels:
            seen.add(name)
            found += _check(member, _from_text(member, labels[wire]), name)
        elif location == "querystring":
            known_query.add(wire)
            if wire in query:
                seen.add(name)
                value = query[wire] if member.type_name == "list" else _from_text(member, query[wire][0])
                found += _check(member, value, name)
        elif location == "header" and wire.lower() in headers:
            seen.add(name)
        elif location is None:
            payload_members[wire] = (name, member)
    found += [f"query parameter {q} is not in the model" for q in query if q not in known_query and not any(
        m.type_name == "map" and m.serialization.get("location") == "querystring" for m in shape.members.values())]
    payload = shape.serialization.get("payload")
    if payload:
        seen.add(payload)
    elif body or any(n in shape.required_members for n, _ in payload_members.values()):
        try:
            document = json.loads(body)
        except ValueError as error:
            return found + [f"the body is not JSON: {error}"]
        if document and not headers.get("content-type", "").startswith("application/json"):
            found.append(f"content-type is {headers.get('content-type')}")
        for wire, value in document.items():
            if wire not in payload_members:
                found.append(f"member {wire} is not in the model")
                continue
            name, member = payload_members[wire]
            seen.add(name)
            found += _check(member, value, name)
    return found + [f"{name} is required" for name in shape.required_members if name not in seen]


def _query_problems(model, op, body):
    flat = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
    found = [f"{n} is given twice" for n in {n for n, _ in flat} if [k for k, _ in flat].count(n) > 1]
    given = dict(flat)
    given.pop("Action", None)
    if given.pop("Version", None) != model.metadata["apiVersion"]:
        found.append("Version is wrong or missing")
    if op.input_shape is None:
        return found + [f"member {n} is not in the model" for n in given]
    used = set()
    value = _unflatten(op.input_shape, given, "", used)
    found += [f"member {n} is not in the model" for n in given if n not in used]
    return found + _check(op.input_shape, value or {}, "")


def _unflatten(shape, given, prefix, used):
    if shape.type_name == "structure":
        value = {}
        for name, member in shape.members.items():
            item = _unflatten(member, given, f"{prefix}.{name}" if prefix else name, used)
            if item is not None:
                value[name] = item
        return value or None
    if shape.type_name == "list":
        value, index = [], 1
        while any(n == f"{prefix}.member.{index}" or n.startswith(f"{prefix}.member.{index}.") for n in given):
            value.append(_unflatten(shape.member, given, f"{prefix}.member.{index}", used))
            index += 1
        if given.get(prefix) == "":  # an empty list
            used.add(prefix)
            return []
        return value or None
    if prefix not in given:
        return None
    used.add(prefix)
    return _from_text(shape, given[prefix])


def _from_text(shape, text):
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if shape.type_name in ("float", "double"):
        return float(text)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


PYTHON_TYPES = {"string": str, "character": str, "integer": int, "long": int, "boolean": bool, "structure": dict, "map": dict,
                "list": list, "float": (int, float), "double": (int, float), "blob": str, "timestamp": (int, float, str)}


def _check(shape, value, where):
    kind = shape.type_name
    if not isinstance(value, PYTHON_TYPES[kind]) or (kind in ("integer", "long") and isinstance(value, bool)):
        return [f"{where or 'body'} is {value!r}, not {kind}"]
    found = []
    if kind == "structure":
        wires = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        for key, item in value.items():
            if key not in wires:
                found.append(f"member {where}.{key} is not in the model".replace(" .", " "))
            else:
                found += _check(wires[key][1], item, f"{where}.{key}".lstrip("."))
        present = {wires[k][0] for k in value if k in wires}
        found += [f"{where}.{n} is required".lstrip(".") for n in shape.required_members if n not in present]
    elif kind == "list":
        for index, item in enumerate(value):
            found += _check(shape.member, item, f"{where}[{index}]")
    elif kind == "map":
        for key, item in value.items():
            found += _check(shape.key, key, f"{where} key") + _check(shape.value, item, f"{where}.{key}")
    return found + _bounds(shape, value, where)


def _bounds(shape, value, where):
    meta = shape.metadata
    if shape.type_name == "string" and meta.get("enum") and value not in meta["enum"]:
        return [f"{where} is {value!r}, not one of {', '.join(meta['enum'])}"]
    if shape.type_name == "string" and meta.get("pattern"):
        try:
            if not re.search(meta["pattern"].replace(r"\p{L}", r"\w").replace(r"\p{Z}", r"\s").replace(r"\p{N}", r"\d"), value):
                return [f"{where} is {value!r}, which does not match {meta['pattern']}"]
        except re.error:
            pass  # a pattern in a dialect that Python does not read
    size = len(value) if shape.type_name in ("string", "list", "map") else value
    if isinstance(size, (int, float)) and not isinstance(size, bool):
        if "min" in meta and size < meta["min"]:
            return [f"{where} is below {meta['min']}"]
        if "max" in meta and size > meta["max"]:
            return [f"{where} is above {meta['max']}"]
    return []


# ---- answers -------------------------------------------------------------------------

COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InternalFailure", "InvalidClientTokenId", "InvalidSignatureException",
    "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "RequestExpired", "ServerException",
    "ServiceUnavailable", "SignatureDoesNotMatch", "Throttling", "ThrottlingException", "UnknownOperationException", "UnrecognizedClientException",
    "ValidationError", "ValidationException", "InvalidAction", "SerializationException", "MissingParameter", "InvalidParameterValue", "TooManyRequestsException",
}


def error_code(service, headers, body):
    """The code of a refusal as that service writes it."""
    lower = {k.lower(): v for k, v in headers.items()}
    if service_model(service).metadata["protocol"] == "query":
        found = re.search(rb"<Code>(.*?)</Code>", body)
        return found[1].decode() if found else None
    if "x-amzn-errortype" in lower:
        return lower["x-amzn-errortype"].partition(":")[0].rpartition("#")[2]
    try:
        return json.loads(body).get("__type", "").rpartition("#")[2] or None
    except ValueError:
        return None


def answer_problems(service, operation, status, headers, body):
    """Texts of all in an answer that does not fit the model; empty when it is right."""
    model = service_model(service)
    if operation not in model.operation_names:
        return []
    op = model.operation_model(operation)
    if status >= 300:
        code = error_code(service, headers, body)
        known = {s.metadata.get("error", {}).get("code") or s.name for s in op.error_shapes} | {s.name for s in op.error_shapes}
        return [] if code in known | COMMON_ERRORS else [f"error {code} is not one of {operation}"]
    shape = op.output_shape
    if model.metadata["protocol"] == "query":
        return _xml_answer_problems(operation, shape, body)
    if shape is None or shape.serialization.get("payload"):
        return []
    try:
        document = json.loads(body) if body else {}
    except ValueError as error:
        return [f"the body is not JSON: {error}"]
    elsewhere = {n for n, m in shape.members.items() if m.serialization.get("location")}
    found = [p for p in _check(shape, document, "") if p.removesuffix(" is required") not in elsewhere and " is above " not in p]
    # Lambda answers this while an update is in progress, the model does not know it
    return [p for p in found if "LastUpdateStatusReasonCode is 'Creating', not one of" not in p]


def _xml_answer_problems(operation, shape, body):
    root = ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body, count=1))
    if root.tag != f"{operation}Response":
        return [f"the answer is a {root.tag}"]
    if root.find("ResponseMetadata/RequestId") is None:
        return ["there is no RequestId"]
    if shape is None:
        return []
    result = root.find(shape.serialization.get("resultWrapper", f"{operation}Result"))
    return ["there is no result"] if result is None else _xml_problems(shape, result, "")


def _xml_problems(shape, element, where):
    if shape.type_name == "list":
        return [p for i, child in enumerate(element) for p in _xml_problems(shape.member, child, f"{where}[{i}]")]
    if where.endswith("PermissionsBoundaryType"):
        return []  # IAM answers "Policy", the model says PermissionsBoundaryPolicy
    if shape.type_name != "structure":
        return _check(shape, _from_text(shape, element.text or ""), where) if shape.type_name != "timestamp" else []
    found = [f"member {where}.{c.tag} is not in the model" for c in element if c.tag not in shape.members]
    found += [f"{where}.{n} is required".lstrip(".") for n in shape.required_members if element.find(n) is None]
    for child in element:
        if child.tag in shape.members:
            found += _xml_problems(shape.members[child.tag], child, f"{where}.{child.tag}".lstrip("."))
    return found


# ---- signature -----------------------------------------------------------------------

def signature_problem(method, scheme, host, target, headers, body, secrets):
    """None when the signature is what botocore computes; else a text. `secrets`: access key -> secret key."""
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
                         r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", headers.get("authorization", ""))
    if not match:
        return f"Authorization is {headers.get('authorization')!r}"
    key, day, region, service, signed, signature = match.groups()
    if key not in secrets:
        return f"access key {key} is not known"
    names = signed.split(";")
    must = {"host", "x-amz-date"} | {h for h in headers if h.startswith("x-amz-")}
    if missing := must - set(names):
        return f"not signed: {', '.join(sorted(missing))}"
    stamp = headers["x-amz-date"]
    if not stamp.startswith(day):
        return f"scope of {day}, date {stamp}"
    request = AWSRequest(method=method, url=f"{scheme}://{host}{target}", data=body,
                         headers={n: headers[n] for n in names if n in headers})
    request.context["timestamp"] = stamp
    auth = SigV4Auth(Credentials(key, secrets[key]), service, region)
    canonical = auth.canonical_request(request)
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    if expected != signature:
        return f"signature differs; botocore's canonical request:\n{canonical}"
    return None
