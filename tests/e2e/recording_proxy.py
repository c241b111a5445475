# SPDX-License-Identifier: Apache-2.0
"""An HTTP endpoint that forwards to moto or to the local cloud and records each call.

    with RecordingProxy(upstream, {access_key: secret_key}) as proxy:
        run(env | {"AWS_ENDPOINT_URL": proxy.url})
        assert proxy.writes() == []
        proxy.assert_valid()

Each call is named service.operation by botocore's models, its members and those of its answer are
checked against them and its signature is computed again. Fault rules make the endpoint worse on
purpose, and lists can be made to come with empty pages before the first full one.
"""

import calendar
import fnmatch
import functools
import http.client
import json
import re
import select
import socket
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aws_models
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader

JSON = ("ecr", "ssm", "logs")  # services that speak JSON 1.1
READS = ("Get", "List", "Describe", "BatchGet", "BatchCheck", "Head", "Filter", "Simulate", "Assume", "Invoke")
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization"}


@dataclass
class Call:
    service: str  # "lambda"; None for what is not an AWS call (a registry, an invoked API)
    operation: str
    method: str
    target: str
    headers: dict
    body: bytes
    problems: list
    labels: dict = field(default_factory=dict)
    status: int = 0  # 0: no answer was given
    answer: bytes = b""
    fault: str = None
    answer_problems: list = field(default_factory=list)

    @property
    def name(self):
        return f"{self.service}.{self.operation}" if self.service else self.operation

    @property
    def is_write(self):
        if self.service is None:
            return self.method not in ("GET", "HEAD")
        return not self.operation.startswith(READS)


FAULTS = {
    "throttle": "the service's own way of saying: too fast",
    "error": "status=, code=, message=, headers=",
    "500": "InternalFailure",
    "503": "ServiceUnavailable",
    "reset_before": "the connection is reset, the service saw nothing",
    "reset_after": "the service acted, its answer is lost",
    "delay": "seconds=, then forwarded",
    "expired": "the token has expired",
    "skewed": "refused as too old while the caller does not go by the service's clock, four minutes ahead of ours",
    "denied": "AccessDenied, as IAM words it",
}


SKEW_SECONDS = 240


def goes_by(call, seconds):
    """True when the call is dated by a clock that is so much ahead of ours, give or take two minutes."""
    stamp = call.headers.get("x-amz-date")
    return not stamp or abs(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.time() - seconds) < 120


@dataclass
class Fault:
    match: object  # a glob, or a function of the name
    kind: str
    times: int
    skip: int
    status: int
    code: str
    message: str
    seconds: float
    headers: dict


class _Server(ThreadingHTTPServer):
    """Knows of each connection whether something that a client sent is still being done."""

    request_queue_size = 128

    def __init__(self, *args):
        self.busy, self.coming, self.lock = {}, 0, threading.Lock()
        super().__init__(*args)

    def get_request(self):
        self.coming += 1  # before accept(): the connection is never neither here nor there
        try:
            connection, address = super().get_request()
            with self.lock:
                self.busy[connection] = True
        finally:
            self.coming -= 1
        return connection, address

    def close_request(self, request):
        with self.lock:
            self.busy.pop(request, None)
        super().close_request(request)

    def handle_error(self, *_):  # clients that are killed are part of the tests
        pass

    def at_work(self):
        """Is a request being served?"""
        with self.lock:
            return any(self.busy.values())

    def is_quiet(self):
        """Nothing is being done, and nothing that has been sent is still to be read."""
        look = select.poll()
        look.register(self.socket, select.POLLIN)
        with self.lock:
            if self.coming or any(self.busy.values()) or any(c.fileno() < 0 for c in self.busy):
                return False
            for connection in self.busy:
                look.register(connection, select.POLLIN)
        return not look.poll(0)


