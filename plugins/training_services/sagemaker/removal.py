"""Remove all that a deployment has on SageMaker and in its bucket. For what was only tried, never for production."""

from __future__ import annotations

import contextlib
import time

from training_services.sagemaker.service import SageMakerService
from training_services.sagemaker.states import OVER, RUNNING

STOP_SECONDS = 600.0  # that the service may take to give machines back


def remove_everything(service: SageMakerService) -> str:
    """Stop and delete every job of the namespace, delete every object below the prefix. Returns what that was.

    Raises:
        TimeoutError: a job was stopped and would not end; nothing of the bucket was deleted.
    """
    names = service.jobs.all(service.namespace)
    for name in names:
        if _standing(service, name) == RUNNING:
            service.cancel(name)
    deadline = time.monotonic() + STOP_SECONDS
    while any(_standing(service, name) not in {*OVER, None} for name in names):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Jobs of {service.namespace} had not ended {STOP_SECONDS:.0f} s after they were stopped. "
                "Look after them in the console; nothing of the bucket was deleted."
            )
        time.sleep(2)
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # the answer to the call before was lost
            service.account.call("sagemaker", "delete_training_job", TrainingJobName=name)
    objects = service.files.bucket.remove(service.files.path(""))
    return f"{len(names)} jobs, and {objects} objects at {service.files.uri('')}"


def _standing(service: SageMakerService, name: str) -> str | None:
    job = service.jobs.find([name]).get(name)
    return None if job is None else str(job["TrainingJobStatus"])
