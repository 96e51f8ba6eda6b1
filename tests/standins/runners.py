"""The processes that run a stand-in's jobs: started, found lost and started again, ended with all that they started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.standins.job_folder import owning
from tests.standins.processes import PROJECT, end_remembered_groups, living_groups, remember_groups
from training_services.local_runner import write

RUNNER = "runner.json"  # in which a job's runner is remembered
HOSTS = "hosts.json"  # in which a runner remembers what it started
ATTEMPTS = 4  # the first and three more, after which the service gives up


class Runners:
    """One process for each active job; a job is a folder.

    Args:
        module: that runs a job, given its folder.
        has_ended: whether a job needs no runner any more.
        give_up: lets a job fail that has lost all its runners.
    """

    def __init__(self, module: str, has_ended: Callable[[Path], bool], give_up: Callable[[Path], None]) -> None:
        self.module, self.has_ended, self.give_up = module, has_ended, give_up
        self._running: dict[Path, subprocess.Popen[bytes]] = {}

    def look_after(self, job: Path) -> None:
        """Start a job's runner if it has none. Called again and again."""
        runner = self._running.get(job)
        if (runner is not None and runner.poll() is None) or living_groups(job / RUNNER):
            return  # the second one is of an earlier stand-in, and perhaps too young to own its job
        with owning(job) as mine:
            idle = mine and not self.has_ended(job)
        if idle:
            self._start(job)
        if self.has_ended(job):
            self._running.pop(job, None)

    def end(self, job: Path) -> None:
        """Kill a job's processes; the job stays as it is."""
        for remembered in (RUNNER, HOSTS):
            end_remembered_groups(job / remembered)
        if (runner := self._running.pop(job, None)) is not None:
            runner.wait()  # or it would stay behind as a zombie

    def _start(self, job: Path) -> None:
        attempts = int((job / "attempts").read_text()) if (job / "attempts").exists() else 0
        if attempts >= ATTEMPTS:
            self.give_up(job)
            return
        write(job / "attempts", str(attempts + 1))
        with (job / "runner.txt").open("ab") as complaints:
            self._running[job] = subprocess.Popen(
                [sys.executable, "-m", self.module, str(job)],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                start_new_session=True,
            )
        remember_groups(job / RUNNER, [self._running[job].pid])