class RecordingProxy:
    def __init__(self, upstream, secrets=None):
        parts = urllib.parse.urlsplit(upstream)
        self.upstream = (parts.hostname, parts.port)
        self.secrets = None if secrets is None else dict(secrets)  # None: signatures are not checked; grows by what STS gives
        self.calls = []
        self.rewrites = []
        self.replies = []
        self.watch = None  # function(call, "before" | "after" the service gets it); True: the client gets no answer
        self._faults = []
        self._empty_pages = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.closing = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self):
        self.closing = True  # nothing is forwarded from now on
        self._server.shutdown()
        self._wait(lambda: not self._server.at_work())
        self._server.server_close()

    def settle(self):
        """Until all that clients have sent is done, also what they sent before they were killed."""
        self._wait(self._server.is_quiet)

    @staticmethod
    def _wait(condition):
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what was seen ----

    def names(self):
        return [c.name for c in self.calls]

    def count(self, pattern):
        return sum(fnmatch.fnmatchcase(n, pattern) for n in self.names())

    def writes(self):
        """Names of the calls that change something."""
        return [c.name for c in self.calls if c.is_write]

    def clear(self):
        with self._lock:
            self.calls.clear()

    def assert_valid(self, answers=False):
        """Every AWS call fits botocore's models and is signed as botocore signs; with `answers`, every answer fits too."""
        bad = [f"{c.name}: {p}" for c in self.calls for p in c.problems]
        bad += [f"answer to {c.name}: {p}" for c in self.calls for p in c.answer_problems if answers]
        assert not bad, "\n".join(bad)

    # ---- what is made worse ----

    def fault(self, match, kind, times=1, skip=0, status=500, code=None, message="injected", seconds=1.0, headers=None):
        """The next `times` calls (after `skip`) whose name matches the glob get `kind`, a name of FAULTS."""
        assert kind in FAULTS, kind
        with self._lock:
            self._faults.append(Fault(match, kind, times, skip, status, code, message, seconds, headers or {}))

    def fault_each(self, pattern, kind, **more):
        """As fault(), but once for every operation that matches: each gets its own."""
        seen = set()

        def take(name):
            if name in seen or not fnmatch.fnmatchcase(name, pattern):
                return False
            seen.add(name)
            return True

        self.fault(take, kind, times=10**6, **more)

    def empty_pages(self, match, pages=2):
        """Lists whose name matches the glob begin with that many empty pages."""
        self._empty_pages.append((match, pages))

    def clear_faults(self):
        with self._lock:
            self._faults.clear()
            self._empty_pages.clear()

    def has_empty_pages(self, call):
        return max((n for match, n in self._empty_pages if fnmatch.fnmatchcase(call.name, match)), default=0)

    def empty_page(self, call):
        """The empty page that this call gets instead of an answer; None: it gets the real one."""
        pages = self.has_empty_pages(call)
        return list_page(call, pages) if pages else None

    def learn(self, call, status, headers, content):
        """Checks an answer against the model and takes the keys that STS hands out."""
        if call.service is None:
            return
        call.answer_problems = aws_models.answer_problems(call.service, call.operation, status, dict(headers), content)
        if call.service == "sts" and status == 200:
            keys = re.search(rb"<AccessKeyId>(.*?)</AccessKeyId>.*?<SecretAccessKey>(.*?)</SecretAccessKey>", content, re.S)
            if keys and self.secrets is not None:
                self.secrets[keys[1].decode()] = keys[2].decode()

    def rewrite(self, match, function):
        """Answers of matching calls pass through function(call, bytes) -> bytes."""
        self.rewrites.append((match, function))

    def reply(self, match, function):
        """Matching calls are not forwarded: they get function(call), a value that is sent as JSON."""
        self.replies.append((match, function))

    def reply_to(self, call):
        for match, function in self.replies:
            if fnmatch.fnmatchcase(call.name, match):
                kind = "application/x-amz-json-1.1" if call.service in JSON else "application/json"
                return 200, {"Content-Type": kind}, json.dumps(function(call)).encode()
        return None

    def _pick_fault(self, call):
        with self._lock:
            for fault in self._faults:
                if fault.kind == "skewed" and goes_by(call, SKEW_SECONDS):
                    continue
                if not (fault.match(call.name) if callable(fault.match) else fnmatch.fnmatchcase(call.name, fault.match)):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif fault.times > 0:
                    fault.times -= 1
                    return fault
        return None


