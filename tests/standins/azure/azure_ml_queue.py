"""What happens to jobs of the Azure ML stand-in by itself: into the queue, onto the machines of a cluster, and anew."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.standins.azure import azure_ml_status as status
from tests.standins.azure.azure_ml_faults import WAITING, complaint
from tests.standins.azure.azure_ml_rules import cluster_of, machines_of
from tests.standins.azure.azure_ml_store import JobStore
from tests.standins.azure.azure_ml_subscription import CORES
from tests.standins.azure.azure_ml_workspace import Workspace
from tests.standins.job_folder import is_held, owning
from tests.standins.runners import Runners


class Queue:
    """The jobs that have not ended.

    Args:
        preparing: seconds before a job comes into the queue.
        allocation: seconds in it, at least.
    """

    def __init__(self, store: JobStore, workspace: Workspace, preparing: float, allocation: float) -> None:
        self.store, self.workspace = store, workspace
        self.preparing, self.allocation = preparing, allocation
        self._runners = Runners("tests.standins.azure.azure_ml_runner", needs_no_runner, give_up)

    def tick(self) -> None:
        """Let each job take its next step, if it may, the oldest first; begin anew what lost its runner."""
        for name in sorted(self.store.active, key=lambda name: self.store.jobs[name]["systemData"]["createdAt"]):
            with self.store.lock:
                if name in self.store.active:
                    self._step(name)
                    if self.store.has_ended(name):
                        self.store.active.discard(name)

    def machines(self, cluster: str) -> int:
        """How many machines of a cluster jobs have now."""
        return self._in_use()[cluster]

    def cores(self) -> dict[tuple[str, str], int]:
        """Cores that jobs have now, by tier ("dedicated", "low") and size of machine."""
        used: Counter[tuple[str, str]] = Counter()
        for name, machines in self._in_use().items():
            cluster = self.workspace.clusters[name]
            used["low" if cluster.low else "dedicated", cluster.vm_size] += machines * CORES[cluster.vm_size][0]
        return dict(used)

    def complaints(self, cluster: str) -> list[dict[str, Any]]:
        """Why a cluster does not grow for the jobs that wait for it."""
        found = self.workspace.clusters.get(cluster)
        if found is None:
            return []
        waiting = [
            name for name in list(self.store.active) if cluster_of(self.store.jobs[name]["properties"]) == cluster
        ]
        faults = {fault for name in waiting if (fault := self._waits_in_vain(name))}
        cores = CORES[found.vm_size][0]
        return [complaint(fault, found.vm_size, self.workspace.region, cores) for fault in sorted(faults)]

    def end_processes(self) -> None:
        """Kill everything that runs; the jobs stay as they are, and would begin anew."""
        with self.store.lock:
            for name in self.store.active:
                self._runners.end(self.store.folder / name)
            self.store.active.clear()

    def _step(self, name: str) -> None:
        folder = self.store.folder / name
        if self.store.status(name)["status"] in status.WITH_MACHINES:
            self._runners.look_after(folder)
            return
        with owning(folder) as mine:  # a runner that has just lost its machines owns it still
            if mine:
                self._go_on(name, folder, self.store.status(name))

    def _go_on(self, name: str, folder: Path, stands: dict[str, Any]) -> None:
        """Let a job that has no machine yet take its next step, if it may."""
        if stands["status"] in status.WITH_MACHINES | status.ENDED:
            return
        waited = status.seconds_since(stands["changed"])
        if (folder / "cancel").exists():
            status.enter(folder, status.CANCELED)
        elif is_held(folder, stands["status"]):
            return
        elif stands["status"] == status.NOT_STARTED:
            status.enter(folder, status.PREPARING)
        elif stands["status"] == status.PREPARING:
            if waited >= self.preparing:
                status.enter(folder, status.QUEUED)
        elif waited >= self.allocation and not self._waits_in_vain(name) and self._has_room(name):
            status.enter(folder, status.RUNNING)

    def _waits_in_vain(self, name: str) -> str | None:
        """The fault for which a job shall never get a machine."""
        plan = json.loads((self.store.folder / name / "plan.json").read_text())
        fault = str((plan["fault"] or {}).get("fault"))
        return fault if fault in WAITING and self.store.status(name)["status"] == status.QUEUED else None

    def _has_room(self, name: str) -> bool:
        properties = self.store.jobs[name]["properties"]
        cluster = self.workspace.clusters[cluster_of(properties)]
        return self._in_use()[cluster.name] + machines_of(properties) <= cluster.most

    def _in_use(self) -> Counter[str]:
        """Machines that jobs have, by cluster."""
        used: Counter[str] = Counter()
        for name in list(self.store.active):
            if self.store.status(name)["status"] in status.WITH_MACHINES:
                properties = self.store.jobs[name]["properties"]
                used[cluster_of(properties)] += machines_of(properties)
        return used


def needs_no_runner(job: Path) -> bool:
    """It has ended, or waits in the queue for other machines."""
    return status.read(job)["status"] not in status.WITH_MACHINES


def give_up(job: Path) -> None:
    """Let a job fail that the service lost again and again."""
    with owning(job) as mine:
        if mine:
            status.enter(job, status.FAILED, status.system_failure(status.INTERNAL))
