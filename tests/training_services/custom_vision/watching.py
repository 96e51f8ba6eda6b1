"""Waiting for trainings, and what is asked of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from include.clouds.custom_vision_account import CustomVisionCallFailed
from training_services.custom_vision.service import CustomVisionService
from training_services.job import JobStatus


def until(
    service: CustomVisionService, name: str, true: Callable[[JobStatus], bool], seconds: float = 60.0
) -> JobStatus:
    """A job's status once something is true of it; a call that fails is a missed beat, as it is to the poller."""
    deadline = time.monotonic() + seconds
    status = None
    while status is None or not true(status):
        assert time.monotonic() < deadline, f"still {status}"
        time.sleep(0.1)
        with contextlib.suppress(CustomVisionCallFailed):
            status = service.describe([name])[name]
    return status


def ended(status: JobStatus) -> bool:
    return not status.active
