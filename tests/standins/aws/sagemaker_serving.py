"""The built-in object detection's container as an endpoint runs it: an HTTP server with ``/ping`` and ``/invocations``.

``python -m tests.standins.aws.sagemaker_serving MODEL ADDRESS`` loads what lies in the folder MODEL, then writes its
URL into the file ADDRESS. https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.standins.aws.sagemaker_detection import MODEL, answer_of
from training_services.local_runner import write

IMAGES = frozenset({"application/x-image", "image/jpeg", "image/png"})


def handler(answer: Callable[[bytes], str]) -> type[BaseHTTPRequestHandler]:
    """The server's side of a request.

    Args:
        answer: to an image's bytes; ``ValueError`` if they are none.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200 if self.path == "/ping" else 404, "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type", "")
            if self.path != "/invocations":
                self._send(404, "")
            elif kind not in IMAGES:
                self._send(415, f"Unsupported Media Type: {kind}")
            else:
                try:
                    self._send(200, answer(body))
                except ValueError:
                    self._send(400, "Unable to decode image")

        def _send(self, code: int, text: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if self.path != "/ping":
                super().log_request(code, size)

    return Handler


def main(model: Path, address: Path) -> None:
    import tensorflow as tf

    from include.scoring.picture import Picture
    from include.scoring.predict import SavedModelPredictor

    predict = SavedModelPredictor(model / MODEL)

    def answer(image: bytes) -> str:
        try:
            return answer_of(predict(Picture(image)))
        except tf.errors.InvalidArgumentError as none:
            raise ValueError("no image") from none

    server = HTTPServer(("127.0.0.1", 0), handler(answer))
    write(address, f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
