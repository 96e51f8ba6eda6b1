"""Batch transforms: a model answers for every object of an S3 prefix. Folders on disk, as training jobs are.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_machines as machines
from tests.standins.aws.endpoint import Aws
from tests.standins.aws.errors import invalid, not_found
from tests.standins.aws.sagemaker_faults import refuse_as_wished
from tests.standins.aws.sagemaker_models import Models
from tests.standins.aws.sagemaker_rules import Account, check_objects, taken
from tests.standins.aws.sagemaker_status import ENDED, FAILED, IN_PROGRESS, INTERNAL, STOPPING
from tests.standins.job_folder import owning
from tests.standins.runners import Runners
from tests.standins.wishes import Wishes
from training_services.local_runner import write


class Transforms:
    """All transform jobs of an account, in every region."""

    def __init__(
        self, state: Path, account: Account, aws: str, models: Models, wishes: Wishes, starting: float
    ) -> None:
        self.folder, self.access = state / "transforms", state / "access.jsonl"
        self.account, self.aws, self.models, self.wishes, self.starting = account, aws, models, wishes, starting
        self._lock = threading.RLock()
        self._runners = Runners("tests.standins.aws.sagemaker_transform_runner", has_ended, give_up)
        self._active = {job.parent for job in self.folder.glob("*/*/job.json") if not has_ended(job.parent)}

    def create(self, region: str, job: dict[str, Any]) -> str:
        """Submit a job. Returns its ARN."""
        name, aws = job["TransformJobName"], Aws(self.aws, region)
        arn = f"arn:aws:sagemaker:{region}:{self.account.id}:transform-job/{name}"
        folder = self.folder / region / name
        with self._lock:
            if folder.exists():
                raise taken("Transform job", arn)
            model = self.models.describe(region, job["ModelName"])
            source = job["TransformInput"]["DataSource"]["S3DataSource"]
            if source["S3DataType"] != "S3Prefix":
                raise invalid("The stand-in reads S3 prefixes.")
            check_objects(source["S3Uri"], model["ExecutionRoleArn"], aws)
            resources = job["TransformResources"]
            quota, asked = (
                machines.quota_name(resources["InstanceType"], machines.TRANSFORM),
                resources["InstanceCount"],
            )
            if asked > (limit := machines.quota(quota, self.account.quotas)):
                raise machines.exceeded(quota, limit, 0, asked)
            wish = self.wishes.take(region)
            refuse_as_wished(wish, self.account.id, "CreateTransformJob", quota, asked)
            new = self.folder / f".new-{region}-{name}"
            new.mkdir(parents=True, exist_ok=True)
            write(new / "job.json", json.dumps(job | {"TransformJobArn": arn, "CreationTime": time.time()}))
            plan = {
                "aws": self.aws,
                "region": region,
                "access": str(self.access),
                "starting_seconds": self.starting,
                "fault": wish.get("fault"),
                "model": model,
            }
            write(new / "plan.json", json.dumps(plan))
            if hold := wish.get("hold"):
                write(new / "hold", hold)
            enter(new, IN_PROGRESS)
            folder.parent.mkdir(parents=True, exist_ok=True)
            new.rename(folder)
            self._active.add(folder)
        return arn

    def describe(self, region: str, name: str) -> dict[str, Any]:
        """A job as the API shows it.

        Raises:
            Refusal: there is no such job in this region.
        """
        folder = self.folder / region / name
        if not folder.exists():
            raise not_found()
        job = json.loads((folder / "job.json").read_text())
        stands = json.loads((folder / "status.json").read_text())
        if stands["TransformJobStatus"] not in ENDED and (folder / "stop").exists():
            stands["TransformJobStatus"] = STOPPING
        return {key: value for key, value in job.items() if key != "Tags"} | stands

    def stop(self, region: str, name: str) -> None:
        stands = self.describe(region, name)["TransformJobStatus"]
        if stands in ENDED:
            raise invalid(f"The request was rejected because the transform job is in status {stands}.")
        (self.folder / region / name / "stop").touch()

    def summaries(self, region: str) -> Iterator[dict[str, Any]]:
        names = ("TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime", "LastModifiedTime")
        names += ("TransformJobStatus", "FailureReason")
        for folder in (self.folder / region).glob("*"):
            job = self.describe(region, folder.name)
            yield {name: job[name] for name in names if name in job}

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """A job's tags; None: there is no such job."""
        file = self.folder / arn.split(":")[3] / arn.rsplit("/", 1)[1] / "job.json"
        job = json.loads(file.read_text()) if file.exists() else {}
        return job.get("Tags", []) if job.get("TransformJobArn") == arn else None

    def release(self) -> None:
        for hold in self.folder.glob("*/*/hold"):
            hold.unlink()

    def tick(self) -> None:
        for folder in list(self._active):
            with self._lock:
                if folder in self._active:
                    self._runners.look_after(folder)
                if has_ended(folder):
                    self._active.discard(folder)

    def end_processes(self) -> None:
        with self._lock:
            for folder in self._active:
                self._runners.end(folder)
            self._active.clear()


def enter(job: Path, state: str, **more: Any) -> None:
    """Go into a status, with the times that belong to it; ``more`` goes into the status, too."""
    now = time.time()
    file = job / "status.json"
    status = json.loads(file.read_text()) if file.exists() else {}
    status |= {"TransformJobStatus": state, "LastModifiedTime": now, **more}
    if state in ENDED:
        status["TransformEndTime"] = now
    write(file, json.dumps(status))


def has_ended(job: Path) -> bool:
    return json.loads((job / "status.json").read_text())["TransformJobStatus"] in ENDED


def give_up(job: Path) -> None:
    with owning(job) as mine:
        if mine:
            enter(job, FAILED, FailureReason=INTERNAL)
