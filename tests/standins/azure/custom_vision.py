"""A strict stand-in for Custom Vision's training and prediction APIs, on 127.0.0.1.

``python -m tests.standins.azure.custom_vision --port 18900 --state DIR``

It serves what the SDK (azure-cognitiveservices-vision-customvision 3.1) calls, refuses what the service refuses, and
its trainings really train from the images and regions that were sent. It loses nothing when it is killed: trainings run
on, and started again on the same folder, it follows them. Ended by SIGTERM, it takes their processes with it.

Control, for rehearsals only:

====================================  ====================================================================
``POST /control/next``                what the next trainings are to suffer (see ``custom_vision_faults``);
                                      GET: all that still waits; DELETE: forget it
``POST /control/release``             let held trainings go on
``POST /control/strike``              ``{"project": name}``: the service loses what trains there
``POST /control/settings``            ``{"calls_per_second": 10}``: instead of the tier's; 0: as many as
                                      come; null: the tier's
``GET /control/history``              every call that came: operation and status, the newest last
====================================  ====================================================================
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.standins.azure.custom_vision_account import TIERS
from tests.standins.azure.custom_vision_calls import Reply
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_exports import ExportCalls
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_rate import Rate
from tests.standins.azure.custom_vision_service import Service
from tests.standins.azure.custom_vision_store import Projects
from tests.standins.azure.custom_vision_training import TrainingCalls
from tests.standins.azure.custom_vision_upload import Sent

TICK = 0.1


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    """The HTTP side of a service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reason, headers = None, {}
            try:
                reply = service.answer(self.command, self.path, self.headers, body)
            except Refusal as refusal:
                reply, reason, headers = Reply(refusal.status, refusal.body()), refusal.reason, refusal.headers
            except Exception:
                reply = Reply(500, Refusal("ErrorUnknown", "An unknown error occurred.").body())
                raise
            finally:
                self._send(reply, reason, headers)

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = serve

        def _send(self, reply: Reply, reason: str | None, headers: dict[str, str]) -> None:
            is_bytes = isinstance(reply.body, bytes)
            content = reply.body if is_bytes else b"" if reply.status == 204 else json.dumps(reply.body).encode()
            self.send_response(reply.status, reason)
            for name, value in headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Type", "application/octet-stream" if is_bytes else "application/json")
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if code not in {200, 204}:
                super().log_request(code, size)

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    tier, projects = TIERS[options.tier], Projects(options.state)
    iterations = Iterations(projects, tier, json.loads(options.detector), options.queued)
    training = TrainingCalls(options.state, iterations, tier)
    exports = ExportCalls(iterations, options.exporting)
    rate = Rate(tier, options.state / "settings.json", options.calls)
    service = Service(iterations, training, exports, Sent(options.sent), rate, tier)
    server = Server(("127.0.0.1", options.port), handler(service))
    for tick in (iterations.tick, exports.tick):
        threading.Thread(target=_tick_for_ever, args=(tick,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server.serve_forever()
    finally:
        iterations.end_processes()


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="tests.standins.azure.custom_vision", description="Custom Vision, rehearsed."
    )
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR", help="keeps everything")
    arguments.add_argument("--sent", type=Path, metavar="DIR", help="a copy of every image that ever comes")
    arguments.add_argument("--tier", choices=TIERS, default="S0")
    arguments.add_argument("--calls", type=int, metavar="N", help="calls a second, instead of the tier's; 0: no limit")
    arguments.add_argument("--queued", type=float, default=0.5, metavar="SECONDS", help="before a training begins")
    arguments.add_argument("--exporting", type=float, default=0.5, metavar="SECONDS", help="that an export takes")
    arguments.add_argument(
        "--detector", default="{}", metavar="JSON", help="how it trains: fields of our trainer's configuration"
    )
    return arguments


def _tick_for_ever(tick: Callable[[], None]) -> None:
    while True:
        begun = time.monotonic()
        with contextlib.suppress(FileNotFoundError):  # of an iteration that was deleted meanwhile
            tick()
        time.sleep(max(TICK, 4 * (time.monotonic() - begun)))


if __name__ == "__main__":
    main()
