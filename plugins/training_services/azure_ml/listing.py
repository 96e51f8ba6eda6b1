"""Jobs of Azure Machine Learning found by name, many in few calls.

The service lists jobs page by page, the newest first; how long a page is, it does not publish. A subscription may be
read some 25 times a second (from memory):
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from include.clouds.azure_workspace import AzureWorkspace
from training_services.azure_ml.states import WITHOUT_MACHINE

FEW = 4  # jobs, with all their attempts, that are asked for one by one
PAGES = 20  # of one look; what is not in them is older than hundreds of others, and asked for by itself
AT_ONCE = 4

Job = dict[str, Any]


class AzureListing:
    """The jobs of one namespace in a workspace, as they were last seen."""

    def __init__(self, workspace: AzureWorkspace, namespace: str) -> None:
        self.workspace, self.namespace = workspace, namespace
        self.tag = f"lanner_{namespace}"
        self._jobs: dict[str, Job] = {}
        self._details: dict[str, tuple[str, Job]] = {}  # by name, with the status that the job had then

    def find(self, names: Collection[str]) -> dict[str, Job]:
        """The job of each name, as the service has it; names that it does not know are left out."""
        wanted, attempts = set(names), by_prefix(names)
        found: dict[str, Job] = {}
        if len(attempts) > FEW:
            for page in itertools.islice(self.workspace.pages("jobs", tag=self.tag), PAGES):
                found |= {job["name"]: job for job in page if job["name"] in wanted}
                if len(found) == len(wanted):
                    break
        missing = [each for each in (self._not_in(found, some) for some in attempts.values()) if each]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for some in pool.map(self._one_after_the_other, missing):
                found |= some
        if len(wanted) > 1:
            self._forget_all_but(wanted)
        self._jobs |= found
        return {name: found[name] for name in names if name in found}

    def details(self, job: Job) -> Job:
        """How a job goes, as the run history has it; asked for once for each status that a job has."""
        name, status = job["name"], job["properties"].get("status", "")
        before = self._details.get(name)
        if before is None or before[0] != status:
            try:
                before = self._details[name] = status, self.workspace.details(name)
            except FileNotFoundError:  # it has not come there yet
                return {}
        return before[1]

    def running(self, names: Collection[str]) -> dict[str, Job]:
        """Those of these jobs that have had a machine; without a call for those that were found."""
        if unknown := set(names) - self._jobs.keys():
            self.find(unknown)
        known = {name: self._jobs[name] for name in names if name in self._jobs}
        return {name: job for name, job in known.items() if job["properties"].get("status") not in WITHOUT_MACHINE}

    def all(self) -> list[Job]:
        """Every job of the namespace."""
        return [job for page in self.workspace.pages("jobs", tag=self.tag) for job in page]

    def _forget_all_but(self, wanted: set[str]) -> None:
        for known in (self._jobs, self._details):
            for name in known.keys() - wanted:
                del known[name]

    def _one_after_the_other(self, names: list[str]) -> dict[str, Job]:
        """Attempts of one job, up to the first that there is not."""
        found: dict[str, Job] = {}
        for name in names:
            try:
                found[name] = self.workspace.get(f"jobs/{name}")
            except FileNotFoundError:
                break
        return found

    def _not_in(self, found: dict[str, Job], names: list[str]) -> list[str]:
        """Attempts that are still to be asked for: those after the last that was found."""
        known = [number for number, name in enumerate(names) if name in found]
        return [name for name in names[max(known, default=-1) + 1 :] if name not in found]


def by_prefix(names: Collection[str]) -> dict[str, list[str]]:
    """Names of attempts by the job that they are for, in the order of their numbers.

    >>> by_prefix(["x-g1-a10", "x-g1-a2", "y-g1-a1"])
    {'x-g1': ['x-g1-a2', 'x-g1-a10'], 'y-g1': ['y-g1-a1']}
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names, key=_number):
        found.setdefault(name.rpartition("-a")[0], []).append(name)
    return found


def _number(name: str) -> tuple[str, int]:
    prefix, _, number = name.rpartition("-a")
    return prefix, int(number) if number.isdecimal() else 0
