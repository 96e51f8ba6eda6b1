"""A job's name is a promise."""

from __future__ import annotations

import re

from training_jobs.job import TrainingJob, job_prefix

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
