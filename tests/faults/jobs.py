"""The jobs of a target, seen from outside: what lies in its folders, which processes train, how a job is lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import psutil

from include.laptop.leftovers import RUNNER, TRAINER, processes_of
from tests.standins.clouds import BUCKET, Cloud
from tests.standins.vertex_client import VertexClient
from tests.standins.vertex_status import CANCELLED, CANCELLING
from tests.standins.vertex_status import read as read_status
from training_jobs.vertex_states import LABEL


@dataclass(frozen=True)
class Attempt:
    """One job.

    Attributes:
        output: where its trainer writes.
        log: its whole log, or a part of it that has what resumptions say.
    """

    name: str
    output: Path
    cancelled: bool
    log: Callable[[], str]

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoints" / "last" / "state.npz"

    def steps(self) -> list[int]:
        """The steps whose loss it wrote down."""
        try:
            lines = (self.output / "metrics.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return [line["step"] for line in whole if "loss" in line]


class Jobs(Protocol):
    """All jobs of a deployment on one target."""

    def attempts(self, prefix: str) -> list[Attempt]:
        """Jobs that were really submitted and whose names begin so, the first one first."""

    def processes(self) -> list[psutil.Process]:
        """What trains now, and what looks after it."""

    def lose(self, attempt: Attempt) -> None:
        """Let the service lose a running job."""


class CloudJobs(Jobs, Protocol):
    """Those of a cloud, whose service can be told to fail."""

    def wish(self, fault: str) -> None:
        """What the next job is to suffer: "capacity" or "permission"."""


class LocalJobs:
    """Processes of this machine.

    Args:
        folder: of the deployment.
    """

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        self.home, self.jobs = folder / "airflow", folder / "state" / "jobs"

    def attempts(self, prefix: str) -> list[Attempt]:
        folders = sorted(file.parent for file in self.jobs.glob(f"{prefix}-a*/started"))
        return [
            Attempt(each.name, each / "output", (each / "cancel").exists(), (each / "log.txt").read_text)
            for each in folders
        ]

    def processes(self) -> list[psutil.Process]:
        return [process for process in processes_of(self.home) if {TRAINER, RUNNER} & set(_command(process))]

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


class VertexJobs:
    """Custom jobs of the stand-in."""

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        self.state, self.url = cloud.standins["vertex"].state, cloud.standins["vertex"].url

    def attempts(self, prefix: str) -> list[Attempt]:
        found: dict[str, Attempt] = {}
        for folder, job in self._all():
            name = job["labels"][LABEL]
            if not name.rpartition("-a")[0].startswith(prefix):
                continue
            cancelled = (folder / "cancel").exists() or read_status(folder)["state"] in {CANCELLED, CANCELLING}
            output = folder / "gcs" / BUCKET / "lanner" / "jobs" / name / "output"
            log = (self.state / "logs" / f"{folder.name}.jsonl").read_text
            if name not in found or found[name].cancelled:  # a twin was cancelled
                found[name] = Attempt(name, output, cancelled, log)
        return [found[name] for name in sorted(found)]

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(self.state / "jobs")):
                    found.append(process)
        return found

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():  # it was held; what the service takes away it does not hold
            process.resume()
        (number,) = (folder.name for folder, job in self._all() if job["labels"][LABEL] == attempt.name)
        VertexClient(self.url).control("strike", {"job": number, "fault": "internal"})

    def wish(self, fault: str) -> None:
        VertexClient(self.url).control("next", {"fault": fault})

    def _all(self) -> Iterator[tuple[Path, dict]]:
        for file in sorted((self.state / "jobs").glob("[0-9]*/job.json")):
            yield file.parent, json.loads(file.read_text())


JOBS: Mapping[str, Callable[[Path, Cloud | None], Jobs]] = MappingProxyType({"local": LocalJobs, "vertex": VertexJobs})


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
