"""Endpoints: a model that answers, one request at a time, until it is deleted. Folders on disk, as training jobs are.

==================  ==============================================================================
``job.json``        the endpoint as asked for, with its configuration, ARN and creation time
``plan.json``       how the stand-in is to treat it
``status.json``     status, failure
``address``         where its container answers
``delete``          somebody asked to delete it
``hold``            it may not leave Creating
==================  ==============================================================================

An endpoint that is being created can be neither deleted nor changed, which has cost people a day:
https://github.com/aws/amazon-sagemaker-examples/issues/3432
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_machines as machines
from tests.standins.aws.errors import invalid
from tests.standins.aws.sagemaker_endpoint_configs import EndpointConfigs
from tests.standins.aws.sagemaker_faults import refuse_as_wished
from tests.standins.aws.sagemaker_rules import Account
from tests.standins.job_folder import owning
from tests.standins.runners import Runners
from tests.standins.wishes import Wishes
from training_services.local_runner import write

CREATING, IN_SERVICE, DELETING, FAILED = "Creating", "InService", "Deleting", "Failed"
INTERNAL = "Request to service failed. If failure persists after retry, contact customer support."  # from memory


class Endpoints:
    """All endpoints of an account, in every region."""

    def __init__(
        self, state: Path, account: Account, aws: str, configs: EndpointConfigs, wishes: Wishes, starting: float
    ) -> None:
        self.folder, self.account, self.aws = state / "endpoints", account, aws
        self.configs, self.wishes, self.starting = configs, wishes, starting
        self._lock = threading.RLock()
        self._runners = Runners("tests.standins.aws.sagemaker_endpoint_runner", needs_no_runner, give_up)

    def create(self, region: str, endpoint: dict[str, Any]) -> str:
        """Make an endpoint. Returns its ARN; of several with one name, one is made."""
        name = endpoint["EndpointName"]
        arn, folder = self._arn(region, name), self._at(region, name)
        with self._lock:
            if folder.exists():
                raise invalid(f'Cannot create already existing endpoint "{arn}".')
            config = self.configs.describe(region, endpoint["EndpointConfigName"])
            model = self.configs.models.describe(region, config["ProductionVariants"][0]["ModelName"])
            quota, asked = _quota_of(config)
            used = sum(_quota_of(other)[1] for other in self._configs_in_use(region) if _quota_of(other)[0] == quota)
            if used + asked > (limit := machines.quota(quota, self.account.quotas)):
                raise machines.exceeded(quota, limit, used, asked)
            wish = self.wishes.take(region)
            refuse_as_wished(wish, self.account.id, "CreateEndpoint", quota, asked)
            new = self.folder / f".new-{region}-{name}"
            new.mkdir(parents=True, exist_ok=True)
            job = {"EndpointName": name, "EndpointConfigName": config["EndpointConfigName"], "EndpointArn": arn}
            write(new / "job.json", json.dumps(job | {"CreationTime": time.time(), "Config": config}))
            plan = {"aws": self.aws, "region": region, "starting_seconds": self.starting, "fault": wish.get("fault")}
            write(new / "plan.json", json.dumps(plan | {"model": model}))
            if "hold" in wish:
                write(new / "hold", CREATING)
            enter(new, CREATING)
            folder.parent.mkdir(parents=True, exist_ok=True)
            new.rename(folder)
        return arn

    def describe(self, region: str, name: str) -> dict[str, Any]:
        """An endpoint as the API shows it.

        Raises:
            Refusal: there is no such endpoint in this region.
        """
        folder = self._at(region, name)
        try:
            found = json.loads((folder / "job.json").read_text()) | json.loads((folder / "status.json").read_text())
        except FileNotFoundError:
            raise invalid(f'Could not find endpoint "{self._arn(region, name)}".') from None
        if (folder / "delete").exists():
            found["EndpointStatus"] = DELETING
        return {key: value for key, value in found.items() if key != "Config"}

    def delete(self, region: str, name: str) -> None:
        with self._lock:
            found = self.describe(region, name)
            if found["EndpointStatus"] in {CREATING, DELETING}:
                raise invalid(f'Cannot update in-progress endpoint "{found["EndpointArn"]}".')
            (self._at(region, name) / "delete").touch()

    def summaries(self, region: str) -> Iterator[dict[str, Any]]:
        names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        for folder in (self.folder / region).glob("*"):
            endpoint = self.describe(region, folder.name)
            yield {name: endpoint[name] for name in names}

    def container(self, region: str, name: str) -> str | None:
        """URL of the container that answers for an endpoint; None: there is none that is in service."""
        folder = self._at(region, name)
        if not folder.exists() or self.describe(region, name)["EndpointStatus"] != IN_SERVICE:
            return None
        return (folder / "address").read_text()

    def release(self) -> None:
        for hold in self.folder.glob("*/*/hold"):
            hold.unlink()

    def tick(self) -> None:
        """Start what may start, begin anew what lost its runner, and let what was deleted go."""
        for folder in self._folders():
            with self._lock:
                self._runners.look_after(folder)
                if (folder / "delete").exists():
                    self._runners.end(folder)
                    gone = folder.parent.parent / f".old-{folder.parent.name}-{folder.name}"
                    folder.rename(gone)
                    shutil.rmtree(gone)

    def end_processes(self) -> None:
        with self._lock:
            for folder in self._folders():
                self._runners.end(folder)

    def _folders(self) -> list[Path]:
        return [file.parent for file in self.folder.glob("*/*/job.json")]

    def _configs_in_use(self, region: str) -> Iterator[dict[str, Any]]:
        """Of endpoints that have machines."""
        for file in (self.folder / region).glob("*/job.json"):
            if status_of(file.parent) != FAILED:
                yield json.loads(file.read_text())["Config"]

    def _at(self, region: str, name: str) -> Path:
        return self.folder / region / name

    def _arn(self, region: str, name: str) -> str:
        return f"arn:aws:sagemaker:{region}:{self.account.id}:endpoint/{name}"


def enter(endpoint: Path, state: str, **more: Any) -> None:
    """Go into a status; ``more`` goes into it, too."""
    write(endpoint / "status.json", json.dumps({"EndpointStatus": state, "LastModifiedTime": time.time(), **more}))


def status_of(endpoint: Path) -> str:
    return str(json.loads((endpoint / "status.json").read_text())["EndpointStatus"])


def needs_no_runner(endpoint: Path) -> bool:
    """It failed, or is to go."""
    return status_of(endpoint) == FAILED or (endpoint / "delete").exists()


def give_up(endpoint: Path) -> None:
    with owning(endpoint) as mine:
        if mine:
            enter(endpoint, FAILED, FailureReason=INTERNAL)


def _quota_of(config: dict[str, Any]) -> tuple[str, int]:
    """The quota that a configuration's machines count against, and how many of it they are."""
    [variant] = config["ProductionVariants"]
    return machines.quota_name(variant["InstanceType"], machines.ENDPOINT), variant["InitialInstanceCount"]