def error_answer(service, status, code, message):
    """Status, headers and body of an error as that service writes it."""
    if service in ("iam", "sts"):
        body = (f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                "<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>")
        return status, {"Content-Type": "text/xml"}, body.encode()
    if service in JSON:
        body = f'{{"__type":"{code}","message":"{message}"}}'
        return status, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "00000000-0000-4000-8000-000000000000"}, body.encode()
    body = f'{{"message":"{message}"}}'
    return status, {"Content-Type": "application/json", "x-amzn-ErrorType": code,
                    "x-amzn-RequestId": "00000000-0000-4000-8000-000000000000"}, body.encode()


def fault_answer(call, fault):
    """Status, headers and body of a fault that is an answer."""
    xml = call.service in ("iam", "sts")
    if fault.kind == "throttle":
        return throttle_answer(call.service)
    status, code, message, headers = {
        "error": (fault.status, fault.code or "InternalFailure", fault.message, {}),
        "500": (500, "InternalFailure", "We encountered an internal error. Please try again.", {}),
        "503": (503, "ServiceUnavailable", "Service is unable to handle request.", {}),
        "expired": (403, "ExpiredToken" if xml else "ExpiredTokenException", "The security token included in the request is expired", {}),
        "skewed": (403, "SignatureDoesNotMatch" if xml else "InvalidSignatureException", "Signature expired: 1 is now earlier than 2",
                   {"Date": formatdate(time.time() + SKEW_SECONDS, usegmt=True)}),
        "denied": (403, "AccessDenied" if xml else "AccessDeniedException",
                   f"User is not authorized to perform: {call.name.replace('.', ':')} because no identity-based policy allows it", {}),
    }[fault.kind]
    if call.service in JSON and fault.kind in ("denied", "expired", "skewed"):
        status = 400
    status, standard, body = error_answer(call.service, status, code, message)
    return status, {**standard, **headers, **fault.headers}, body


def throttle_answer(service):
    code, status = {"iam": ("Throttling", 400), "sts": ("Throttling", 400), "ecr": ("ThrottlingException", 400),
                    "ssm": ("ThrottlingException", 400)}.get(
        service, ("TooManyRequestsException", 429))
    return error_answer(service, status, code, "Rate exceeded")


# ---- pages ----


@functools.cache
def paginator(service, operation):
    """{input_token, output_token, result_key, ...} of a list, in the names of the wire."""
    entry = Loader().load_service_model(service, "paginators-1")["pagination"].get(operation)
    assert entry, f"{service} {operation} has no pages"
    shape = aws_models.service_model(service).operation_model(operation).output_shape
    return {**entry, "result_key": shape.members[entry["result_key"]].serialization.get("name", entry["result_key"])}


def token_of(call):
    name = paginator(call.service, call.operation)["input_token"]
    if call.service in JSON:
        return json.loads(call.body or b"{}").get(name)
    text = call.body.decode() if call.service in ("iam", "sts") else call.target.partition("?")[2]
    return dict(urllib.parse.parse_qsl(text)).get(name)


def list_page(call, pages):
    """Status, headers and body of an empty page; None when the call is past them."""
    entry, token = paginator(call.service, call.operation), token_of(call)
    number = int(token.removeprefix("empty-")) if token and token.startswith("empty-") else 0
    if (token and not number) or number >= pages:
        return None
    following = f"empty-{number + 1}"
    if call.service in ("iam", "sts"):
        body = (f"<{call.operation}Response><{call.operation}Result><{entry['result_key']}/><IsTruncated>true</IsTruncated>"
                f"<{entry['output_token']}>{following}</{entry['output_token']}></{call.operation}Result></{call.operation}Response>")
        return 200, {"Content-Type": "text/xml"}, body.encode()
    kind = "application/x-amz-json-1.1" if call.service in JSON else "application/json"
    return 200, {"Content-Type": kind}, json.dumps({entry["result_key"]: [], entry["output_token"]: following}).encode()


