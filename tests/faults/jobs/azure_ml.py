"""Command jobs of Azure ML's stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil

from tests.faults.jobs.watched import Attempt, StandInJobs, TrainerAttempt, files_in, processes_in
from tests.standins.azure import azure_ml_status
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.clouds import Cloud


class AzureMLJobs(StandInJobs):
    """Command jobs of the stand-in, whose output is mounted: a copy of it is in Blob storage within a second."""

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin = cloud.standins["azure_ml"]
        self.jobs = standin.state / "jobs"
        self.client = AzureMLClient(standin.url, cloud.standins["azurite"].url)

    def attempts(self, prefix: str) -> Sequence[Attempt]:
        folders = sorted(file.parent for file in self.jobs.glob(f"{prefix}-a*/job.json"))
        return [
            TrainerAttempt(
                each.name,
                (each / "cancel").exists() or azure_ml_status.read(each)["status"] == azure_ml_status.CANCELED,
                partial(self._log, each.name),
                partial(self._written, each),
                partial(self._in_blob, each.name),
            )
            for each in folders
        ]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.jobs)

    def _written(self, folder: Path, name: str) -> bytes | None:
        written = files_in(folder / "work" / "outputs" / "trained")(name)
        return self._in_blob(folder.name, name) if written is None else written

    def _in_blob(self, job: str, name: str) -> bytes | None:
        blob = self.client.blobs.get_blob_client(f"lanner/jobs/{job}/output/{name}")
        return blob.download_blob().readall() if blob.exists() else None

    def _log(self, job: str) -> str:
        names = ("std_log.txt", "std_log_worker_0.txt", "std_log_worker_1.txt")
        return "\n".join(f"{name}: {line}" for name in names for line in self.client.lines(job, name))
