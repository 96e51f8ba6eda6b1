"""A job's lines in CloudWatch Logs: one stream for each host, ``<job>/algo-1-<epoch>``."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.error
from typing import Any

from tests.standins.aws.endpoint import Aws

TRAINING_GROUP, TRANSFORM_GROUP = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/TransformJobs"
ENDPOINT_GROUPS = "/aws/sagemaker/Endpoints/"  # each endpoint has one of its own
FLUSH_SECONDS = 0.2
LARGEST_BATCH = 1000  # events; the service takes 10,000


class HostLog:
    """Collects lines of a host and sends them on, a batch at a time.

    Args:
        stream: the log stream's name.
    """

    def __init__(self, aws: Aws, group: str, stream: str) -> None:
        self.aws, self.group, self.stream = aws, group, stream
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._exists = False
        self._flushed = time.monotonic()

    def line(self, text: str) -> None:
        """One more line, at this moment. The service drops empty ones."""
        if text:
            with self._lock:
                self._waiting.append({"timestamp": int(time.time() * 1000), "message": text})

    def flush(self, *, now: bool = False) -> None:
        """Send what there is, but not too often."""
        if not now and time.monotonic() - self._flushed < FLUSH_SECONDS:
            return
        with self._flushing, contextlib.suppress(OSError):  # CloudWatch Logs is away: the next time, then
            self._flushed = time.monotonic()
            while batch := self._waiting[:LARGEST_BATCH]:
                self._create()
                names = {"logGroupName": self.group, "logStreamName": self.stream}
                self.aws.logs("PutLogEvents", **names, logEvents=batch)
                with self._lock:
                    del self._waiting[: len(batch)]

    def _create(self) -> None:
        if self._exists:
            return
        with contextlib.suppress(urllib.error.HTTPError):  # there already
            self.aws.logs("CreateLogGroup", logGroupName=self.group)
        with contextlib.suppress(urllib.error.HTTPError):
            self.aws.logs("CreateLogStream", logGroupName=self.group, logStreamName=self.stream)
        self._exists = True
