"""The HTTP side of the Azure ML stand-in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.standins.azure.azure_ml_errors import Refusal
from tests.standins.azure.azure_ml_service import Service


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    """Answers requests by a service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers: Mapping[str, str] = {}
            try:
                code, answer = service.answer(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
            except Refusal as refusal:
                code, answer, headers = refusal.status, refusal.body(), refusal.headers
            except Exception:
                code, answer = 500, Refusal(500, "InternalServerError", "An internal error occurred.").body()
                raise
            finally:
                self._send(code, answer, headers)

        do_GET = do_PUT = do_POST = do_DELETE = serve

        def _send(self, code: int, answer: dict[str, Any], headers: Mapping[str, str]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("x-ms-request-id", str(uuid.uuid4()))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if code not in {200, 201, 202}:
                super().log_request(code, size)

    return Handler
