"""The Google target: the trainer as a custom job of Vertex AI, its data and its model in a bucket (``bucket``).

The bucket is that of the job's region; the service accepts no other.

Vertex AI gives every custom job a number of its own and does not refuse a second one of the same name. So a job carries
its name as a label by which it is found, whoever submits first claims the name in the bucket, and if two got through
all the same, the older job counts and the other is cancelled.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.checks.google.machines import require_evaluator
from include.checks.google.setup import ANY_MACHINE, asked_machines, look
from include.clouds.failures import CallFailed, QuotaExceeded
from include.costs.prices import PriceList
from include.documents import Reason, State
from include.progress import TAIL_BYTES, last_training_line_in
from include.settings import GoogleSettings, Machine
from include.store import Store
from training_services.bucket import claim, download
from training_services.inputs import data_folder, empty_sides
from training_services.job import JobHandle, JobStatus, LogPage, Refused, TrainingJob
from training_services.vertex.bucket import VertexBucket, last_checkpointed
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.listing import NAMESPACE_LABEL, PREFIX_LABEL, VertexListing, region_of
from training_services.vertex.log import new_lines
from training_services.vertex.machines import VertexMachine, preset
from training_services.vertex.states import LABEL, OWNER, status_of

log = logging.getLogger(__name__)
CLAIM_EXPIRES = timedelta(minutes=10)  # of one whose job never came: its claimant died between the two


class VertexService:
    """Training jobs on Vertex AI (``TrainingService``).

    Args:
        cloud: the project.
        settings: buckets, prefix, region and what else all jobs have in common.
        store: where datasets and weights are.
        regions: others than those of the settings' buckets in which jobs may be.
        namespace: of this deployment; a label of its jobs.
        prices: of this deployment; None: the table's alone.
    """

    def __init__(
        self,
        cloud: GoogleCloud,
        settings: GoogleSettings,
        store: Store,
        regions: Collection[str] = (),
        namespace: str = "lanner",
        prices: PriceList | None = None,
    ) -> None:
        self.interval = settings.poll_seconds
        self.cloud, self.settings, self.namespace = cloud, settings, namespace
        self.all_files = [VertexBucket(cloud, settings, store, bucket) for bucket in settings.all_buckets]
        self.files = self.all_files[0]  # of the deployment's own region
        self.prices = prices or PriceList("google")
        self.jobs = VertexListing(cloud, sorted({settings.region, *settings.buckets, *regions}), namespace)

    def files_in(self, region: str) -> VertexBucket:
        """The bucket of the jobs in a region. Where none is named for it, that of the deployment's own."""
        bucket = self.settings.bucket_in(region)
        return next((files for files in self.all_files if files.name == bucket), self.files)

    # --- what every target can do

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: a side without images, a machine that there is not, a project not set up."""
        faults = empty_sides(self.files.store, job)
        known = []
        for asked in job.machines:
            try:
                machine, *beside = _presets(asked)
            except ValueError as unknown:
                faults.append(f"UNKNOWN_MACHINE: {unknown} Change machines in lanner.yaml.")
                continue
            try:
                if beside:
                    require_evaluator(asked["evaluator"])
            except ValueError as unable:
                faults.append(f"EVALUATOR: {asked['preset']}: {unable} Change machines in lanner.yaml.")
                continue
            known.append(Machine(**asked))
            if machine.is_tpu and not self.settings.container:
                faults.append(
                    "NO_CONTAINER: there is no prebuilt container with a TensorFlow new enough for TPUs. Build the "
                    "one of this project and name it as google.container in lanner.yaml (docs/google.md)."
                )
        facts, findings = look(self.cloud, self.settings, asked_machines(self.settings, known))
        for note in facts.unknown:
            log.info("Not checked: %s", note)
        return faults + [str(finding) for finding in findings]

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the job of this name or submit it.

        Raises:
            Refused: the project's quota is used up.
            CallFailed: the service did not answer, or another is submitting this job at this moment.
        """
        if found := self.describe([job.name]):
            return JobHandle(job, found[job.name], submitted=False)
        self._claim(job)
        region = self._region(job)
        self.files_in(region).stage(job)
        request = self.cloud.custom_jobs(region).create(parent=self.jobs.parent(region), body=self._body(job, region))
        try:
            created = self.cloud.call(request, retries=0)  # after a lost answer the next try finds the job by its label
        except QuotaExceeded as refused:
            raise Refused(Reason.QUOTA, str(refused)) from refused
        self.jobs.cancel_twins(job.name)
        return JobHandle(job, status_of(created), submitted=True)

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        return {name: self._status(job) for name, job in self.jobs.find(names).items()}

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        """A cursor is the moment of the last line, in microseconds since 1970."""
        numbers = self.jobs.numbers(cursors)
        return new_lines(self.cloud, numbers, cursors)

    def cancel(self, name: str, reason: Reason = Reason.USER) -> None:
        """Ask the service to stop a job, having written down why. It bills on until its machines are given back."""
        job = self.jobs.find([name]).get(name)
        if job is not None and status_of(job).active:
            claim(self.files.bucket, self.files.path(f"jobs/{name}/cancelled"), reason.value.encode())
            self.jobs.cancel(job)

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        asked = self._machine(job)
        pools = [pool for machine in _presets(asked) for pool in machine.priced]
        return self.prices.job(pools, seconds, self._region(job), spot=bool(asked.get("spot")))

    def collect(self, name: str, into: Path) -> Path:
        """Fetch the trainer's output, except the checkpoints that only a resumption needs."""
        job = self.jobs.find([name]).get(name)
        files = self.files_in(region_of(job)) if job else self.files
        download(files.bucket, files.path(f"jobs/{name}/output"), into, skip=_is_unwanted)
        return into

    # --- how it is submitted

    def _body(self, job: TrainingJob, region: str) -> dict[str, Any]:
        """The custom job as the service wants it."""
        files, folder = self.files_in(region), f"jobs/{job.name}"
        arguments = ["--config", files.uri(f"{folder}/configuration.json"), "--data", files.uri(data_folder(job))]
        arguments += ["--output", files.uri(f"{folder}/output")]
        if resume := last_checkpointed(self.all_files, job):
            arguments += ["--resume", resume]
        asked = self._machine(job)
        machine, *beside = _presets(asked)
        scheduling: dict[str, Any] = {"timeout": f"{job.max_seconds:.0f}s"}
        if asked.get("spot"):
            scheduling["strategy"] = "SPOT"
        spec: dict[str, Any] = {
            "workerPoolSpecs": machine.pools(
                region,
                arguments,
                {OWNER: job.owner},
                sdist=files.uri(files.sdist),
                container=self.settings.container,
                evaluator=next(iter(beside), None),
            ),
            "scheduling": scheduling,
            "baseOutputDirectory": {"outputUriPrefix": files.uri(f"{folder}/output")},
        }
        if self.settings.service_account:
            spec["serviceAccount"] = self.settings.service_account
        labels = {LABEL: job.name, PREFIX_LABEL: job.prefix, NAMESPACE_LABEL: self.namespace}
        return {"displayName": job.name, "jobSpec": spec, "labels": labels}

    def _claim(self, job: TrainingJob) -> None:
        """Make sure that nobody else is submitting this job now."""
        words = json.dumps({"owner": job.owner, "at": datetime.now(UTC).isoformat()})
        name = self.files.path(f"jobs/{job.name}/claim")
        held = json.loads(claim(self.files.bucket, name, words.encode()))
        if held["owner"] == job.owner:
            return
        if datetime.now(UTC) - datetime.fromisoformat(held["at"]) < CLAIM_EXPIRES:
            raise CallFailed(
                f"{job.name} is being submitted by {held['owner']} since {held['at']}, and is not to be seen yet. "
                "This task is tried again and will find it."
            )
        self.files.bucket.blob(name).upload_from_string(words)

    # --- how it stands

    def _status(self, job: dict[str, Any]) -> JobStatus:
        """How a job stands; of one that ended without a model also what the bucket knows.

        That is: why we cancelled it, how far it got, what the trainer said.
        """
        status = status_of(job)
        if status.active or status.succeeded:
            return status
        files, folder = self.files_in(region_of(job)), f"jobs/{status.name}"
        cancelled = self.files.read(f"{folder}/cancelled").decode()
        progress = last_training_line_in(files.read(f"{folder}/output/metrics.jsonl", TAIL_BYTES))
        status = status_of(job, Reason(cancelled) if cancelled else None, progress)
        if status.state is State.FAILED:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # what lies in a bucket may be anything
                said = json.loads(files.read(f"{folder}/output/failure.json"))
                return replace(status, reason=Reason(said["reason"]), message=str(said["message"]))
        return status

    # --- names

    def _region(self, job: TrainingJob) -> str:
        return str(self._machine(job).get("region") or self.settings.region)

    def _machine(self, job: TrainingJob) -> Mapping[str, Any]:
        return job.machines[job.machine] if job.machines else ANY_MACHINE.model_dump()


def _presets(asked: Mapping[str, Any]) -> list[VertexMachine]:
    """The machine that trains, and the one that evaluates beside it, if any. ``ValueError`` as ``preset``."""
    return [preset(name) for name in (asked["preset"], asked.get("evaluator")) if name]


def _is_unwanted(name: str) -> bool:
    return name.startswith(("checkpoints/last/", "tensorboard/")) or name.endswith(".part")
