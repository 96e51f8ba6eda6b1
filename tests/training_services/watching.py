"""Asking for jobs and waiting for them, whatever the cloud."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from include.clouds.failures import CallFailed
from include.documents import State
from training_services.job import JobStatus, TrainingJob, TrainingService

TRIES = 8  # Airflow's of a task, more or less


def told(job: TrainingJob, **configuration: Any) -> TrainingJob:
    return replace(job, configuration={**job.configuration, **configuration})


def until(service: TrainingService, name: str, true: Callable[[JobStatus], bool], seconds: float = 300.0) -> JobStatus:
    """A job's status once something is true of it; a call that fails is a missed beat, as it is to the poller."""
    deadline = time.monotonic() + seconds
    status = None
    while status is None or not true(status):
        assert time.monotonic() < deadline, f"still {status}"
        time.sleep(0.1)
        with contextlib.suppress(CallFailed):
            status = service.describe([name])[name]
    return status


def ended(status: JobStatus) -> bool:
    return not status.active


def running(status: JobStatus) -> bool:
    return status.state is State.RUNNING


def again_and_again(call: Callable[..., Any], *arguments: Any) -> Any:
    """As Airflow tries a task: again after what may go better next time."""
    for _ in range(TRIES):
        with contextlib.suppress(CallFailed):
            return call(*arguments)
    return call(*arguments)
