"""The SageMaker stand-in as a process, and boto3 pointed at it and at the emulator beside it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from include.laptop.environment import free_port
from tests.standins.aws.sagemaker_logs import TRAINING_GROUP
from tests.standins.aws.sagemaker_status import ENDED
from tests.standins.aws.server import REGION
from tests.standins.processes import Standin, python_module, until

FIRST_PORT = 18880


def sagemaker_standin(state: Path, aws: str, *options: str, port: int | None = None) -> Standin:
    """The stand-in, not yet started; ``options`` as of ``python -m tests.standins.aws.sagemaker``."""
    chosen = port or free_port(FIRST_PORT, quiet=True)
    command = python_module(
        "tests.standins.aws.sagemaker", "--port", str(chosen), "--state", str(state), "--aws", aws, *options
    )
    return Standin("sagemaker", command, f"http://127.0.0.1:{chosen}", state, ready="/control/next")


def boto3_client(service: str, url: str, region: str = REGION, retries: int = 0) -> Any:
    """boto3's client of a service, pointed at a server of this machine."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",
        config=Config(retries={"total_max_attempts": retries + 1}, s3={"addressing_style": "path"}),
    )


def trust(*services: str) -> str:
    """A policy that lets some services assume a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class SageMakerClient:
    """Jobs by boto3, their log lines, and the control endpoint.

    Args:
        url: of the stand-in, or of a proxy before it.
        aws: of the emulator.
    """

    def __init__(self, url: str, aws: str, region: str = REGION) -> None:
        self.url, self.region = url, region
        self.api = boto3_client("sagemaker", url, region)
        self.logs = boto3_client("logs", aws, region)

    def create(self, job: dict[str, Any]) -> str:
        """Submit a job. Returns its name."""
        self.api.create_training_job(**job)
        return job["TrainingJobName"]

    def describe(self, name: str) -> dict[str, Any]:
        return self.api.describe_training_job(TrainingJobName=name)

    def stop(self, name: str) -> None:
        self.api.stop_training_job(TrainingJobName=name)

    def lines(self, name: str, group: str = TRAINING_GROUP) -> list[str]:
        """All that a job's hosts printed, host after host."""
        found: list[str] = []
        for stream in self.streams(name, group):
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group, logStreamNames=[stream])
            found += [event["message"] for page in pages for event in page["events"]]
        return found

    def streams(self, name: str, group: str = TRAINING_GROUP) -> list[str]:
        """Names of the log streams of a job, one for each host that has printed something."""
        try:
            found = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [stream["logStreamName"] for stream in found]

    def reaches(self, name: str, statuses: Collection[str] = ENDED, seconds: float = 60.0) -> dict[str, Any]:
        """A job once it is in one of some (secondary) statuses; fails if it ends in another."""
        return until(lambda: self._in(name, statuses), seconds, f"one of {sorted(statuses)}")

    def prints(self, name: str, text: str, seconds: float = 60.0) -> None:
        """Wait for a line of a job."""
        until(lambda: any(text in line for line in self.lines(name)), seconds, f"the line {text!r}")

    def _in(self, name: str, statuses: Collection[str]) -> dict[str, Any] | None:
        job = self.describe(name)
        if {job["TrainingJobStatus"], job["SecondaryStatus"]} & set(statuses):
            return job
        assert job["TrainingJobStatus"] not in ENDED, job
        return None

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", content, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def statuses(self, name: str) -> list[str]:
        """Every secondary status that a job has had."""
        return self.control("history")[name]
