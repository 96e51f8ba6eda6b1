"""A service that would not take a job: the task is tried again, and the result knows why if that does not help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.documents import Reason
from include.store import Store
from tests.training_services import counting_trainer
from training_jobs.operators import SubmitTraining, WaitForTraining
from training_services.job import JobHandle, Refused, TrainingJob
from training_services.local import LocalService


class Full(LocalService):
    """Whose quota is used up."""

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        raise Refused(Reason.QUOTA, "no instance is left")


class Wrong(LocalService):
    """Which finds the request wrong, or whose last look before it was sent did."""

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        raise ValueError("the content type is empty")


class Words:
    """What a task leaves for the teardown."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.said[key] = value


@pytest.fixture
def job(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    (lanner / "lanner.yaml").write_text("collections: {toy: {source: images}}")
    store = Store(lanner / "store")
    monkeypatch.setattr("training_jobs.operators.open_service", lambda target: Full(lanner / "jobs", store))
    return TrainingJob("p-local-1-1-g1", "local", "toy", counting_trainer.dataset(store), {}, "run", 60.0)


def test_submit_says_why_and_may_be_tried_again(job: TrainingJob) -> None:
    words = Words()
    with pytest.raises(Refused, match="no instance is left"):
        SubmitTraining(task_id="submit", job=job.as_dict()).execute({"ti": words})  # type: ignore[typeddict-item]
    assert words.said["failure"] == {"reason": "QUOTA", "message": "Nothing was submitted. no instance is left"}


def test_what_is_wrong_with_a_job_is_said_as_bad_input(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Wrong(Path("jobs"), Store(Path("store")))
    monkeypatch.setattr("training_jobs.operators.open_service", lambda target: wrong)
    monkeypatch.setattr(wrong, "check", lambda job: [])
    words = Words()
    with pytest.raises(ValueError, match="content type"):
        SubmitTraining(task_id="submit", job=job.as_dict()).execute({"ti": words})  # type: ignore[typeddict-item]
    assert words.said["failure"] == {
        "reason": "BAD_INPUT",
        "message": "Nothing was submitted. the content type is empty",
    }


def test_so_does_wait_for_a_next_attempt(job: TrainingJob) -> None:
    words = Words()
    with pytest.raises(Refused):
        WaitForTraining(task_id="wait", submitted={"job": job.as_dict()}).execute({"ti": words})  # type: ignore[typeddict-item]
    assert words.said["failure"] == {"reason": "QUOTA", "message": "There is no further attempt. no instance is left"}
