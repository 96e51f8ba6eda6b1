"""Many jobs at a time: in few calls, none forgotten, and none held up by another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.auth.credentials import AnonymousCredentials

from benches.waiting_service import NAMESPACE, PROJECT, REGION, Jobs, Service, name_of
from include.documents import State
from include.settings import GoogleSettings
from include.store import Store
from tests.standins.google.filter import parse
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_logs import LONGEST_FILTER
from tests.training_services.watching import running, told, until
from training_services.job import TrainingJob
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.log import _filter, _shares
from training_services.vertex.service import VertexService
from training_services.vertex.states import LABEL

COUNT = 250
NAMES = [name_of(number) for number in range(COUNT)]


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(COUNT)


@pytest.fixture
def many(jobs: Jobs, store: Store) -> Iterator[VertexService]:
    """A service that knows many jobs, which are only pretended."""
    with Service(jobs) as service:
        endpoints = dict.fromkeys(("aiplatform", "logging", "storage"), service.url)
        cloud = GoogleCloud(AnonymousCredentials(), PROJECT, endpoints)
        yield VertexService(cloud, GoogleSettings(bucket="our-bucket", region=REGION), store, namespace=NAMESPACE)


def test_active_ones_are_listed_together_and_ended_ones_asked_for(many: VertexService, jobs: Jobs) -> None:
    assert all(status.state is State.RUNNING for status in many.describe(NAMES).values())
    assert jobs.calls["list"] == 3, "pages of 100"
    jobs.ends = dict.fromkeys((0, 1, 100, 200), time.time())
    found = many.describe([*NAMES, "never-was-a1"])
    assert [name for name, status in found.items() if status.succeeded] == [NAMES[number] for number in jobs.ends]
    assert found.keys() == set(NAMES)
    assert jobs.calls["list"] == 3 + 3 + 1


def test_jobs_that_ended_unseen_are_found(many: VertexService, jobs: Jobs) -> None:
    """All of them, as a triggerer may find them that was away."""
    jobs.ends = dict.fromkeys(range(COUNT), time.time())
    assert all(status.succeeded for status in many.describe(NAMES).values())
    assert len(many.describe(NAMES)) == COUNT


def test_one_that_is_far_behind_holds_up_no_other(many: VertexService, jobs: Jobs) -> None:
    jobs.begun -= timedelta(days=1).total_seconds()
    now = round(time.time() * 1e6)
    minute = round(60e6)
    pages = many.log_pages(dict.fromkeys(NAMES[1:], now - minute) | {NAMES[0]: 0})
    assert len(pages[NAMES[0]].lines) == pytest.approx(24 * 60, abs=1)
    assert {len(page.lines) for name, page in pages.items() if name != NAMES[0]} <= {0, 1, 2}
    assert sum(len(page.lines) for page in pages.values()) == pytest.approx(24 * 60 + COUNT, abs=COUNT * 0.1)
    assert jobs.calls["entries"] == 2
    again = many.log_pages({name: page.cursor for name, page in pages.items()})
    assert sum(len(page.lines) for page in again.values()) <= COUNT * 0.1


@pytest.mark.parametrize("moments", [1, 3, 5000])
def test_no_filter_is_longer_than_the_service_reads(moments: int) -> None:
    numbers = {str(number): f"{10**18 + number}" for number in range(5000)}
    cursors = {name: 1_795_000_000_000_000 + int(name) % moments for name in numbers}
    shares = list(_shares(sorted(numbers, key=lambda name: cursors[name]), cursors))
    filters = [_filter(some, numbers, cursors) for some in shares]
    assert sorted(name for some in shares for name in some) == sorted(numbers)
    assert max(map(len, filters)) <= LONGEST_FILTER
    assert all(parse(text) for text in filters)
    assert len(filters) < 9 or moments == 5000


def test_of_twins_the_older_is_meant_although_only_the_younger_is_active(
    service: VertexService, job: TrainingJob, standin: VertexClient
) -> None:
    service.find_or_submit(told(job, steps=10_000))
    until(service, job.name, running)
    older = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{job.name}"').execute()["customJobs"][0]
    younger = standin.create({name: older[name] for name in ("displayName", "jobSpec", "labels")})
    standin.cancel(older["name"])
    standin.reaches(older["name"], {"JOB_STATE_CANCELLED"})
    others = [f"{service.namespace}-vertex-1-{number}-g1-a1" for number in range(30)]
    assert service.describe([job.name, *others])[job.name].state is State.CANCELLED
    standin.cancel(younger["name"])