def without_token(call):
    """(target, body) of the call as the service must see it: our own token is unknown there."""
    name = paginator(call.service, call.operation)["input_token"]
    if call.service in JSON:
        return call.target, json.dumps({k: v for k, v in json.loads(call.body).items() if k != name}).encode()

    def strip(text):
        return urllib.parse.urlencode([(k, v) for k, v in urllib.parse.parse_qsl(text, keep_blank_values=True) if k != name],
                                      quote_via=urllib.parse.quote)

    if call.service in ("iam", "sts"):
        return call.target, strip(call.body.decode()).encode()
    path, _, query = call.target.partition("?")
    query = strip(query)
    return path + (f"?{query}" if query else ""), call.body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *_):
        pass

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def handle_one_request(self):
        connections, lock = self.server.busy, self.server.lock
        with lock:
            connections[self.request] = False
        try:
            self.request.recv(1, socket.MSG_PEEK)  # until there is something: a request is never read and not counted
        except OSError:
            self.close_connection = True
            return
        with lock:
            connections[self.request] = True
        super().handle_one_request()

    def _read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _record(self, body):
        headers = {k.lower(): v for k, v in self.headers.items()}
        service, operation, labels = aws_models.identify(self.command, self.path, headers, body)
        problems = []
        if service:
            problems = aws_models.problems(service, operation, labels, self.path, headers, body)
            if self.owner.secrets is not None and "authorization" in headers:
                wrong = aws_models.signature_problem(self.command, "http", headers["host"], self.path, headers, body,
                                                     self.owner.secrets)
                problems += [wrong] if wrong else []
        call = Call(service, operation, self.command, self.path, headers, body, problems, labels)
        with self.owner._lock:
            self.owner.calls.append(call)
        return call

    def _reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.request.close()

    def _unpaged(self, call):
        """The call without our page token, signed anew by its own key."""
        target, body = without_token(call)
        found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", call.headers["authorization"])
        signed = call.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        request = AWSRequest(method=self.command, url=f"http://{call.headers['host']}{target}", data=body,
                             headers={n: call.headers[n] for n in signed if n in call.headers})
        request.context["timestamp"] = call.headers["x-amz-date"]
        auth = SigV4Auth(Credentials(found[1], self.owner.secrets[found[1]]), found[3], found[2])
        text = auth.string_to_sign(request, auth.canonical_request(request))
        headers = dict(self.headers.items())
        name = next(n for n in headers if n.lower() == "authorization")
        headers[name] = headers[name].rpartition("=")[0] + "=" + auth.signature(text, request)
        return target, headers, body

    def _forward(self, target, headers, body):
        connection = http.client.HTTPConnection(*self.owner.upstream, timeout=300)
        try:
            connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in HOP | {"content-length", "expect"}:
                    connection.putheader(name, value)
            if body or self.command in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            content = response.read()
            return response.status, [(k, v) for k, v in response.getheaders() if k.lower() not in HOP | {"content-length"}], content
        finally:
            connection.close()

    def _answer(self, call, status, headers, body):
        call.status, call.answer = status, body
        self.send_response_only(status)
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def _serve(self):
        body = self._read_body()
        call = self._record(body)
        fault = self.owner._pick_fault(call)
        call.fault = fault.kind if fault else None
        watch = self.owner.watch
        if watch and watch(call, "before"):
            return self._reset()
        if fault and fault.kind == "reset_before":
            return self._reset()
        if fault and fault.kind == "delay":
            time.sleep(fault.seconds)
        elif fault and fault.kind != "reset_after":
            return self._answer(call, *fault_answer(call, fault))
        if self.owner.closing:
            return self._reset()
        page = self.owner.reply_to(call) or self.owner.empty_page(call)
        if page:
            return self._answer(call, *page)
        try:
            message = (self.path, self.headers, body)
            if self.owner.has_empty_pages(call) and (token_of(call) or "").startswith("empty-"):
                message = self._unpaged(call)
            status, headers, content = self._forward(*message)
        except (OSError, http.client.HTTPException):
            return self._reset()
        if (fault and fault.kind == "reset_after") or (watch and watch(call, "after")):
            return self._reset()
        for match, function in self.owner.rewrites:
            if fnmatch.fnmatchcase(call.name, match):
                content = function(call, content)
        self.owner.learn(call, status, headers, content)
        return self._answer(call, status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve
