"""Custom jobs of Vertex AI's stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.faults.jobs.watched import Attempt, StandInJobs, TrainerAttempt, files_in, processes_in
from tests.standins.clouds import BUCKET, Cloud
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import CANCELLED, CANCELLING
from tests.standins.google.vertex_status import read as read_status
from training_services.vertex.states import LABEL


class VertexJobs(StandInJobs):
    """Custom jobs of the stand-in."""

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin = cloud.standins["vertex"]
        self.state, self.client = standin.state, VertexClient(standin.url)

    def attempts(self, prefix: str) -> Sequence[Attempt]:
        found: dict[str, Attempt] = {}
        for folder, job in self._all():
            name = job["labels"][LABEL]
            if not name.rpartition("-a")[0].startswith(prefix):
                continue
            cancelled = (folder / "cancel").exists() or read_status(folder)["state"] in {CANCELLED, CANCELLING}
            output = files_in(folder / "gcs" / BUCKET / "lanner" / "jobs" / name / "output")
            log = (self.state / "logs" / f"{folder.name}.jsonl").read_text
            if name not in found or found[name].cancelled:  # a twin was cancelled
                found[name] = TrainerAttempt(name, cancelled, log, output, output)
        return [found[name] for name in sorted(found)]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.state / "jobs")

    def strike(self, attempt: Attempt) -> dict[str, str]:
        (number,) = (folder.name for folder, job in self._all() if job["labels"][LABEL] == attempt.name)
        return super().strike(attempt) | {"job": number}

    def _all(self) -> Iterator[tuple[Path, dict]]:
        for file in sorted((self.state / "jobs").glob("[0-9]*/job.json")):
            yield file.parent, json.loads(file.read_text())
