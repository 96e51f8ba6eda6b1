"""Many training jobs that are only pretended, as SageMaker and CloudWatch Logs tell of them.

Not the strict stand-in of the tests, which runs every job: nothing runs here, a job ends at the moment that it was told
to. It answers ListTrainingJobs in pages of at most 100, DescribeTrainingJob and FilterLogEvents in pages of at most
10,000, as the services do, and counts its calls.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REGION, ACCOUNT, NAMESPACE = "us-east-1", "123456789012", "bench"
PAGE, LOG_PAGE = 100, 10_000
SECONDS_PER_LINE = 60.0  # each job prints a line of its training so often


def name_of(number: int) -> str:
    return f"{NAMESPACE}-sagemaker-{number:08x}-22222222-g1-a1"


class Jobs:
    """Jobs that run since now and end when they are told to.

    Attributes:
        calls: how often each operation was asked.
        seen: jobs that were described at least once.
        ends: moment by number, of those that end.
    """

    def __init__(self, count: int) -> None:
        self.count, self.begun = count, time.time()
        self.ends: dict[int, float] = {}
        self.calls: Counter[str] = Counter()
        self.seen: set[int] = set()
        self._numbers = {name_of(number): number for number in range(count)}

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """None: there is no such job."""
        self.calls[operation] += 1
        if operation == "ListTrainingJobs":
            return self._list(asked)
        if operation == "FilterLogEvents":
            return self._events(asked)
        number = self._numbers.get(asked["TrainingJobName"])
        if number is None:
            return None
        self.seen.add(number)
        return self._summary(number) | self._rest(number)

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        since = asked.get("LastModifiedTimeAfter", 0)
        found = [
            job
            for number in range(self.count)
            if asked.get("NameContains", "") in (job := self._summary(number))["TrainingJobName"]
            and job["LastModifiedTime"] > since
        ]
        start = int(asked.get("NextToken", 0))
        end = start + min(asked.get("MaxResults", 10), PAGE)
        more = {"NextToken": str(end)} if end < len(found) else {}
        return {"TrainingJobSummaries": found[start:end], **more}

    def _summary(self, number: int) -> dict[str, Any]:
        name, ended = name_of(number), self.ends.get(number, float("inf")) <= time.time()
        return {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
            "CreationTime": self.begun,
            "LastModifiedTime": self.ends[number] if ended else self.begun,
            "TrainingJobStatus": "Completed" if ended else "InProgress",
            "SecondaryStatus": "Completed" if ended else "Training",
        }

    def _rest(self, number: int) -> dict[str, Any]:
        return {
            "ModelArtifacts": {
                "S3ModelArtifacts": f"s3://our-bucket/lanner/jobs/{name_of(number)}/output/model.tar.gz"
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 21600},
            "TrainingStartTime": self.begun,
            "Environment": {"LANNER_OWNER": "scheduled__2026-11-20T00:00:00+00:00"},
            "SecondaryStatusTransitions": [{"Status": "Training", "StartTime": self.begun, "StatusMessage": "…"}],
        }

    def _events(self, asked: dict[str, Any]) -> dict[str, Any]:
        prefix, since = asked.get("logStreamNamePrefix", ""), asked.get("startTime", 0)
        numbers = [number for name, number in self._numbers.items() if f"{name}/".startswith(prefix)]
        found = sorted((at, number) for number in numbers for at in self._lines(number, since))
        start = int(asked.get("nextToken", 0))
        events = [
            {
                "logStreamName": f"{name_of(number)}/algo-1-1600000000",
                "timestamp": at,
                "message": f"step {at} loss 0.123 0.5 s a step",
                "ingestionTime": at,
                "eventId": f"{number}-{at}",
            }
            for at, number in found[start : start + LOG_PAGE]
        ]
        more = {"nextToken": str(start + LOG_PAGE)} if start + LOG_PAGE < len(found) else {}
        return {"events": events, "searchedLogStreams": [], **more}

    def _lines(self, number: int, since: int) -> Iterator[int]:
        """A job prints a line of its own moment in each minute; in milliseconds."""
        begin = max(since / 1000, self.begun)
        phase = number % SECONDS_PER_LINE
        at = (begin - phase) // SECONDS_PER_LINE * SECONDS_PER_LINE + phase
        while at <= min(time.time(), self.ends.get(number, float("inf"))):
            if at >= begin:
                yield round(at * 1000)
            at += SECONDS_PER_LINE


class Service:
    """The jobs, served on 127.0.0.1 by threads of this process."""

    def __init__(self, jobs: Jobs) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                found = jobs.answer(self.headers["X-Amz-Target"].partition(".")[2], asked)
                missing = {"__type": "ValidationException", "message": "Requested resource not found."}
                body = json.dumps(missing if found is None else found).encode()
                self.send_response(400 if found is None else 200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
