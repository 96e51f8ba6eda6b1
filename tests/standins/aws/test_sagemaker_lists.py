"""Lists of training jobs: filters, order, pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.standins.aws.sagemaker_fixtures import tiny_job
from tests.standins.aws.sagemaker_lists import TRAINING_JOBS, page_of
from tests.standins.aws.sagemaker_status import STARTING, STOPPED


@pytest.fixture
def three(sagemaker: SageMakerClient) -> Iterator[tuple[str, list[str]]]:
    """A part of their names, and three jobs that wait, the oldest first."""
    mark = uuid.uuid4().hex[:12]
    sagemaker.control("next", {"hold": STARTING, "count": 3})
    names = [sagemaker.create(tiny_job(f"{letter}-{mark}", "")) for letter in "bac"]
    yield mark, names
    for name in names:
        if sagemaker.describe(name)["TrainingJobStatus"] != STOPPED:
            sagemaker.stop(name)


def names_of(sagemaker: SageMakerClient, **request: Any) -> list[str]:
    """Names of all listed jobs, over all pages."""
    pages = sagemaker.api.get_paginator("list_training_jobs").paginate(**request)
    return [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]


def test_filters_and_order(sagemaker: SageMakerClient, three: tuple[str, list[str]]) -> None:
    mark, (b, a, c) = three
    assert names_of(sagemaker, NameContains=mark) == [b, a, c]
    assert names_of(sagemaker, NameContains=mark, SortOrder="Descending") == [c, a, b]
    assert names_of(sagemaker, NameContains=mark, SortBy="Name") == [a, b, c]
    assert names_of(sagemaker, NameContains=mark[:11] + "-none") == []
    before = sagemaker.describe(c)["LastModifiedTime"]  # boto3 sends whole seconds, so it may find more than asked
    sagemaker.stop(b)
    sagemaker.reaches(b, {STOPPED})
    assert b in names_of(sagemaker, NameContains=mark, LastModifiedTimeAfter=before)
    assert names_of(sagemaker, NameContains=mark, StatusEquals="InProgress") == [a, c]
    (stopped,) = sagemaker.api.list_training_jobs(NameContains=b)["TrainingJobSummaries"]
    assert (stopped["TrainingJobStatus"], stopped["SecondaryStatus"]) == (STOPPED, STOPPED)
    assert stopped["TrainingEndTime"] <= stopped["LastModifiedTime"]


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ({"CreationTimeAfter": 1.0}, ["b", "c"]),
        ({"CreationTimeBefore": 2.0}, ["a"]),
        ({"LastModifiedTimeAfter": 7.5}, ["a", "b"]),
        ({"LastModifiedTimeAfter": 7.5, "LastModifiedTimeBefore": 8.5}, ["b"]),
        ({"SortBy": "Status"}, ["c", "a", "b"]),
    ],
)
def test_by_time_and_by_status(request_: dict[str, Any], found: list[str]) -> None:
    times = {"a": (1.0, 9.0, "Failed"), "b": (2.0, 8.0, "Failed"), "c": (3.0, 7.0, "Completed")}
    jobs = [
        {"TrainingJobName": name, "CreationTime": made, "LastModifiedTime": changed, "TrainingJobStatus": stands}
        for name, (made, changed, stands) in times.items()
    ]
    page = page_of(TRAINING_JOBS, jobs, request_)
    assert [job["TrainingJobName"] for job in page["TrainingJobSummaries"]] == found


def test_in_pages(sagemaker: SageMakerClient, three: tuple[str, list[str]]) -> None:
    """Jobs that come meanwhile do not move the pages."""
    mark, (b, a, c) = three
    request = {"NameContains": mark, "MaxResults": 2, "SortOrder": "Descending"}
    page = sagemaker.api.list_training_jobs(**request)
    assert [job["TrainingJobName"] for job in page["TrainingJobSummaries"]] == [c, a]
    sagemaker.control("next", {"fault": "capacity"})
    sagemaker.create(tiny_job(f"d-{mark}", ""))
    rest = sagemaker.api.list_training_jobs(**request, NextToken=page["NextToken"])
    assert [job["TrainingJobName"] for job in rest["TrainingJobSummaries"]] == [b]
    assert "NextToken" not in rest


def test_a_page_is_filtered_by_status_after_it_was_taken(
    sagemaker: SageMakerClient, three: tuple[str, list[str]]
) -> None:
    mark, (b, a, _) = three
    sagemaker.stop(b)
    sagemaker.reaches(b, {STOPPED})
    request = {"NameContains": mark, "StatusEquals": "InProgress"}
    first = sagemaker.api.list_training_jobs(**request, MaxResults=1)
    assert first["TrainingJobSummaries"] == []
    second = sagemaker.api.list_training_jobs(**request, MaxResults=1, NextToken=first["NextToken"])
    assert [job["TrainingJobName"] for job in second["TrainingJobSummaries"]] == [a]


def test_a_page_has_ten_jobs_and_never_more_than_a_hundred(sagemaker: SageMakerClient) -> None:
    mark = uuid.uuid4().hex[:12]
    sagemaker.control("next", {"fault": "capacity", "count": 12})
    for number in range(12):
        sagemaker.create(tiny_job(f"{mark}-{number}", ""))
    assert len(sagemaker.api.list_training_jobs(NameContains=mark)["TrainingJobSummaries"]) == 10
    assert len(sagemaker.api.list_training_jobs(NameContains=mark, MaxResults=100)["TrainingJobSummaries"]) == 12
    with pytest.raises(ClientError, match="Member must have value less than or equal to 100"):
        sagemaker.api.list_training_jobs(MaxResults=101)


@pytest.mark.parametrize("token", ["nonsense", None])
def test_tokens_of_another_list(sagemaker: SageMakerClient, three: tuple[str, list[str]], token: str | None) -> None:
    mark, _ = three
    token = token or sagemaker.api.list_training_jobs(NameContains=mark, MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match="NextToken"):
        sagemaker.api.list_training_jobs(NameContains=mark[:6], NextToken=token)
