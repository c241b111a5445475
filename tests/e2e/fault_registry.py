# SPDX-License-Identifier: Apache-2.0
"""A small OCI registry in memory that misbehaves on request: it cuts connections, forgets, lies, redirects, limits."""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INDEX = "application/vnd.oci.image.index.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Fault:
    """What to do with the next `times` requests that match, after letting `skip` of them pass."""
    method: str
    path: str  # a regular expression, searched in the target
    times: int = 1
    skip: int = 0
    status: int = 0  # answer this instead
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    cut: int = None  # end the connection after that many bytes of the body, sent or received (RST)
    change: object = None  # bytes -> bytes: what is sent instead
    run: object = None  # called with the handler first
    hits: int = 0


@dataclass
class Request:
    method: str
    target: str
    headers: dict  # lower-case names
    received: int = 0  # bytes of its body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600

    def log_message(self, *_):
        pass

    # ---- reading and answering ----

    def pieces(self):
        """The request's body as it comes."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read1(min(left, 65536))
            if not piece:
                raise ConnectionError("the client went away")
            left -= len(piece)
            yield piece

    def receive(self, into, fault):
        for piece in self.pieces():
            room = len(piece)
            if fault and fault.cut is not None and self.request_seen.received + room > fault.cut and self.server.registry.use(fault):
                room = fault.cut - self.request_seen.received
            into += piece[:room]
            self.request_seen.received += room
            if room < len(piece):
                self.reset()
                return False
        return True

    def reset(self):
        """RST instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # the file objects hold the socket open until the handler ends
        self.connection.close()
        self.wfile.close()
        self.rfile.close()

    def reply(self, status, headers=None, body=b"", cut=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:  # an orderly end, so that what was sent arrives
            self.close_connection = True

    def refuse(self, status, code, message="", headers=None):
        self.reply(status, {"Content-Type": "application/json", **(headers or {})},
                   json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}))

    # ---- requests ----

    def handle_any(self):
        r = self.server.registry
        self.request_seen = Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        r.seen.append(self.request_seen)
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        try:
            if path == "/token":
                return self.token()
            fault = r.pick(self.command, self.path)
            if fault and fault.run:
                fault.run(self)
            if fault and fault.status:
                self.swallow()
                return self.reply(fault.status, fault.headers, fault.body)
            if not self.allowed(path):
                return None
            return self.route(path, fault)
        except (ConnectionError, ValueError, OSError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def swallow(self):
        for _ in self.pieces():
            pass

    def token(self):
        r = self.server.registry
        given = self.headers.get("Authorization")
        body = bytearray()
        self.receive(body, None)
        form = dict(urllib.parse.parse_qsl(body.decode()))
        r.logins.append(given or form.get("refresh_token"))
        right = given == "Basic " + base64.b64encode((r.password or "").encode()).decode()
        if r.password and not right and not (r.anonymous and not given) and form.get("refresh_token") != r.password:
            return self.refuse(401, "UNAUTHORIZED")
        with r.lock:
            r.tokens += 1
            name = f"token-{r.tokens}"
        self.reply(200, {"Content-Type": "application/json"}, json.dumps({"token": name, "expires_in": 3600}))

    def allowed(self, path):
        """With tokens: each is good for `token_uses` requests."""
        r = self.server.registry
        if not r.token_uses:
            return True
        name = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with r.lock:
            r.used[name] = uses = r.used.get(name, 0) + 1
        if name.startswith("token-") and uses <= r.token_uses:
            return True
        self.swallow()
        self.refuse(401, "UNAUTHORIZED", headers={"WWW-Authenticate": f'Bearer realm="{r.url}/token",service="fake",scope="x"'})
        return False

    def route(self, path, fault):
        if path == "/v2/":
            return self.reply(200)
        if path.startswith("/uploads/"):
            return self.upload(path.rpartition("/")[2], fault)
        if m := re.fullmatch(r"/v2/(.+)/blobs/uploads/", path):
            return self.begin(m[1], fault)
        if m := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})", path):
            return self.blob(m[1], m[2], fault)
        if m := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            return self.manifest(m[1], m[2], fault)
        if m := re.fullmatch(r"/v2/(.+)/referrers/(.+)", path):
            return self.referrers(m[1], m[2])
        self.swallow()
        return self.refuse(404, "NOT_FOUND")

    def blob(self, repository, name, fault):
        r = self.server.registry
        self.swallow()
        if (repository, name) not in r.members:
            return self.refuse(404, "BLOB_UNKNOWN")
        data = r.blobs[name]
        if fault and fault.change:
            data = fault.change(data)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        headers = {"Docker-Content-Digest": name}
        status = 200
        if wanted:
            first = int(wanted[1])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            data, status = data[first:], 206
        cut = fault.cut if fault and fault.cut is not None and len(data) > fault.cut and r.use(fault) else None
        return self.reply(status, headers, data, cut)

    def begin(self, repository, fault):
        r = self.server.registry
        self.swallow()
        mount, source = self.query.get("mount"), self.query.get("from")
        if mount and r.mounts and (source, mount) in r.members:
            r.members.add((repository, mount))
            return self.reply(201, {"Docker-Content-Digest": mount})
        with r.lock:
            r.begun += 1
            name = str(r.begun)
        r.uploads[name] = (repository, bytearray())
        return self.reply(202, {"Location": f"/uploads/{name}?state=1", "Range": "0-0"})

    def upload(self, name, fault):
        r = self.server.registry
        repository, data = r.uploads.get(name, (None, None))
        if data is None:
            self.swallow()
            return self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        if self.command == "DELETE":
            del r.uploads[name]
            return self.reply(204)
        place = {"Location": f"/uploads/{name}?state={len(data)}", "Range": f"0-{max(len(data) - 1, 0)}"}
        if self.command == "GET":
            return self.reply(204, place)
        begin = re.match(r"(\d+)-", self.headers.get("Content-Range", ""))
        if begin and int(begin[1]) != len(data):
            self.swallow()
            return self.refuse(416, "RANGE_INVALID", headers=place)
        if not self.receive(data, fault):
            return None
        if self.command == "PATCH":
            return self.reply(202, {"Location": f"/uploads/{name}?state={len(data)}", "Range": f"0-{len(data) - 1}"})
        wanted = self.query["digest"]
        if digest(data) != wanted:
            return self.refuse(400, "DIGEST_INVALID", f"got {digest(data)}")
        r.blobs[wanted] = bytes(data)
        r.members.add((repository, wanted))
        return self.reply(201, {"Docker-Content-Digest": wanted})

    def manifest(self, repository, name, fault):
        r = self.server.registry
        if self.command == "PUT":
            data = bytearray()
            if not self.receive(data, fault):
                return None
            return self.put_manifest(repository, name, bytes(data))
        self.swallow()
        kind, data = r.manifests.get((repository, name), (None, None))
        if data is None:
            return self.refuse(404, "MANIFEST_UNKNOWN")
        headers = {"Content-Type": kind, "Docker-Content-Digest": digest(data)}
        if fault and fault.change:
            data = fault.change(data)
        return self.reply(200, {**headers, **(fault.headers if fault else {})}, data)

    def put_manifest(self, repository, name, data):
        r = self.server.registry
        m = json.loads(data)
        for child in m.get("manifests", []):
            if (repository, child["digest"]) not in r.manifests and r.strict:
                return self.refuse(404, "MANIFEST_UNKNOWN", "a child is missing")
        kind = self.headers["Content-Type"]
        r.manifests[repository, name] = r.manifests[repository, digest(data)] = (kind, data)
        r.order.append((name, digest(data)))
        headers = {"Docker-Content-Digest": digest(data)}
        if "subject" in m and r.has_referrers:
            headers["OCI-Subject"] = m["subject"]["digest"]
        return self.reply(201, headers)

    def referrers(self, repository, name):
        r = self.server.registry
        if not r.has_referrers:
            return self.refuse(404, "NOT_FOUND")
        found = []
        for (owner, key), (kind, data) in list(r.manifests.items()):
            m = json.loads(data)
            if owner == repository and key == digest(data) and m.get("subject", {}).get("digest") == name:
                found.append({"mediaType": kind, "digest": key, "size": len(data), "artifactType": m.get("artifactType")})
        return self.reply(200, {"Content-Type": INDEX}, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}))


