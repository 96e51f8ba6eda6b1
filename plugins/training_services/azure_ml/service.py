"""The Azure target: the trainer as a command job of Azure Machine Learning, its data and model in Blob (``bucket``).

A job is put by its name: put again, the same job is found, and another one of that name is refused. So the name alone
keeps a training from being paid twice.

A job that finds no machine waits in the queue of its cluster without end. Whoever polls it gives it up after
``queue_minutes`` of the settings, unless the cluster is full of other jobs: it is cancelled, for want of capacity, and
so the next machine is tried.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from include.checks.azure.machines import PRESETS
from include.checks.azure.rules import JOB_RULES
from include.checks.azure.setup import ANY_MACHINE, asked_clusters, look
from include.clouds.failures import QuotaExceeded
from include.costs.prices import PriceList
from include.documents import Reason, State
from include.progress import TAIL_BYTES, last_training_line_in
from include.settings import AzureSettings, Machine
from include.store import Store
from training_services.azure_ml.blobs import BlobContainer
from training_services.azure_ml.bucket import AzureBucket, output_folder
from training_services.azure_ml.cloud import AzureCloud
from training_services.azure_ml.clusters import ClusterState, machine_faults
from training_services.azure_ml.command import command_job
from training_services.azure_ml.listing import AzureListing
from training_services.azure_ml.log import DATASTORE, new_lines
from training_services.azure_ml.machines import Environment, environment, preset
from training_services.azure_ml.states import CANCELLED, CANCELLING, OVER, QUEUED, WITHOUT_MACHINE, status_of
from training_services.inputs import empty_sides
from training_services.job import JobHandle, JobStatus, LogPage, Refused, TrainingJob

log = logging.getLogger(__name__)


class AzureMLService:
    """Training jobs on Azure Machine Learning (``TrainingService``).

    Args:
        cloud: the workspace, and the storage account that belongs to it.
        settings: datastore, prefix, clusters and what else all jobs have in common.
        store: where datasets and weights are.
        namespace: of this deployment; with it the names of its jobs begin.
        prices: of this deployment; None: the table's alone.
    """

    def __init__(
        self,
        cloud: AzureCloud,
        settings: AzureSettings,
        store: Store,
        namespace: str = "lanner",
        prices: PriceList | None = None,
    ) -> None:
        self.interval = settings.poll_seconds
        self.cloud, self.settings, self.namespace = cloud, settings, namespace
        self.files = AzureBucket(cloud, settings, store)
        self.prices = prices or PriceList("azure")
        self.jobs = AzureListing(cloud.workspace, namespace)
        self._queued: dict[str, float] = {}  # since when, as far as this process has seen

    # --- what every target can do

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: a side without images, a machine no cluster has, a workspace not set up."""
        faults = empty_sides(self.files.store, job)
        known = []
        for asked in job.machines or [ANY_MACHINE.model_dump()]:
            faults += machine_faults(self.settings, asked)
            if asked["preset"] in PRESETS:
                known.append(Machine(**asked))
        clusters = asked_clusters(self.settings, known) if known else []
        facts, findings = look(self.cloud.workspace, self.settings, clusters, self.cloud.storage_for, JOB_RULES)
        for note in facts.unknown:
            log.info("Not checked: %s", note)
        return faults + [str(finding) for finding in findings]

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the job of this name or submit it.

        Raises:
            Refused: the subscription's quota is used up.
            CallFailed: a service did not answer.
        """
        if found := self.describe([job.name]):
            return JobHandle(job, found[job.name], submitted=False)
        asked = self._machine(job)
        machine = preset(asked["preset"])
        runs_in = environment(self.namespace, gpu=machine.gpus > 0, container=self.settings.container)
        self._provide(runs_in)
        cluster = self.settings.cluster(asked["preset"], spot=bool(asked.get("spot")))
        properties = command_job(job, self.files, self.files.stage(job), machine, cluster, runs_in)
        properties |= {"experimentName": self.namespace, "tags": {self.jobs.tag: job.prefix}}
        try:
            created = self.cloud.workspace.put(f"jobs/{job.name}", {"properties": properties})
        except FileExistsError:  # another was faster
            created = self.cloud.workspace.get(f"jobs/{job.name}")
        except QuotaExceeded as refused:
            raise Refused(Reason.QUOTA, str(refused)) from refused
        status = self._status(created)
        return JobHandle(job, status, submitted=status.owner == job.owner)

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        return {name: self._status(job) for name, job in self.jobs.find(names).items()} if names else {}

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        """A cursor says how many bytes were read (``log``)."""
        return new_lines(self._artifacts, self.jobs.running(cursors), cursors) if cursors else {}

    def cancel(self, name: str, reason: Reason = Reason.USER) -> None:
        """Ask the service to cancel a job, having written down why. It bills on until its machines are given back."""
        job = self.jobs.find([name]).get(name)
        if job is not None and job["properties"].get("status") not in {*OVER, CANCELLING}:
            self._cancel(name, reason)

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        machine = self._machine(job)
        priced = preset(machine["preset"]).priced
        return self.prices.job(priced, seconds, self.settings.region, spot=bool(machine.get("spot")))

    def collect(self, name: str, into: Path) -> Path:
        """Fetch the trainer's output, except the checkpoints that only a resumption needs."""
        return self.files.collect(name, into)

    # --- how it is submitted

    def _provide(self, wanted: Environment) -> None:
        """Make an environment of the workspace, unless it is there."""
        try:
            self.cloud.workspace.get(wanted.path)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # another was faster
                self.cloud.workspace.put(wanted.path, {"properties": dict(wanted.properties)})

    # --- how it stands

    def _status(self, job: dict[str, Any]) -> JobStatus:
        """How a job stands; of one that had a machine also for how long; of one that ended badly all that is known.

        That is: why we cancelled it, how far it got, what the service says of it, what the trainer said.
        """
        name, said = job["name"], job["properties"].get("status", "")
        if said in WITHOUT_MACHINE:
            return self._waiting(job)
        self._queued.pop(name, None)
        if said not in {"Failed", CANCELLED, CANCELLING}:
            return status_of(job, self.jobs.details(job))
        output = output_folder(name)
        progress = last_training_line_in(self.files.tail(f"{output}/metrics.jsonl", TAIL_BYTES))
        status = status_of(job, self.jobs.details(job), self.files.cancelled(name), progress)
        if status.state is State.FAILED and said == "Failed":
            with contextlib.suppress(ValueError, KeyError, TypeError):  # what lies there may be anything
                told = json.loads(self.files.read(f"{output}/failure.json"))
                return replace(status, reason=Reason(told["reason"]), message=str(told["message"]))
        return status

    def _waiting(self, job: dict[str, Any]) -> JobStatus:
        """How a job without a machine stands. One that is too long in the queue is given up.

        An image that is being built takes no patience, nor do other jobs on the cluster.
        """
        name, now = job["name"], time.monotonic()
        if job["properties"].get("status") != QUEUED:
            self._queued.pop(name, None)
        elif now - self._queued.setdefault(name, now) > self.settings.queue_minutes * 60:
            cluster = job["properties"]["computeId"].rpartition("/")[2]
            state = ClusterState.of(self.cloud.workspace, cluster)
            if not state.is_full:
                return self._give_up(job, cluster, state.complaints)
            self._queued[name] = now
        return status_of(job)

    def _give_up(self, job: dict[str, Any], cluster: str, complaints: str) -> JobStatus:
        """Cancel a job that finds no machine, with what its cluster says of that."""
        name = job["name"]
        reason = Reason.QUOTA if "quota" in complaints.lower() else Reason.CAPACITY
        words = f"no machine of cluster {cluster} after {self.settings.queue_minutes:g} min in its queue"
        log.warning("%s: %s; cancelled.", name, words)
        self._cancel(name, reason, words + (f": {complaints}" if complaints else ""))
        given_up = {**job, "properties": {**job["properties"], "status": CANCELLING}}
        return status_of(given_up, cancelled=self.files.cancelled(name))

    def _cancel(self, name: str, reason: Reason, words: str = "") -> None:
        self.files.note_cancelled(name, reason, words)
        with contextlib.suppress(ValueError, FileNotFoundError, FileExistsError):  # it has ended in this moment
            self.cloud.workspace.post(f"jobs/{name}/cancel")

    # --- names

    def _machine(self, job: TrainingJob) -> Mapping[str, Any]:
        return job.machines[job.machine] if job.machines else ANY_MACHINE.model_dump()

    @cached_property
    def _artifacts(self) -> BlobContainer:
        return self.cloud.container(DATASTORE)
