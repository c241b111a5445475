# SPDX-License-Identifier: Apache-2.0
"""Small HTTP servers that play metadata services, token services and misbehaving endpoints."""

import datetime
import json
import threading
import urllib.parse
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Seen:
    method: str
    target: str
    headers: dict  # lower-case names
    body: bytes

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return dict(urllib.parse.parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def form(self):
        return dict(urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True))


class Fake:
    """answer(seen) -> (status, headers, body) | None (the connection is cut off without an answer)."""

    def __init__(self, answer, ssl_context=None):
        self.seen = []
        self.connections = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                fake.connections += 1

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    body = self.read_chunks()
                seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                fake.seen.append(seen)
                reply = answer(seen)
                if reply is None:
                    self.close_connection = True
                    return
                self.reply(*reply)

            def read_chunks(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def reply(self, status, headers, body):
                body = body.encode() if isinstance(body, str) else body
                self.send_response_only(status)
                names = {k.lower() for k in headers}
                if "date" not in names:
                    self.send_header("Date", formatdate(usegmt=True))
                if "content-length" not in names:
                    self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
                if headers.get("Connection") == "close":
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = handle_any

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):  # clients that give up are part of the tests
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if ssl_context:
            self.server.socket = ssl_context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.port = self.server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def stamp(seconds_from_now):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def reply_json(value, status=200, headers=None):
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value)


def sts_xml(operation, inner):
    return 200, {"Content-Type": "text/xml"}, (f'<{operation}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{operation}Result>{inner}'
                                              f"</{operation}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
                                              f"</{operation}Response>")


def sts_credentials(name, expires_in=3600):
    return (f"<Credentials><AccessKeyId>ASIA{name}</AccessKeyId><SecretAccessKey>secret-{name}</SecretAccessKey>"
            f"<SessionToken>token-{name}</SessionToken><Expiration>{stamp(expires_in)}</Expiration></Credentials>")


def sts_error(code, message, status=403):
    return status, {"Content-Type": "text/xml"}, (f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                                                 "<RequestId>r-2</RequestId></ErrorResponse>")
