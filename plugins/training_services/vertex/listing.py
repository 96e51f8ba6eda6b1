"""Custom jobs of Vertex AI found by the name that they carry as a label."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.states import LABEL, OVER, status_of

PREFIX_LABEL, NAMESPACE_LABEL = "lanner_prefix", "lanner_namespace"
PAGE = 100  # jobs, the most that one listing returns
MOST_PREFIXES = 20  # asked for by name in one listing


class VertexListing:
    """The jobs of one namespace in some regions.

    The service does not refuse a second job of a name: where there are twins, the oldest is meant.
    """

    def __init__(self, cloud: GoogleCloud, regions: Collection[str], namespace: str) -> None:
        self.cloud, self.regions, self.namespace = cloud, tuple(regions), namespace
        self._numbers: dict[str, str] = {}
        self._custom_jobs = cache(cloud.custom_jobs)  # each time it is made, it reads a description of megabytes
        ended = "".join(f' AND state!="{state}"' for state in OVER)
        self._active = f'labels.{NAMESPACE_LABEL}="{namespace}"{ended}'

    def find(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """The job of each name, as the service describes it; names that it does not know are left out."""
        found: dict[str, dict[str, Any]] = {}
        for job in self._listed(names):
            name = job["labels"].get(LABEL)
            if name in names:
                found[name] = min(found.get(name, job), job, key=_created)
        self._numbers |= {name: _number(job) for name, job in found.items()}
        return found

    def numbers(self, names: Collection[str]) -> dict[str, str]:
        """The service's number of each job, by its name; without a call for those that were found before."""
        if unknown := set(names) - set(self._numbers):
            self.find(unknown)
        return {name: self._numbers[name] for name in names if name in self._numbers}

    def cancel(self, job: dict[str, Any]) -> None:
        self.cloud.call(self._custom_jobs(region_of(job)).cancel(name=job["name"], body={}))

    def cancel_twins(self, name: str) -> None:
        """Of several jobs of one name leave the oldest running."""
        twins = sorted((job for job in self._listed([name]) if job["labels"].get(LABEL) == name), key=_created)
        for twin in twins[1:]:
            if status_of(twin).active:
                self.cancel(twin)

    def all(self) -> list[dict[str, Any]]:
        """Every job of the namespace."""
        return list(self._pages(f'labels.{NAMESPACE_LABEL}="{self.namespace}"'))

    def delete(self, job: dict[str, Any]) -> None:
        """Forget a job that has ended."""
        self.cloud.call(self._custom_jobs(region_of(job)).delete(name=job["name"]))

    def parent(self, region: str) -> str:
        return f"projects/{self.cloud.project}/locations/{region}"

    def _listed(self, names: Collection[str]) -> Iterator[dict[str, Any]]:
        """Jobs of these names, and perhaps others.

        Few names are asked for by their prefixes. Of many, most are still active, as those are that a triggerer waits
        for: all active jobs of the namespace are listed, however many it had before, and only those that are not among
        them, or are known by another number, are asked for by their prefixes.
        """
        prefixes = _prefixes(names)
        if len(prefixes) > MOST_PREFIXES:
            active: dict[str, str] = {}
            for job in self._pages(self._active):
                yield job
                active[job["labels"].get(LABEL, "")] = _number(job)
            prefixes = _prefixes(
                name for name in names if name not in active or self._numbers.get(name, active[name]) != active[name]
            )
        for start in range(0, len(prefixes), MOST_PREFIXES):
            some = prefixes[start : start + MOST_PREFIXES]
            yield from self._pages(" OR ".join(f'labels.{PREFIX_LABEL}="{prefix}"' for prefix in some))

    def _pages(self, wanted: str) -> Iterator[dict[str, Any]]:
        """What a filter finds, page by page, region by region."""
        for region in self.regions:
            jobs = self._custom_jobs(region)
            request = jobs.list(parent=self.parent(region), filter=wanted, pageSize=PAGE)
            while request is not None:
                answer = self.cloud.call(request)
                yield from answer.get("customJobs", ())
                request = jobs.list_next(request, answer)


def region_of(job: Mapping[str, Any]) -> str:
    """The region in which a job runs, from its resource name ``projects/…/locations/…/customJobs/…``."""
    return str(job["name"].split("/")[3])


def _prefixes(names: Iterable[str]) -> list[str]:
    return sorted({name.rpartition("-a")[0] for name in names})


def _number(job: dict[str, Any]) -> str:
    return str(job["name"].rpartition("/")[2])


def _created(job: dict[str, Any]) -> tuple[str, str]:
    return job["createTime"], job["name"]