class FaultRegistry:
    """`token_uses`: a bearer token is asked for, good for that many requests; `password`: "user:password" or an identity token that gets one."""

    def __init__(self, token_uses=0, password=None, mounts=True, has_referrers=True, anonymous=False):
        self.anonymous, self.logins = anonymous, []  # does a request without login get a token; what logged in
        self.token_uses, self.password, self.mounts, self.has_referrers = token_uses, password, mounts, has_referrers
        self.strict = True
        self.blobs, self.members, self.manifests, self.uploads = {}, set(), {}, {}
        self.order = []  # (name, digest) of the manifests put
        self.begun, self.tokens, self.used = 0, 0, {}
        self.faults, self.seen, self.lock = [], [], threading.Lock()

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

            def shutdown_request(self, request):
                try:
                    super().shutdown_request(request)
                except OSError:
                    pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.registry = self
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method, path, **more):
        self.faults.append(Fault(method, path, **more))
        return self.faults[-1]

    def pick(self, method, target):
        with self.lock:
            for f in self.faults:
                if not re.fullmatch(f.method, method) or not re.search(f.path, target):
                    continue
                if f.skip:
                    f.skip -= 1
                    continue
                if f.hits < f.times:
                    f.hits += f.cut is None
                    return f
        return None

    def use(self, fault):
        """A cut counts when it happens, so that small bodies do not use it up."""
        with self.lock:
            if fault.hits == fault.times:
                return False
            fault.hits += 1
            return True

    def add_blob(self, repository, data):
        self.blobs[digest(data)] = data
        self.members.add((repository, digest(data)))

    def add_image(self, repository, tag, image):
        """An images.Image."""
        for data in (*image.layers, image.config):
            self.add_blob(repository, data)
        kind = json.loads(image.manifest)["mediaType"]
        self.manifests[repository, tag] = self.manifests[repository, digest(image.manifest)] = (kind, image.manifest)

    def count(self, method, path):
        return sum(1 for q in self.seen if q.method == method and re.search(path, q.target))
