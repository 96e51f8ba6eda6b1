"""Remove all that a deployment has on SageMaker and in its bucket. For what was only tried, never for production."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from include.clouds.aws_account import AwsAccount, translated
from training_services.sagemaker.endpoint import delete_config, end_endpoint
from training_services.sagemaker.model import delete_model
from training_services.sagemaker.service import SageMakerService
from training_services.sagemaker.states import OVER, RUNNING

STOP_SECONDS = 600.0  # that the service may take to give machines back


def remove_everything(service: SageMakerService) -> str:
    """Stop and delete all that has machines, then what names it, then every object below the prefix.

    That is: training jobs, batch transforms (which cannot be deleted), endpoints and their configurations, and models
    of the namespace. Returns what that was.

    Raises:
        TimeoutError: a job was stopped and would not end; nothing of the bucket was deleted.
        PredictionFailed: so did an endpoint.
    """
    account, begins = service.account, f"{service.namespace}-"
    jobs = service.jobs.all(service.namespace)
    for name in jobs:
        if _standing(service, name) == RUNNING:
            service.cancel(name)
    transforms = _running_transforms(account, begins)
    for name in transforms:
        with contextlib.suppress(ValueError, FileNotFoundError):  # it has ended in this moment
            account.call("sagemaker", "stop_transform_job", TransformJobName=name)
    _wait(service, lambda: any(_standing(service, name) not in {*OVER, None} for name in jobs))
    _wait(service, lambda: bool(_running_transforms(account, begins)))
    for name in jobs:
        with contextlib.suppress(FileNotFoundError):  # the answer to the call before was lost
            account.call("sagemaker", "delete_training_job", TrainingJobName=name)
    endpoints = _names(account, "list_endpoints", "Endpoints", "EndpointName", begins)
    for name in endpoints:
        end_endpoint(account, name)
    for name in _names(account, "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", begins):
        delete_config(account, name)
    models = _names(account, "list_models", "Models", "ModelName", begins)
    for name in models:
        delete_model(account, name)
    objects = service.files.bucket.remove(service.files.path(""))
    counted = {"batch transforms": len(transforms), "endpoints": len(endpoints), "models": len(models)}
    besides = "".join(f", {count} {what}" for what, count in counted.items() if count)
    return f"{len(jobs)} jobs{besides}, and {objects} objects at {service.files.uri('')}"


def _wait(service: SageMakerService, go_on: Callable[[], bool]) -> None:
    """While jobs that were stopped still hold machines."""
    deadline = time.monotonic() + STOP_SECONDS
    while go_on():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Jobs of {service.namespace} had not ended {STOP_SECONDS:.0f} s after they were stopped. "
                "Look after them in the console; nothing of the bucket was deleted."
            )
        time.sleep(2)


def _standing(service: SageMakerService, name: str) -> str | None:
    job = service.jobs.find([name]).get(name)
    return None if job is None else str(job["TrainingJobStatus"])


def _running_transforms(account: AwsAccount, begins: str) -> list[str]:
    asked = ("list_transform_jobs", "TransformJobSummaries", "TransformJobName", begins)
    return [name for status in ("InProgress", "Stopping") for name in _names(account, *asked, StatusEquals=status)]


def _names(account: AwsAccount, call: str, members: str, member: str, begins: str, **filters: Any) -> list[str]:
    """Names of all that a listing call finds and that begin so."""
    with translated(f"sagemaker.{call}"):
        pages = account.client("sagemaker").get_paginator(call).paginate(NameContains=begins, **filters)
        return [each[member] for page in pages for each in page[members] if each[member].startswith(begins)]
