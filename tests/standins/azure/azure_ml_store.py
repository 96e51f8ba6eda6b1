"""The jobs of the Azure ML stand-in on disk (see ``azure_ml_status``), and in memory what is read again and again."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

from tests.standins.azure import azure_ml_status as status
from training_services.local_runner import write

Job = dict[str, Any]


class JobStore:
    """A folder of jobs. Whoever changes more than one thing holds ``lock``.

    Args:
        folder: another store on the same folder goes on where this one was left.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*"):
            shutil.rmtree(left)
        self.lock = threading.RLock()
        self._read: dict[str, tuple[int, Job]] = {}  # time of the last change in ns, status
        self.jobs: dict[str, Job] = {
            each.name: json.loads((each / "job.json").read_text()) for each in folder.iterdir()
        }
        self.active = {name for name in self.jobs if not self.has_ended(name)}

    def add(self, job: Job, plan: Job, hold: str = "") -> None:
        """A new job, whole or not at all.

        Args:
            plan: how the stand-in is to treat it.
            hold: the status that it may not leave.
        """
        name = job["name"]
        new = self.folder / f".new-{name}"
        new.mkdir()
        write(new / "job.json", json.dumps(job))
        write(new / "plan.json", json.dumps(plan))
        if hold:
            write(new / "hold", hold)
        status.enter(new, status.NOT_STARTED)
        new.rename(self.folder / name)
        self.jobs[name] = job
        self.active.add(name)

    def replace(self, job: Job) -> None:
        write(self.folder / job["name"] / "job.json", json.dumps(job))
        self.jobs[job["name"]] = job

    def remove(self, name: str) -> None:
        with self.lock:
            gone = (self.folder / name).rename(self.folder / f".gone-{name}")
            for known in (self.jobs, self._read):
                known.pop(name, None)
            self.active.discard(name)
        shutil.rmtree(gone)

    def newest_first(self) -> list[Job]:
        return sorted(self.jobs.values(), key=lambda job: (job["systemData"]["createdAt"], job["name"]), reverse=True)

    def status(self, name: str) -> Job:
        """A job's status; read again only after a change, for there may be thousands of jobs."""
        changed = (self.folder / name / "status.json").stat().st_mtime_ns
        if self._read.get(name, (0, {}))[0] != changed:
            self._read[name] = changed, status.read(self.folder / name)
        return self._read[name][1]

    def visible(self, name: str) -> str:
        """Its status as the API tells it."""
        return status.visible(self.folder / name, self.status(name))

    def has_ended(self, name: str) -> bool:
        return self.status(name)["status"] in status.ENDED
