"""A job's name is a promise."""

from __future__ import annotations

import re

import pytest

from include.documents import Reason, State
from training_services.job import JobStatus, TrainingJob, job_prefix, lost_in_a_row

CONFIGURATION = {"steps": 10, "augmentation": {"mirror": True}}


def prefix(configuration: dict | None = None, trainer: str = "1.0", generation: int = 1, target: str = "local") -> str:
    return job_prefix("lanner", target, "abcdef0123456789", configuration or CONFIGURATION, trainer, generation)


def test_the_same_work_has_the_same_name() -> None:
    assert prefix() == prefix({"augmentation": {"mirror": True}, "steps": 10})


def test_what_changes_the_model_changes_the_name() -> None:
    names = [prefix(), prefix({"steps": 11}), prefix(trainer="1.1"), prefix(generation=2), prefix(target="vertex")]
    assert len(set(names)) == len(names)


def test_every_service_accepts_the_longest_name() -> None:
    longest = job_prefix("a" * 12, "sagemaker_builtin", "f" * 64, CONFIGURATION, "1.0", 99) + "-a99"
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", longest)


def test_attempts_follow_each_other() -> None:
    job = TrainingJob("p", "local", "c", "d", {}, "run", 1.0)
    assert job.name == "p-a1"
    assert job.as_attempt(3).name == "p-a3"
    assert TrainingJob(**job.as_dict()) == job


@pytest.mark.parametrize(
    ("reached", "count"),
    [
        ((), 0),
        ((0, 0, 0), 3),  # never got anywhere
        ((10, 10, 10), 3),  # dies at the same step again and again
        ((10, 20, 30, 40, 50), 1),  # taken away every hour, but it gets on
        ((10, 20, 20, 20), 3),
    ],
)
def test_lost_attempts_count_only_while_they_get_no_further(reached: tuple[int, ...], count: int) -> None:
    history = [JobStatus("j", State.FAILED, Reason.LOST, progress={"step": step}) for step in reached]
    assert lost_in_a_row(history) == count


def test_only_what_was_lost_counts() -> None:
    lost, failed = JobStatus("j", State.FAILED, Reason.LOST), JobStatus("j", State.FAILED, Reason.BAD_INPUT)
    assert lost_in_a_row([lost, lost, failed]) == 0
    assert lost_in_a_row([failed, JobStatus("j", State.FAILED, Reason.CAPACITY)]) == 1
