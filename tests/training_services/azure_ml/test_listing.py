"""Many jobs at a time, in few calls: against a workspace that is only counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from training_services.azure_ml.listing import AzureListing

PAGE = 30


class Counted:
    """A workspace that knows some jobs, the newest last, and counts what it is asked."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.status = dict.fromkeys(names, "Queued")
        self.calls: Counter[str] = Counter()

    def get(self, path: str) -> dict[str, Any]:
        self.calls["get"] += 1
        name = path.removeprefix("jobs/")
        if name not in self.status:
            raise FileNotFoundError(name)
        return self._job(name)

    def pages(self, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
        assert (path, query) == ("jobs", {"tag": "lanner_many"})
        newest = self.names[::-1]
        for start in range(0, len(newest), PAGE):
            self.calls["page"] += 1
            yield [self._job(name) for name in newest[start : start + PAGE]]

    def details(self, name: str) -> dict[str, Any]:
        self.calls["details"] += 1
        return {"runId": name}

    def _job(self, name: str) -> dict[str, Any]:
        return {"name": name, "properties": {"status": self.status[name]}}


def names(count: int, first: int = 0) -> list[str]:
    return [f"many-{number}-g1-a1" for number in range(first, first + count)]


@pytest.fixture
def workspace() -> Counted:
    return Counted(names(1000))


@pytest.fixture
def listing(workspace: Counted) -> AzureListing:
    return AzureListing(workspace, "many")  # type: ignore[arg-type]


def test_the_newest_are_found_in_one_page(workspace: Counted, listing: AzureListing) -> None:
    wanted = names(20, 980)
    assert list(listing.find(wanted)) == wanted
    assert workspace.calls == {"page": 1}


def test_all_attempts_of_a_job_are_asked_for_one_after_the_other(workspace: Counted, listing: AzureListing) -> None:
    workspace.status |= {"many-5-g1-a2": "Queued"}
    assert list(listing.find([f"many-5-g1-a{number}" for number in range(1, 100)])) == ["many-5-g1-a1", "many-5-g1-a2"]
    assert workspace.calls == {"get": 3}


def test_what_is_old_is_asked_for_by_itself(workspace: Counted, listing: AzureListing) -> None:
    wanted = [*names(10, 990), "many-0-g1-a1", "many-never-g1-a1"]
    assert set(listing.find(wanted)) == set(wanted) - {"many-never-g1-a1"}
    assert workspace.calls == {"page": 20, "get": 2}


def test_details_are_asked_for_once_for_each_status(workspace: Counted, listing: AzureListing) -> None:
    for status in ("Running", "Running", "Completed", "Completed"):
        workspace.status["many-999-g1-a1"] = status
        listing.details(listing.find(["many-999-g1-a1"])["many-999-g1-a1"])
    assert workspace.calls["details"] == 2


def test_jobs_without_a_machine_have_no_log(workspace: Counted, listing: AzureListing) -> None:
    workspace.status["many-998-g1-a1"] = "Running"
    wanted = names(6, 994)
    listing.find(wanted)
    workspace.calls.clear()
    assert list(listing.running(wanted)) == ["many-998-g1-a1"]
    assert not workspace.calls
    assert list(listing.running(["many-998-g1-a1", "many-3-g1-a1"])) == ["many-998-g1-a1"]
    assert workspace.calls == {"get": 1}
