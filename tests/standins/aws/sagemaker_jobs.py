"""The stand-in's training jobs: folders on disk (see ``sagemaker_status``), each with a runner while it is active."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_status as status
from tests.standins.aws.endpoint import Aws
from tests.standins.aws.errors import IN_USE, Refusal, invalid, not_found
from tests.standins.aws.sagemaker_faults import HOLDS, KINDS, STRIKING, refuse_as_wished
from tests.standins.aws.sagemaker_rules import Account, check_training_job, quota_of, taken
from tests.standins.job_folder import owning
from tests.standins.runners import Runners
from tests.standins.wishes import Wishes
from training_services.local_runner import write

_BILLED = frozenset({status.DOWNLOADING, status.TRAINING, status.UPLOADING, status.STOPPING})

Key = tuple[str, str]  # region, name


@dataclass(frozen=True)
class Times:
    """How long things take, in seconds."""

    starting: float = 1.0
    grace: float = 120.0  # from SIGTERM to SIGKILL
    upload: float = 1.0  # between two looks at the checkpoints
    recovery: float = 1.0  # from an interruption to the next instance


class Jobs:
    """All training jobs of an account, in every region.

    Args:
        state: holds everything; another instance on the same folder goes on where this one was killed.
        aws: where S3, IAM and CloudWatch Logs answer.
        detector: how the built-in detector trains, fields of our trainer's configuration as JSON.
    """

    def __init__(self, state: Path, account: Account, aws: str, times: Times, detector: str = "{}") -> None:
        self.account, self.aws, self.times, self.detector = account, aws, times, detector
        self.folder, self.access = state / "jobs", state / "access.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            shutil.rmtree(left)
        self.wishes = Wishes(state / "faults.json", KINDS, HOLDS, invalid)
        self._lock = threading.RLock()
        self._read: dict[Key, tuple[int, dict[str, Any]]] = {}  # time of the last change in ns, status
        self._jobs: dict[Key, dict[str, Any]] = {}
        for job in self.folder.glob("*/*/job.json"):
            self._jobs[job.parent.parent.name, job.parent.name] = json.loads(job.read_text())
        self._active = {key for key in self._jobs if not self._has_ended(key)}
        self._runners = Runners("tests.standins.aws.sagemaker_runner", has_ended, give_up)

    # --- what the API does

    def create(self, region: str, job: dict[str, Any]) -> str:
        """Submit a job. Returns its ARN; of several with one name, one is made."""
        name = job["TrainingJobName"]
        arn = f"arn:aws:sagemaker:{region}:{self.account.id}:training-job/{name}"
        if (region, name) in self._jobs:
            raise taken("Training job", arn)
        with self._lock:
            check_training_job(
                job, self.account, Aws(self.aws, region), lambda quota: self._instances_in_use(region, quota)
            )
            if (region, name) in self._jobs:
                raise taken("Training job", arn)
            wish = self.wishes.take(region)
            refuse_as_wished(wish, self.account.id, "CreateTrainingJob", *quota_of(job))
            job = job | {"TrainingJobArn": arn, "CreationTime": time.time()}
            new = self.folder / f".new-{region}-{name}"
            new.mkdir()
            write(new / "job.json", json.dumps(job))
            write(new / "plan.json", json.dumps(self._plan(region, wish)))
            if hold := wish.get("hold"):
                write(new / "hold", hold)
            status.enter(new, status.STARTING)
            (self.folder / region).mkdir(exist_ok=True)
            new.rename(self._at((region, name)))
            self._jobs[region, name] = job
            self._active.add((region, name))
        return arn

    def describe(self, region: str, name: str) -> dict[str, Any]:
        """A job as the API shows it.

        Raises:
            Refusal: there is no such job in this region.
        """
        key = (region, name)
        if key not in self._jobs:
            raise not_found()
        job, stands = self._jobs[key], self._status(key)
        shown = {each: value for each, value in job.items() if each != "Tags"}
        shown |= stands | self._visible(key, stands)
        begun = stands.get("TrainingStartTime")
        if begun is not None and "TrainingEndTime" in stands:
            spot = job.get("EnableManagedSpotTraining", False)
            ran = status.seconds_of(stands, _BILLED)
            shown["TrainingTimeInSeconds"] = max(1, round(ran))
            shown["BillableTimeInSeconds"] = max(1, round(ran * (status.SPOT_PRICE if spot else 1)))
        return shown

    def summaries(self, region: str) -> Iterator[dict[str, Any]]:
        """The jobs of a region, as a list has them."""
        for key, job in list(self._jobs.items()):
            if key[0] == region:
                stands = self._status(key)
                whole = job | stands | self._visible(key, stands)
                names = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime")
                names += ("TrainingJobStatus", "SecondaryStatus")
                yield {name: whole[name] for name in names if name in whole}

    def stop(self, region: str, name: str) -> None:
        """Ask for the end of a job; asked twice is asked once.

        Raises:
            Refusal: there is none, or it has ended.
        """
        stands = self.describe(region, name)["TrainingJobStatus"]
        if stands in status.ENDED:
            # https://github.com/awslabs/benchmark-ai/issues/928
            raise invalid(f"The request was rejected because the training job is in status {stands}.")
        (self._at((region, name)) / "stop").touch()

    def delete(self, region: str, name: str) -> None:
        """Forget a job that has ended; its name is free again.

        Raises:
            Refusal: there is none, or it has not ended.
        """
        stands = self.describe(region, name)["TrainingJobStatus"]
        if stands not in status.ENDED:
            raise Refusal(IN_USE, f"The training job {name} is in status {stands}; only one that has ended is deleted.")
        key = (region, name)
        with self._lock:
            self._jobs.pop(key, None)
            self._active.discard(key)
            self._read.pop(key, None)
            forgotten = self.folder / f".old-{region}-{name}"
            self._at(key).rename(forgotten)
            shutil.rmtree(forgotten)

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """A job's tags; None: there is no such job."""
        job = next((job for job in list(self._jobs.values()) if job["TrainingJobArn"] == arn), None)
        return None if job is None else job.get("Tags", [])

    # --- what only a rehearsal needs

    def release(self) -> None:
        """Let every held job go on."""
        for hold in self.folder.glob("*/*/hold"):
            hold.unlink()

    def strike(self, region: str, name: str, fault: str) -> None:
        """Let a fault strike a job as soon as it runs."""
        if (region, name) not in self._jobs or fault not in STRIKING:
            raise invalid(f"job={name!r}, fault={fault!r}: a job in {region}, and one of {sorted(STRIKING)}")
        write(self._at((region, name)) / "strike", fault)

    def history(self) -> dict[str, Any]:
        """Of every job the secondary statuses that it had, one after the other."""
        return {
            name: [each["Status"] for each in self._status((region, name))["SecondaryStatusTransitions"]]
            for region, name in list(self._jobs)
        }

    def end_processes(self) -> None:
        """Kill everything that runs; the jobs stay as they are, and would begin anew."""
        with self._lock:
            for key in self._active:
                self._runners.end(self._at(key))
            self._active.clear()

    # --- what happens by itself

    def tick(self) -> None:
        """Start what may start, and begin anew what lost its runner."""
        for key in list(self._active):
            with self._lock:
                if key in self._active:
                    self._runners.look_after(self._at(key))
                if self._has_ended(key):
                    self._active.discard(key)

    def _instances_in_use(self, region: str, quota: str) -> int:
        used = 0
        for key in self._active:
            name, count = quota_of(self._jobs[key])
            used += count if key[0] == region and name == quota and not self._has_ended(key) else 0
        return used

    def _plan(self, region: str, wish: dict[str, Any]) -> dict[str, Any]:
        return {
            "aws": self.aws,
            "region": region,
            "access": str(self.access),
            "detector": self.detector,
            "fault": wish if "fault" in wish else None,
            **{f"{name}_seconds": value for name, value in vars(self.times).items()},
        }

    def _at(self, key: Key) -> Path:
        return self.folder / key[0] / key[1]

    def _has_ended(self, key: Key) -> bool:
        return self._status(key)["TrainingJobStatus"] in status.ENDED

    def _status(self, key: Key) -> dict[str, Any]:
        """A job's status; read again only after a change, for there may be thousands of jobs."""
        changed = (self._at(key) / "status.json").stat().st_mtime_ns
        if self._read.get(key, (0, {}))[0] != changed:
            self._read[key] = changed, status.read(self._at(key))
        return self._read[key][1]

    def _visible(self, key: Key, stands: dict[str, Any]) -> dict[str, Any]:
        """What the API tells before the runner does: a job that was asked to stop is stopping."""
        stop = self._at(key) / "stop"
        if stands["TrainingJobStatus"] != status.IN_PROGRESS or not stop.exists():
            return {}
        changed = max(stands["LastModifiedTime"], stop.stat().st_mtime)
        return {
            "TrainingJobStatus": status.STOPPING,
            "SecondaryStatus": status.STOPPING,
            "LastModifiedTime": changed,
        }


def has_ended(job: Path) -> bool:
    return status.read(job)["TrainingJobStatus"] in status.ENDED


def give_up(job: Path) -> None:
    """Let a job fail that the service lost again and again."""
    with owning(job) as mine:
        if mine:
            status.enter(job, status.FAILED, FailureReason=status.INTERNAL)
