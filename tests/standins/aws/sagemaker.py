"""A strict stand-in for SageMaker's training jobs, batch transforms and endpoints, and its quotas, on 127.0.0.1.

``python -m tests.standins.aws.sagemaker --port 18880 --state DIR --aws http://127.0.0.1:18860``

It refuses what the service refuses, really runs what is submitted, and loses nothing when it is killed: its jobs run
on, and started again on the same folder, it follows them. Ended by SIGTERM, it takes their processes with it.
Credentials are not looked at but for the region that a call was signed for: all regions are served, each has jobs of
its own. S3, IAM and CloudWatch Logs are the emulator's at ``--aws``.

Control, for rehearsals only:

====================================  ====================================================================
``POST /control/next``                what the next jobs are to suffer (see ``sagemaker_faults``); GET: all
                                      that still waits; DELETE: forget it
``POST /control/strike``              ``{"job": name, "fault": …, "region": …}``: what a job is to suffer now
``POST /control/release``             let held jobs go on
``GET /control/history``              every job's secondary statuses
``GET /control/access``               every object that jobs were given, with its SHA-256
====================================  ====================================================================
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.standins.aws.errors import Refusal, invalid
from tests.standins.aws.model import check_request
from tests.standins.aws.sagemaker_endpoint_configs import EndpointConfigs
from tests.standins.aws.sagemaker_endpoints import Endpoints
from tests.standins.aws.sagemaker_http import Server, handler
from tests.standins.aws.sagemaker_jobs import Jobs, Times
from tests.standins.aws.sagemaker_lists import (
    ENDPOINT_CONFIGS,
    ENDPOINTS,
    MODELS,
    TRAINING_JOBS,
    TRANSFORM_JOBS,
    page_of,
)
from tests.standins.aws.sagemaker_models import Models
from tests.standins.aws.sagemaker_quotas import Quotas
from tests.standins.aws.sagemaker_rules import Account
from tests.standins.aws.sagemaker_runtime import Runtime
from tests.standins.aws.sagemaker_tags import Tags
from tests.standins.aws.sagemaker_transforms import Transforms
from tests.standins.aws.server import ACCOUNT, REGION

TICK = 0.1
TARGETS = {"SageMaker": "sagemaker", "ServiceQuotasV20190624": "service-quotas"}

Answer = dict[str, Any]


class Service:
    """What each operation and each control path does."""

    def __init__(
        self, jobs: Jobs, models: Models, transforms: Transforms, endpoints: Endpoints, quotas: Quotas, tags: Tags
    ) -> None:
        self.jobs, self.transforms, self.endpoints = jobs, transforms, endpoints
        self.runtime, configs = Runtime(endpoints), endpoints.configs
        self._operations: dict[str, Callable[[str, Answer], Answer | None]] = {
            "CreateTrainingJob": lambda region, asked: {"TrainingJobArn": jobs.create(region, asked)},
            "DescribeTrainingJob": lambda region, asked: jobs.describe(region, asked["TrainingJobName"]),
            "ListTrainingJobs": lambda region, asked: page_of(TRAINING_JOBS, jobs.summaries(region), asked),
            "StopTrainingJob": lambda region, asked: jobs.stop(region, asked["TrainingJobName"]),
            "DeleteTrainingJob": lambda region, asked: jobs.delete(region, asked["TrainingJobName"]),
            "CreateModel": lambda region, asked: {"ModelArn": models.create(region, asked)},
            "DescribeModel": lambda region, asked: models.describe(region, asked["ModelName"]),
            "ListModels": lambda region, asked: page_of(MODELS, models.summaries(region), asked),
            "DeleteModel": lambda region, asked: models.delete(region, asked["ModelName"]),
            "CreateTransformJob": lambda region, asked: {"TransformJobArn": transforms.create(region, asked)},
            "DescribeTransformJob": lambda region, asked: transforms.describe(region, asked["TransformJobName"]),
            "ListTransformJobs": lambda region, asked: page_of(TRANSFORM_JOBS, transforms.summaries(region), asked),
            "StopTransformJob": lambda region, asked: transforms.stop(region, asked["TransformJobName"]),
            "CreateEndpointConfig": lambda region, asked: {"EndpointConfigArn": configs.create(region, asked)},
            "DescribeEndpointConfig": lambda region, asked: configs.describe(region, asked["EndpointConfigName"]),
            "ListEndpointConfigs": lambda region, asked: page_of(ENDPOINT_CONFIGS, configs.summaries(region), asked),
            "DeleteEndpointConfig": lambda region, asked: configs.delete(region, asked["EndpointConfigName"]),
            "CreateEndpoint": lambda region, asked: {"EndpointArn": endpoints.create(region, asked)},
            "DescribeEndpoint": lambda region, asked: endpoints.describe(region, asked["EndpointName"]),
            "ListEndpoints": lambda region, asked: page_of(ENDPOINTS, endpoints.summaries(region), asked),
            "DeleteEndpoint": lambda region, asked: endpoints.delete(region, asked["EndpointName"]),
            "AddTags": lambda region, asked: {"Tags": tags.add(asked["ResourceArn"], asked["Tags"])},
            "ListTags": lambda region, asked: {"Tags": tags.of(asked["ResourceArn"])},
            "ListServiceQuotas": quotas.list,
            "GetServiceQuota": quotas.get,
        }
        self._controls: dict[tuple[str, str], Callable[[Answer], Any]] = {
            ("POST", "next"): jobs.wishes.add,
            ("GET", "next"): lambda _: {"next": jobs.wishes.waiting()},
            ("DELETE", "next"): lambda _: jobs.wishes.clear(),
            ("POST", "strike"): self._strike,
            ("POST", "release"): lambda _: self._release(),
            ("GET", "history"): lambda _: jobs.history(),
            ("GET", "access"): lambda _: {"objects": self._access()},
        }

    def call(self, target: str, region: str, body: bytes) -> Answer:
        """The answer to a call of the API.

        Args:
            target: the header X-Amz-Target.

        Raises:
            Refusal: there is no such operation here, or the service refuses.
        """
        prefix, _, operation = target.partition(".")
        if prefix not in TARGETS or operation not in self._operations:
            raise Refusal("UnknownOperationException", f"The stand-in does not know {target or 'this'}.")
        asked = _json(body)
        check_request(TARGETS[prefix], operation, asked)
        return self._operations[operation](region, asked) or {}

    def control(self, method: str, path: str, body: bytes) -> Answer:
        act = self._controls.get((method, path.removeprefix("/control/")))
        if act is None:
            raise Refusal("UnknownOperationException", f"There is no {method} {path}.", 404)
        return act(_json(body)) or {}

    def _release(self) -> None:
        for those in (self.jobs, self.transforms, self.endpoints):
            those.release()

    def _strike(self, asked: Answer) -> None:
        self.jobs.strike(asked.get("region", REGION), str(asked.get("job")), str(asked.get("fault")))

    def _access(self) -> list[Answer]:
        file = self.jobs.access
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    quotas = {name: int(limit) for name, _, limit in (each.rpartition("=") for each in options.quota)}
    times = Times(**{name: getattr(options, name) for name in vars(Times())})
    account = Account(options.account, quotas)
    jobs = Jobs(options.state, account, options.aws, times, options.detector)
    models = Models(options.state, account, options.aws)
    transforms = Transforms(options.state, account, options.aws, models, jobs.wishes, times.starting)
    configs = EndpointConfigs(options.state, account, models)
    endpoints = Endpoints(options.state, account, options.aws, configs, jobs.wishes, times.starting)
    tags = Tags(options.state / "tags.json", (jobs.tags, models.tags, transforms.tags, configs.tags))
    service = Service(jobs, models, transforms, endpoints, Quotas(account), tags)
    server = Server(("127.0.0.1", options.port), handler(service))
    for tick in (jobs.tick, transforms.tick, endpoints.tick):
        threading.Thread(target=_tick_for_ever, args=(tick,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server.serve_forever()
    finally:
        for those in (jobs, transforms, endpoints):
            those.end_processes()


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="tests.standins.aws.sagemaker", description="SageMaker, rehearsed.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR", help="keeps everything")
    arguments.add_argument("--aws", required=True, metavar="URL", help="where S3, IAM and CloudWatch Logs answer")
    arguments.add_argument("--account", default=ACCOUNT)
    arguments.add_argument(
        "--quota",
        action="append",
        default=[],
        metavar="NAME=INSTANCES",
        help="such as 'ml.g4dn.xlarge for training job usage=1'; again for more",
    )
    arguments.add_argument(
        "--detector",
        default="{}",
        metavar="JSON",
        help="how the built-in detector trains: fields of our trainer's configuration",
    )
    for name, default in vars(Times()).items():
        arguments.add_argument(f"--{name}", type=float, default=default, metavar="SECONDS")
    return arguments


def _json(body: bytes) -> Answer:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise Refusal("SerializationException", "") from error
    if not isinstance(found, dict):
        raise invalid("The request must be a structure.")
    return found


def _tick_for_ever(tick: Callable[[], None]) -> None:
    while True:
        begun = time.monotonic()
        tick()
        time.sleep(max(TICK, 4 * (time.monotonic() - begun)))  # thousands of waiting jobs do not eat the machine


if __name__ == "__main__":
    main()
