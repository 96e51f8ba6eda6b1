"""Waiting for jobs, and what is asked of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from include.clouds.azure_workspace import AzureCallFailed
from include.documents import State
from training_services.azure_ml.service import AzureMLService
from training_services.job import JobStatus, TrainingJob


def told(job: TrainingJob, **configuration: Any) -> TrainingJob:
    return replace(job, configuration={**job.configuration, **configuration})


def until(service: AzureMLService, name: str, true: Callable[[JobStatus], bool], seconds: float = 300.0) -> JobStatus:
    """A job's status once something is true of it; a call that fails is a missed beat, as it is to the poller."""
    deadline = time.monotonic() + seconds
    status = None
    while status is None or not true(status):
        assert time.monotonic() < deadline, f"still {status}"
        time.sleep(0.1)
        with contextlib.suppress(AzureCallFailed):
            status = service.describe([name])[name]
    return status


def ended(status: JobStatus) -> bool:
    return not status.active


def training(status: JobStatus) -> bool:
    return status.state is State.RUNNING
