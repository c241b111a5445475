# SPDX-License-Identifier: Apache-2.0
"""An HTTP endpoint that forwards to moto or to the local cloud and records each call.

    with RecordingProxy(upstream, {access_key: secret_key}) as proxy:
        run(env | {"AWS_ENDPOINT_URL": proxy.url})
        assert proxy.writes() == []
        proxy.assert_valid()

Each call is named service.operation by botocore's models, its members are checked against
them and its signature is computed again. Fault rules make the endpoint worse on purpose.
"""

import fnmatch
import http.client
import socket
import struct
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import aws_models

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

    @property
    def name(self):
        return f"{self.service}.{self.operation}" if self.service else self.operation

    @property
    def is_write(self):
        if self.service is None:
            return self.method not in ("GET", "HEAD")
        return not self.operation.startswith(READS)


@dataclass
class Fault:
    match: str
    kind: str
    times: int
    skip: int
    status: int
    code: str
    message: str
    seconds: float
    headers: dict


class RecordingProxy:
    def __init__(self, upstream, secrets=None):
        parts = urllib.parse.urlsplit(upstream)
        self.upstream = (parts.hostname, parts.port)
        self.secrets = secrets  # None: signatures are not checked
        self.calls = []
        self.rewrites = []
        self._faults = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

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

    def assert_valid(self):
        """Every AWS call fits botocore's models and is signed as botocore signs."""
        bad = [f"{c.name}: {p}" for c in self.calls for p in c.problems]
        assert not bad, "\n".join(bad)

    # ---- what is made worse ----

    def fault(self, match, kind, times=1, skip=0, status=500, code=None, message="injected", seconds=1.0, headers=None):
        """The next `times` calls (after `skip`) whose name matches the glob get `kind`:
        throttle (as the service throttles), error (status, code), reset_before (not forwarded),
        reset_after (forwarded, the answer is lost), delay (seconds, then forwarded)."""
        assert kind in ("throttle", "error", "reset_before", "reset_after", "delay"), kind
        with self._lock:
            self._faults.append(Fault(match, kind, times, skip, status, code, message, seconds, headers or {}))

    def clear_faults(self):
        with self._lock:
            self._faults.clear()

    def rewrite(self, match, function):
        """Answers of matching calls pass through function(call, bytes) -> bytes."""
        self.rewrites.append((match, function))

    def _pick_fault(self, name):
        with self._lock:
            for fault in self._faults:
                if not fnmatch.fnmatchcase(name, fault.match):
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
    if service == "ecr":
        body = f'{{"__type":"{code}","message":"{message}"}}'
        return status, {"Content-Type": "application/x-amz-json-1.1"}, body.encode()
    body = f'{{"message":"{message}"}}'
    return status, {"Content-Type": "application/json", "x-amzn-ErrorType": code,
                    "x-amzn-RequestId": "00000000-0000-4000-8000-000000000000"}, body.encode()


def throttle_answer(service):
    code, status = {"iam": ("Throttling", 400), "sts": ("Throttling", 400), "ecr": ("ThrottlingException", 400)}.get(
        service, ("TooManyRequestsException", 429))
    return error_answer(service, status, code, "Rate exceeded")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *_):
        pass

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

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

    def _forward(self, body):
        connection = http.client.HTTPConnection(*self.owner.upstream, timeout=300)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
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
        fault = self.owner._pick_fault(call.name)
        call.fault = fault.kind if fault else None
        if fault and fault.kind == "reset_before":
            return self._reset()
        if fault and fault.kind == "throttle":
            status, headers, content = throttle_answer(call.service)
            return self._answer(call, status, {**headers, **fault.headers}, content)
        if fault and fault.kind == "error":
            status, headers, content = error_answer(call.service, fault.status, fault.code or "InternalFailure", fault.message)
            return self._answer(call, status, {**headers, **fault.headers}, content)
        if fault and fault.kind == "delay":
            time.sleep(fault.seconds)
        try:
            status, headers, content = self._forward(body)
        except (OSError, http.client.HTTPException):
            return self._reset()
        if fault and fault.kind == "reset_after":
            return self._reset()
        for match, function in self.owner.rewrites:
            if fnmatch.fnmatchcase(call.name, match):
                content = function(call, content)
        return self._answer(call, status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve
