"""A strict stand-in for Vertex AI's custom jobs, and for Cloud Logging's lists of their lines, on 127.0.0.1.

``python -m tests.standins.google.vertex --port 18820 --state DIR --gcs http://127.0.0.1:18800``

It refuses what the service refuses, really runs what is submitted, and loses nothing when it is killed: its jobs run
on, and started again on the same folder, it follows them. Ended by SIGTERM, it takes their processes with it.
Credentials are not looked at. An endpoint serves the regions that it was started with; ``http://…/europe-west4``
serves that one alone, as the service's endpoints do.

Control, for rehearsals only:

====================================  ====================================================================
``POST /control/next``                what the next jobs are to suffer (see ``vertex_faults``); GET: all that
                                      still waits; DELETE: forget it
``POST /control/strike``              ``{"job": id, "fault": …}``: what a job is to suffer now, while it runs
``POST /control/release``             let held jobs go on
``GET /control/history``              every job's display name and the states that it had
``GET /control/access``               every object that jobs could see, with its SHA-256
====================================  ====================================================================
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.standins.google import vertex_machines as machines
from tests.standins.google.errors import Refusal, bad_json
from tests.standins.google.gcs import REGION
from tests.standins.google.vertex_jobs import Jobs, Times
from tests.standins.google.vertex_lists import list_jobs
from tests.standins.google.vertex_logs import list_entries
from tests.standins.google.vertex_rules import Project, read_job

PROJECT_ID, PROJECT_NUMBER = "lanner-rehearsal", "123456789012"
TICK = 0.1
LOG_READS = 60  # a minute, https://cloud.google.com/logging/quotas
_FRONT_END = frozenset({"alt", "$alt", "fields", "key", "prettyPrint", "quotaUser", "access_token"})
_LOCATION = r"(?:/(?P<endpoint>[a-z0-9-]+))?/v1/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/customJobs"
_JOB = _LOCATION + r"/(?P<job>[^/:]+)"

Answer = dict[str, Any]


class Service:
    """What each path does.

    Args:
        log_reads: calls of ``entries:list`` that the project may make a minute.
    """

    def __init__(self, jobs: Jobs, log_reads: int = LOG_READS) -> None:
        self.jobs, self.log_reads = jobs, log_reads
        self._reads: deque[float] = deque()
        self._reading = threading.Lock()
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            ("POST", re.compile(_LOCATION), self._create),
            ("GET", re.compile(_LOCATION), self._list),
            ("GET", re.compile(_JOB), self._get),
            ("DELETE", re.compile(_JOB), self._delete),
            ("POST", re.compile(_JOB + ":cancel"), self._cancel),
            ("POST", re.compile(r"/v2/entries:list"), self._entries),
            ("POST", re.compile(r"/control/next"), self._wish),
            ("GET", re.compile(r"/control/next"), lambda *_: {"next": jobs.wishes.waiting()}),
            ("DELETE", re.compile(r"/control/next"), self._forget),
            ("POST", re.compile(r"/control/strike"), self._strike),
            ("POST", re.compile(r"/control/release"), self._release),
            ("GET", re.compile(r"/control/history"), lambda *_: jobs.history()),
            ("GET", re.compile(r"/control/access"), lambda *_: {"objects": self._access()}),
        ]

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """The answer to a request.

        Raises:
            Refusal: there is no such path, or the service refuses.
        """
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        path = urllib.parse.unquote(url.path)
        for verb, pattern, act in self._routes:
            if verb == method and (found := pattern.fullmatch(path)):
                asked = {key: value for key, value in query.items() if key not in _FRONT_END}
                return act(found.groupdict(), asked, body)
        raise Refusal("NOT_FOUND", f"The requested URL {path} was not found on this server.")

    def _create(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self._check(at, "create")
        return self.jobs.create(at["region"], read_job(body))

    def _list(self, at: dict[str, str], query: dict[str, str], body: bytes) -> Answer:
        self._check(at, "list")
        return list_jobs(self.jobs.list(at["region"]), query)

    def _get(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self._check(at, "get")
        return self.jobs.get(at["region"], at["job"])

    def _cancel(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self._check(at, "cancel")
        self.jobs.cancel(at["region"], at["job"])
        return {}

    def _delete(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self._check(at, "delete")
        self.jobs.delete(at["region"], at["job"])
        parent = f"projects/{self.jobs.project.number}/locations/{at['region']}"
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{parent}/operations/{at['job']}", "done": True, "response": empty}

    def _check(self, at: dict[str, str], verb: str) -> None:
        self.jobs.project.check_location(at["project"], at["region"], at["endpoint"], f"aiplatform.customJobs.{verb}")

    def _entries(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        with self._reading:
            while self._reads and self._reads[0] < time.monotonic() - 60:
                self._reads.popleft()
            if len(self._reads) >= self.log_reads:
                raise Refusal(
                    "RESOURCE_EXHAUSTED",
                    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
                    f"'logging.googleapis.com' for consumer 'project_number:{self.jobs.project.number}'.",
                )
            self._reads.append(time.monotonic())
        project = self.jobs.project
        return list_entries(self.jobs.logs, _json(body), frozenset({project.id, project.number}))

    def _wish(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self.jobs.wishes.add(_json(body))
        return {}

    def _strike(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        asked = _json(body)
        self.jobs.strike(str(asked.get("job")), str(asked.get("fault")))
        return {}

    def _forget(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self.jobs.wishes.clear()
        return {}

    def _release(self, at: dict[str, str], query: Answer, body: bytes) -> Answer:
        self.jobs.release()
        return {}

    def _access(self) -> list[Answer]:
        file = self.jobs.access
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    """The HTTP side of a service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method, target = self.command, self.path
            if self.headers.get("X-HTTP-Method-Override") == "GET":  # a client's way to send a long query
                method, target, body = "GET", f"{target}?{body.decode()}", b""
            try:
                code, answer = 200, service.answer(method, target, body)
            except Refusal as refusal:
                code, answer = refusal.code, refusal.body()
            except Exception:
                code, answer = 500, Refusal("INTERNAL", "Internal error encountered.").body()
                raise
            finally:
                self._send(code, answer)

        do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = serve

        def _send(self, code: int, answer: Answer) -> None:
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
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


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    project = Project(
        id=options.project,
        number=options.project_number,
        regions=options.region or [REGION],
        service_accounts=options.service_account,
        quotas=machines.QUOTAS | {name: int(limit) for name, limit in map(_pair, options.quota)},
        bucket_regions=dict(map(_pair, options.bucket_region)),
    )
    times = Times(options.queued, options.pending, options.grace, options.upload, options.log_delay)
    jobs = Jobs(options.state, project, options.gcs, times)
    server = Server(("127.0.0.1", options.port), handler(Service(jobs, options.log_reads)))
    threading.Thread(target=_tick_for_ever, args=(jobs,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server.serve_forever()
    finally:
        jobs.end_processes()


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="tests.standins.google.vertex", description="Vertex AI, rehearsed.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR", help="keeps everything")
    arguments.add_argument("--gcs", required=True, metavar="URL", help="where Cloud Storage answers")
    arguments.add_argument("--project", default=PROJECT_ID)
    arguments.add_argument("--project-number", default=PROJECT_NUMBER, help="is in the names of jobs, as there")
    arguments.add_argument("--region", action="append", help=f"that is served; again for more (default {REGION})")
    arguments.add_argument("--service-account", action="append", default=[], help="that jobs may run as")
    arguments.add_argument("--quota", action="append", default=[], metavar="METRIC=LIMIT")
    arguments.add_argument("--bucket-region", action="append", default=[], metavar="BUCKET=REGION")
    for name, default in vars(Times()).items():
        arguments.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, metavar="SECONDS")
    arguments.add_argument("--log-reads", type=int, default=LOG_READS, metavar="N", help="entries:list calls a minute")
    return arguments


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _json(body: bytes) -> Answer:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise bad_json("", f"Invalid JSON payload received. {error}") from error
    if not isinstance(found, dict):
        raise bad_json("", "Invalid JSON payload received. Unknown name: Root element must be a message.")
    return found


def _tick_for_ever(jobs: Jobs) -> None:
    while True:
        begun = time.monotonic()
        jobs.tick()
        time.sleep(max(TICK, 4 * (time.monotonic() - begun)))  # thousands of waiting jobs do not eat the machine


if __name__ == "__main__":
    main()
