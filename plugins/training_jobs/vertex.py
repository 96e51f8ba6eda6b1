"""The Google target: the trainer as a custom job of Vertex AI, its data and its model in a bucket.

In the bucket, below the prefix of the settings::

    data/<dataset>/…         train and validation shards, label map; never a hold-out image
    trainer/<code>/…         the trainer's sdist, once for each version of its code
    weights/…                starting weights, named by their hash
    jobs/<name>/…            configuration.json, output/ (checkpoints, logs, model), claim, cancelled

Vertex AI gives every custom job a number of its own and does not refuse a second one of the same name. So a job carries
its name as a label by which it is found, whoever submits first claims the name in the bucket, and if two got through
all the same, the older job counts and the other is cancelled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.documents import SIDES, DatasetDocument, Reason, State
from include.progress import TAIL_BYTES, last_training_line_in
from include.settings import GoogleSettings
from include.store import Store
from training_jobs.bucket import Transfer, claim, download, upload
from training_jobs.google_cloud import GoogleCallFailed, GoogleCloud
from training_jobs.job import JobHandle, JobStatus, LogPage, TrainingJob
from training_jobs.sdist import build_sdist, code_hash
from training_jobs.vertex_listing import NAMESPACE_LABEL, PREFIX_LABEL, VertexListing
from training_jobs.vertex_log import new_lines
from training_jobs.vertex_machines import PRESETS, preset
from training_jobs.vertex_states import LABEL, OWNER, status_of

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

CLAIM_EXPIRES = timedelta(minutes=10)  # of one whose job never came: its claimant died between the two
ANY_MACHINE = next(iter(PRESETS))


class VertexService:
    """Training jobs on Vertex AI (``TrainingService``).

    Args:
        cloud: the project.
        settings: bucket, prefix, region and what else all jobs have in common.
        store: where datasets and weights are.
        regions: others than the settings' in which jobs may be.
        namespace: of this deployment; a label of its jobs.
    """

    def __init__(
        self,
        cloud: GoogleCloud,
        settings: GoogleSettings,
        store: Store,
        regions: Collection[str] = (),
        namespace: str = "lanner",
    ) -> None:
        self.interval = settings.poll_seconds
        self.cloud, self.settings, self.store, self.namespace = cloud, settings, store, namespace
        self.jobs = VertexListing(cloud, sorted({settings.region, *regions}), namespace)

    # --- what every target can do

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: a side without images, a machine that there is not."""
        dataset = self.store.get(DatasetDocument, job.dataset)
        faults = [
            f"EMPTY_SIDE: the {side} side of {job.dataset} has no image. Add images, or change the collection's shares "
            "in lanner.yaml."
            for side in SIDES[:2]
            if not dataset.sides[side].images
        ]
        for asked in job.machines:
            try:
                machine = preset(asked["preset"])
            except ValueError as unknown:
                faults.append(f"UNKNOWN_MACHINE: {unknown} Change machines in lanner.yaml.")
            else:
                if machine.is_tpu and not self.settings.container:
                    faults.append(
                        "NO_CONTAINER: there is no prebuilt container with a TensorFlow new enough for TPUs. Build the "
                        "one of this project and name it as google.container in lanner.yaml (docs/google.md)."
                    )
        return faults

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the job of this name or submit it.

        Raises:
            GoogleCallFailed: the service did not answer, or another is submitting this job at this moment.
        """
        if found := self.describe([job.name]):
            return JobHandle(job, found[job.name], submitted=False)
        self._claim(job)
        self.stage(job)
        region = self._machine(job).get("region") or self.settings.region
        request = self.cloud.custom_jobs(region).create(parent=self.jobs.parent(region), body=self._body(job, region))
        created = self.cloud.call(request, retries=0)  # after a lost answer the next try finds the job by its label
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
            claim(self.bucket, self._path(f"jobs/{name}/cancelled"), reason.value.encode())
            self.jobs.cancel(job)

    def collect(self, name: str, into: Path) -> Path:
        """Fetch the trainer's output, except the checkpoints that only a resumption needs."""
        download(self.bucket, self._path(f"jobs/{name}/output"), into, skip=_is_unwanted)
        return into

    # --- before the job

    def stage(self, job: TrainingJob, say: Callable[[str], None] = print) -> Transfer:
        """Bring to the bucket what the job will read. What is there already is not sent again."""
        with TemporaryDirectory() as scratch:
            files = self._inputs(job, Path(scratch))
            moved = upload(self.bucket, {self._path(name): file for name, file in files.items()}, say)
        say(f"{self._uri('')}: {moved}")
        return moved

    def _inputs(self, job: TrainingJob, scratch: Path) -> dict[str, Path]:
        """Local file by name below the prefix. The hold-out is not among them."""
        dataset = self.store.get(DatasetDocument, job.dataset)
        data = _data_folder(job)
        files = {f"{data}/label_map.pbtxt": self._local(dataset.label_map_pbtxt, scratch)}
        for side in SIDES[:2]:
            for shard in dataset.sides[side].shards:
                files[f"{data}/{side}/{Path(shard.path).name}"] = self._local(shard.path, scratch)
        configuration = dict(job.configuration)
        weights = configuration.get("weights", "none")
        if weights not in {"none", "imagenet"}:
            staged = f"weights/{Path(weights).name}"
            files[staged] = self._local(weights, scratch)
            configuration["weights"] = self._uri(staged)
        written = scratch / "configuration.json"
        written.write_text(json.dumps(configuration, indent=1))
        files[f"jobs/{job.name}/configuration.json"] = written
        if not self.settings.container and not self.bucket.blob(self._path(self._sdist)).exists():
            files[self._sdist] = build_sdist(scratch)
        return files

    def _local(self, relative: str, scratch: Path) -> Path:
        """A file of the store as a local file: itself where the store is a folder, else a copy."""
        if self.store.is_local:
            return Path(str(self.store.path(relative)))
        return self.store.copy_out(relative, scratch / relative)

    def _body(self, job: TrainingJob, region: str) -> dict[str, Any]:
        """The custom job as the service wants it."""
        folder = f"jobs/{job.name}"
        arguments = ["--config", self._uri(f"{folder}/configuration.json"), "--data", self._uri(_data_folder(job))]
        arguments += ["--output", self._uri(f"{folder}/output")]
        if resume := self._last_checkpointed(job):
            arguments += ["--resume", resume]
        machine = self._machine(job)
        scheduling: dict[str, Any] = {"timeout": f"{job.max_seconds:.0f}s"}
        if machine.get("spot"):
            scheduling["strategy"] = "SPOT"
        spec: dict[str, Any] = {
            "workerPoolSpecs": preset(machine["preset"]).pools(
                region, arguments, {OWNER: job.owner}, sdist=self._uri(self._sdist), container=self.settings.container
            ),
            "scheduling": scheduling,
            "baseOutputDirectory": {"outputUriPrefix": self._uri(f"{folder}/output")},
        }
        if self.settings.service_account:
            spec["serviceAccount"] = self.settings.service_account
        labels = {LABEL: job.name, PREFIX_LABEL: job.prefix, NAMESPACE_LABEL: self.namespace}
        return {"displayName": job.name, "jobSpec": spec, "labels": labels}

    def _last_checkpointed(self, job: TrainingJob) -> str | None:
        """Where the newest attempt before this one that got as far as a checkpoint has its output."""
        for number in range(job.attempt - 1, 0, -1):
            output = f"jobs/{job.as_attempt(number).name}/output"
            if self.bucket.blob(self._path(f"{output}/checkpoints/last/state.npz")).exists():
                return self._uri(output)
        return None

    def _claim(self, job: TrainingJob) -> None:
        """Make sure that nobody else is submitting this job now."""
        words = json.dumps({"owner": job.owner, "at": datetime.now(UTC).isoformat()})
        name = self._path(f"jobs/{job.name}/claim")
        held = json.loads(claim(self.bucket, name, words.encode()))
        if held["owner"] == job.owner:
            return
        if datetime.now(UTC) - datetime.fromisoformat(held["at"]) < CLAIM_EXPIRES:
            raise GoogleCallFailed(
                f"{job.name} is being submitted by {held['owner']} since {held['at']}, and is not to be seen yet. "
                "This task is tried again and will find it."
            )
        self.bucket.blob(name).upload_from_string(words)

    # --- how it stands

    def _status(self, job: dict[str, Any]) -> JobStatus:
        """How a job stands; of one that ended without a model also what the bucket knows.

        That is: why we cancelled it, how far it got, what the trainer said.
        """
        status = status_of(job)
        if status.active or status.succeeded:
            return status
        folder = f"jobs/{status.name}"
        cancelled = self._read(f"{folder}/cancelled").decode()
        progress = last_training_line_in(self._read(f"{folder}/output/metrics.jsonl", TAIL_BYTES))
        status = status_of(job, Reason(cancelled) if cancelled else None, progress)
        failure = self._read(f"{folder}/output/failure.json")
        if status.state is State.FAILED and failure:
            said = json.loads(failure)
            return replace(status, reason=Reason(said["reason"]), message=said["message"])
        return status

    def _read(self, name: str, tail: int | None = None) -> bytes:
        """The last bytes of an object of ours; none if it is not there."""
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self.bucket.blob(self._path(name)).download_as_bytes(start=-tail if tail else None))
        except NotFound:
            return b""

    # --- names

    def _machine(self, job: TrainingJob) -> Mapping[str, Any]:
        return job.machines[job.machine] if job.machines else {"preset": ANY_MACHINE}

    @cached_property
    def bucket(self) -> Bucket:
        return self.cloud.storage.bucket(self.settings.bucket)

    @cached_property
    def _sdist(self) -> str:
        from detector_trainer import __version__

        return f"trainer/{code_hash()[:16]}/lanner_trainer-{__version__}.tar.gz"

    def _path(self, name: str) -> str:
        return f"{self.settings.prefix}/{name}"

    def _uri(self, name: str) -> str:
        return f"gs://{self.settings.bucket}/{self._path(name)}"


def _data_folder(job: TrainingJob) -> str:
    return f"data/{Path(job.dataset).stem[:16]}"


def _is_unwanted(name: str) -> bool:
    return name.startswith(("checkpoints/last/", "tensorboard/")) or name.endswith(".part")
