"""Processes of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import psutil

from include.laptop.leftovers import RUNNER, TRAINER, processes_of
from tests.faults.jobs.watched import Attempt, Jobs, TrainerAttempt, command_of, files_in
from tests.standins.clouds import Cloud


class LocalJobs(Jobs):
    """Processes of this machine."""

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        self.home, self.jobs = folder / "airflow", folder / "state" / "jobs"

    def attempts(self, prefix: str) -> Sequence[Attempt]:
        folders = sorted(file.parent for file in self.jobs.glob(f"{prefix}-a*/started"))
        return [
            TrainerAttempt(each.name, (each / "cancel").exists(), (each / "log.txt").read_text, output, output)
            for each in folders
            for output in [files_in(each / "output")]
        ]

    def processes(self) -> list[psutil.Process]:
        return [process for process in processes_of(self.home) if {TRAINER, RUNNER} & set(command_of(process))]

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
