"""A real HTTP server on 127.0.0.1 that behaves as badly as a test wants."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class BadServer:
    """Serves ``data`` under every path. What goes wrong is set on it, and requests are recorded.

    Attributes:
        breaks: after how many bytes of its body each of the next answers breaks off.
        statuses: HTTP statuses that the next answers have instead of a body.
        versions: what takes the place of ``data`` before each of the next answers but the first.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.etag = '"1"'
        self.last_modified = ""
        self.breaks: list[int] = []
        self.statuses: list[int] = []
        self.versions: list[bytes] = []
        self.ignores_range = self.ignores_if_range = self.tells_no_length = self.hides_versions = False
        self.redirect = ""
        self.requests: list[dict[str, str]] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        if len(self.requests) > 1 and self.versions:
            self.data = self.versions.pop(0)
            self.etag = self.etag if self.hides_versions else f'"{len(self.requests)}"'
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        if self.redirect:
            handler.send_response(302)
            handler.send_header("Location", self.redirect)
            handler.end_headers()
            self.redirect = ""
            return
        start = self._start(handler)
        body = self.data[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        if not self.tells_no_length:
            handler.send_header("Content-Length", str(len(body)))
        for name, value in (("ETag", self.etag), ("Last-Modified", self.last_modified)):
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: self.breaks.pop(0)] if self.breaks else body)

    def _start(self, handler: BaseHTTPRequestHandler) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if not asked or self.ignores_range:
            return 0
        condition = handler.headers.get("If-Range")
        same = condition in (None, self.etag, self.last_modified) or self.ignores_if_range
        return int(asked[1]) if same else 0


@contextmanager
def serving(data: bytes) -> Iterator[BadServer]:
    server = BadServer(data)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
