"""Lines from CloudWatch Logs, against an emulator: each once, of the right job and machine."""

from __future__ import annotations

import time
from typing import Any

import pytest

from include.clouds.aws_account import ALL_SERVICES, AwsAccount
from tests.standins.aws.server import REGION
from tests.training_services.sagemaker.conftest import account
from training_services.sagemaker import log as sagemaker_log
from training_services.sagemaker.log import GROUP, SageMakerLog


@pytest.fixture
def aws(urls: dict[str, str]) -> AwsAccount:
    found = account({ALL_SERVICES: urls[ALL_SERVICES]})
    assert found.region == REGION
    return found


@pytest.fixture
def begun() -> int:
    return round(time.time() * 1000) - 60_000


def say(aws: AwsAccount, stream: str, *lines: tuple[int, str]) -> None:
    for operation, arguments in (("create_log_group", {}), ("create_log_stream", {"logStreamName": stream})):
        try:
            aws.call("logs", operation, logGroupName=GROUP, **arguments)
        except Exception as there:
            assert "ResourceAlreadyExists" in str(there)
    events: list[dict[str, Any]] = [{"timestamp": at, "message": text} for at, text in lines]
    aws.call("logs", "put_log_events", logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_each_line_comes_once_also_of_one_moment(aws: AwsAccount, begun: int) -> None:
    log = SageMakerLog(aws)
    say(aws, "moment-a1/algo-1-1", (begun + 1, "one"), (begun + 2, "two"), (begun + 2, "three"))
    first = log.pages({"moment-a1": 0}, {"moment-a1": begun})["moment-a1"]
    assert first.lines == ("one", "two", "three")
    say(aws, "moment-a1/algo-1-1", (begun + 2, "four"), (begun + 3, "five"))
    second = log.pages({"moment-a1": first.cursor}, {"moment-a1": begun})["moment-a1"]
    assert second.lines == ("four", "five")
    assert log.pages({"moment-a1": second.cursor}, {"moment-a1": begun})["moment-a1"] == sagemaker_log.LogPage(
        (), second.cursor
    )


def test_a_job_whose_name_begins_another_has_its_own_lines(aws: AwsAccount, begun: int) -> None:
    say(aws, "alike-a1/algo-1-1", (begun, "of the first"))
    say(aws, "alike-a10/algo-1-1", (begun, "of the tenth"))
    pages = SageMakerLog(aws).pages({"alike-a1": 0, "alike-a10": 0}, {"alike-a1": begun, "alike-a10": begun})
    assert {name: page.lines for name, page in pages.items()} == {
        "alike-a1": ("of the first",),
        "alike-a10": ("of the tenth",),
    }
    assert SageMakerLog(aws).pages({"alike-a1": 0}, {"alike-a1": begun})["alike-a1"].lines == ("of the first",)


def test_other_machines_are_named(aws: AwsAccount, begun: int) -> None:
    say(aws, "several-a1/algo-1-1700000000", (begun, "chief"))
    say(aws, "several-a1/algo-2-1700000001", (begun + 1, "worker"))
    page = SageMakerLog(aws).pages({"several-a1": 0}, {"several-a1": begun})["several-a1"]
    assert page.lines == ("chief", "algo-2: worker")


def test_a_job_without_a_machine_is_not_asked_for(aws: AwsAccount) -> None:
    nobody = AwsAccount(aws.session, aws.region, {"s3": "http://127.0.0.1:9"})  # to ask for logs would fail
    assert SageMakerLog(nobody).pages({"waits-a1": 5}, {})["waits-a1"] == sagemaker_log.LogPage((), 5)


def test_a_quiet_job_is_not_read_from_its_beginning_for_ever(aws: AwsAccount, begun: int) -> None:
    old = begun - 600_000
    say(aws, "quiet-a1/algo-1-1", (old, "hello"))
    log = SageMakerLog(aws)
    cursor = log.pages({"quiet-a1": 0}, {"quiet-a1": old})["quiet-a1"].cursor
    later = log.pages({"quiet-a1": cursor}, {"quiet-a1": old})["quiet-a1"]
    assert later.lines == ()
    assert later.cursor // sagemaker_log.UNIT == pytest.approx(time.time() * 1000 - sagemaker_log.SETTLED, abs=5000)
