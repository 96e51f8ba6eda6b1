"""The HTTP side of the SageMaker stand-in: AWS's JSON 1.1, and for endpoints' answers its REST."""

from __future__ import annotations

import json
import re
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.standins.aws.errors import Refusal

if TYPE_CHECKING:
    from tests.standins.aws.sagemaker import Service

_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[a-z0-9-]+)/")
_INVOCATIONS = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
JSON = "application/x-amz-json-1.1"


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    """What a server does with each request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            error = None
            try:
                code, answer = 200, self._answer(body)
            except Refusal as refusal:
                error, code, answer = refusal.code, refusal.status, json.dumps(refusal.body()).encode()
            except Exception:
                failure = Refusal("InternalFailure", "", 500)
                error, code, answer = failure.code, failure.status, json.dumps(failure.body()).encode()
                raise
            finally:
                self._send(code, answer, error)

        do_GET = do_POST = do_DELETE = serve

        def _answer(self, body: bytes) -> bytes:
            if self.path.startswith("/control/"):
                return json.dumps(service.control(self.command, self.path, body)).encode()
            signed = _SCOPE.search(self.headers.get("Authorization", ""))
            if signed is None:
                raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
            if asked := _INVOCATIONS.fullmatch(self.path):
                kind = self.headers.get("Content-Type", "")
                return service.runtime.invoke(signed["region"], unquote(asked["name"]), kind, body)
            return json.dumps(service.call(self.headers.get("X-Amz-Target", ""), signed["region"], body)).encode()

        def _send(self, code: int, content: bytes, error: str | None) -> None:
            self.send_response(code)
            self.send_header("Content-Type", JSON)
            self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if code != 200:
                super().log_request(code, size)

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
