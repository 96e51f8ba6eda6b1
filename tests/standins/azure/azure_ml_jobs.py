"""What the API of the Azure ML stand-in does with jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.azure import azure_ml_status as status
from tests.standins.azure.azure_ml_errors import job_not_found, user_error
from tests.standins.azure.azure_ml_faults import HOLDS, KINDS, STRIKING, refuse_as_wished
from tests.standins.azure.azure_ml_rules import check_job, check_same, location, machines_of, seconds_of
from tests.standins.azure.azure_ml_store import Job, JobStore
from tests.standins.azure.azure_ml_workspace import ARTIFACTS, CONTAINERS, Workspace
from tests.standins.wishes import Wishes
from training_services.local_runner import write


@dataclass(frozen=True)
class Times:
    """How long things take, in seconds."""

    preparing: float = 0.5
    allocation: float = 1.0  # from the queue to a machine
    grace: float = 10.0  # from SIGTERM to SIGKILL
    upload: float = 1.0  # between two looks at outputs and logs


class Jobs:
    """All jobs of a workspace.

    Args:
        state: holds everything.
        storage: connection string of the workspace's storage account.
    """

    def __init__(self, state: Path, store: JobStore, workspace: Workspace, storage: str, times: Times) -> None:
        self.store, self.workspace, self.storage, self.times = store, workspace, storage, times
        self.access = state / "access.jsonl"
        self.wishes = Wishes(state / "faults.json", KINDS, HOLDS, user_error)

    # --- what the API does

    def put(self, name: str, body: Job) -> tuple[int, Job]:
        """Make a job, or find the same. Returns HTTP's status and the job's resource.

        Raises:
            Refusal: it cannot be, or there is another one of this name.
        """
        properties = body.get("properties")
        if not isinstance(properties, dict):
            raise user_error("The request has no properties.")
        with self.store.lock:
            if name in self.store.jobs:
                check_same(self.store.jobs[name]["properties"], properties)
                self._update(name, properties)
                return 200, self.get(name)
            check_job(name, properties, self.workspace)
            wish = self.wishes.take(self.workspace.region)
            refuse_as_wished(wish, f"{self.workspace.id}/jobs/{name}", self.workspace.client)
            created = {"createdAt": status.now(), "createdBy": self.workspace.client, "createdByType": "Application"}
            id_ = f"{self.workspace.id}/jobs/{name}"
            job = {"id": id_, "name": name, "properties": properties, "systemData": created}
            self.store.add(job, self._plan(properties, wish), wish.get("hold", ""))
        return 201, self.get(name)

    def get(self, name: str) -> Job:
        """A job as the API shows it.

        Raises:
            Refusal: there is no such job.
        """
        job = self.store.jobs.get(name)
        if job is None:
            raise job_not_found(name)
        studio = f"https://ml.azure.com/runs/{name}?wsid={self.workspace.id}"
        artifacts = f"azureml://datastores/{ARTIFACTS}/ExperimentRun/dcid.{name}"
        properties = job["properties"]
        shown = {
            "status": self.store.visible(name),
            "services": {"Studio": {"jobServiceType": "Studio", "endpoint": studio}},
            "outputs": {
                **properties.get("outputs", {}),
                "default": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount", "uri": artifacts},
            },
        }
        kind = "Microsoft.MachineLearningServices/workspaces/jobs"
        return {**job, "type": kind, "properties": {**properties, **shown}}

    def all(self) -> Iterator[Job]:
        """Every job, the newest first."""
        for job in self.store.newest_first():
            if job["name"] in self.store.jobs:  # not deleted meanwhile
                yield self.get(job["name"])

    def cancel(self, name: str) -> None:
        """Ask for the end of a job.

        Raises:
            Refusal: there is none, or it has ended.
        """
        stands = self.get(name)["properties"]["status"]
        if stands in status.ENDED:
            raise user_error(f"Run {name} is already in terminal status {stands}.", "BadArgument", "InvalidRunStatus")
        (self.store.folder / name / "cancel").touch()

    def delete(self, name: str) -> None:
        """Forget a job that has ended; its logs stay.

        Raises:
            Refusal: there is none, or it has not ended.
        """
        stands = self.get(name)["properties"]["status"]
        if stands not in status.ENDED:
            raise user_error(f"Run {name} is in status {stands} and cannot be deleted.", status=409)
        self.store.remove(name)

    # --- what only a rehearsal needs

    def release(self) -> None:
        """Let every held job go on."""
        for hold in self.store.folder.glob("*/hold"):
            hold.unlink()

    def strike(self, name: str, fault: str) -> None:
        """Let a fault strike a job as soon as it runs."""
        if name not in self.store.jobs or fault not in STRIKING:
            raise user_error(f"job={name!r}, fault={fault!r}: a job, and one of {sorted(STRIKING)}")
        write(self.store.folder / name / "strike", fault)

    def history(self) -> Job:
        """Of every job the statuses that it had, one after the other."""
        return {name: self.store.status(name)["history"] for name in list(self.store.jobs)}

    # --- how it is kept

    def _update(self, name: str, properties: Job) -> None:
        """Take over what may be changed; tags are added, never removed."""
        job = self.store.jobs[name]
        before = job["properties"]
        changed = {each: properties[each] for each in ("description", "displayName") if each in properties}
        tags = {**before.get("tags", {}), **(properties.get("tags") or {})}
        self.store.replace({**job, "properties": {**before, **changed, "tags": tags}})

    def _plan(self, properties: Job, wish: Job) -> dict[str, Any]:
        def places(kind: str) -> dict[str, str]:
            found = {key: location(given["uri"], self.workspace) for key, given in (properties.get(kind) or {}).items()}
            return {key: f"blob://{container}/{path}" for key, (container, path) in found.items()}

        timeout = (properties.get("limits") or {}).get("timeout")
        return {
            "storage": self.storage,
            "artifacts": CONTAINERS[ARTIFACTS],
            "access": str(self.access),
            "inputs": places("inputs"),
            "outputs": places("outputs"),
            "machines": machines_of(properties),
            "limit_seconds": seconds_of(timeout) if timeout else None,
            "fault": wish if "fault" in wish else None,
            "grace_seconds": self.times.grace,
            "upload_seconds": self.times.upload,
        }
