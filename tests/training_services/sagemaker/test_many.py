"""Many jobs at a time: in few calls, none forgotten, and none held up by another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from boto3.session import Session

from benches.waiting_sagemaker import NAMESPACE, REGION, Jobs, Service, name_of
from include.clouds.aws_account import ALL_SERVICES, AwsAccount
from include.documents import State
from include.settings import AwsSettings
from include.store import Store
from tests.training_services.sagemaker.conftest import ROLE
from training_services.sagemaker import listing as sagemaker_listing
from training_services.sagemaker.service import SageMakerService

COUNT = 250
NAMES = [name_of(number) for number in range(COUNT)]


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(COUNT)


@pytest.fixture
def many(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerService]:
    """A service that knows many jobs, which are only pretended, since an hour."""
    jobs.begun -= timedelta(hours=1).total_seconds()
    with Service(jobs) as service:
        account = AwsAccount(Session("rehearsal", "rehearsal", region_name=REGION), REGION, {ALL_SERVICES: service.url})
        settings = AwsSettings(bucket="our-bucket", role=ROLE, region=REGION)
        yield SageMakerService(account, settings, Store(tmp_path / "store"), NAMESPACE)


def settled(many: SageMakerService, jobs: Jobs) -> None:
    """Look until every job was described."""
    for _ in range(3):
        assert len(many.describe(NAMES)) == COUNT
    jobs.calls.clear()


def test_the_first_looks_describe_a_hundred_each(many: SageMakerService, jobs: Jobs) -> None:
    assert all(status.active for status in many.describe(NAMES).values())
    assert jobs.calls == {"ListTrainingJobs": 3, "DescribeTrainingJob": 100}, "pages of 100"
    many.describe(NAMES)
    assert all(status.owner for status in many.describe(NAMES).values())
    assert jobs.calls["DescribeTrainingJob"] == COUNT


def test_a_look_at_unchanged_jobs_is_one_call(many: SageMakerService, jobs: Jobs) -> None:
    settled(many, jobs)
    assert all(status.state is State.RUNNING for status in many.describe(NAMES).values())
    assert jobs.calls == {"ListTrainingJobs": 1}


def test_those_that_changed_are_described(many: SageMakerService, jobs: Jobs) -> None:
    settled(many, jobs)
    jobs.ends = dict.fromkeys((0, 1, 100, 200), time.time())
    found = many.describe([*NAMES, "bench-sagemaker-never-was-g1-a1"])
    assert [name for name, status in found.items() if status.succeeded] == [NAMES[number] for number in jobs.ends]
    assert found.keys() == set(NAMES)
    assert jobs.calls == {"ListTrainingJobs": 2, "DescribeTrainingJob": 4}, "one look for the new name"


def test_jobs_that_ended_unseen_are_found(many: SageMakerService, jobs: Jobs) -> None:
    """All of them, as a triggerer may find them that was away; none is said to run that was seen to have ended."""
    jobs.ends = dict.fromkeys(range(COUNT), time.time() - 1800)
    for looks in (1, 2, 3):
        found = many.describe(NAMES)
        assert sum(status.succeeded for status in found.values()) == min(COUNT, 100 * looks)


def test_a_change_that_the_list_does_not_show_is_found_in_time(
    many: SageMakerService, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(many, jobs)
    jobs.ends = {7: time.time() - 1800}  # changed so long ago that no look asks for it
    assert not [name for name, status in many.describe(NAMES).items() if status.succeeded]
    monkeypatch.setattr(sagemaker_listing, "DOUBTED_AFTER", -1.0)
    for _ in range(COUNT // sagemaker_listing.DOUBTS + 1):
        found = many.describe(NAMES)
    assert [name for name, status in found.items() if status.succeeded] == [NAMES[7]]


def test_lines_of_all_come_in_one_call_and_once(many: SageMakerService, jobs: Jobs) -> None:
    settled(many, jobs)
    since = round((time.time() - 180) * 1000) * 10_000
    pages = many.log_pages(dict.fromkeys(NAMES, since))
    assert {len(page.lines) for page in pages.values()} == {3}
    assert jobs.calls == {"FilterLogEvents": 1}
    again = many.log_pages({name: page.cursor for name, page in pages.items()})
    assert sum(len(page.lines) for page in again.values()) <= COUNT * 0.1


def test_one_that_is_far_behind_holds_up_no_other(many: SageMakerService, jobs: Jobs) -> None:
    settled(many, jobs)
    since = round((time.time() - 60) * 1000) * 10_000
    pages = many.log_pages(dict.fromkeys(NAMES[1:], since) | {NAMES[0]: 0})
    assert len(pages[NAMES[0]].lines) == pytest.approx(60, abs=1)
    assert {len(page.lines) for name, page in pages.items() if name != NAMES[0]} <= {0, 1, 2}
    assert jobs.calls == {"FilterLogEvents": 2}


def test_many_that_are_far_behind_are_read_in_turn(many: SageMakerService, jobs: Jobs) -> None:
    settled(many, jobs)
    cursors = dict.fromkeys(NAMES[:30], 0)
    for _ in range(3):
        cursors = {name: page.cursor for name, page in many.log_pages(cursors).items()}
    assert all(cursors.values())
    assert sum(jobs.calls.values()) <= 30 + 3
