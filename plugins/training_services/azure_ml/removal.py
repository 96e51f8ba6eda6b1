"""Remove all that a deployment has in a workspace and in its storage. For what was only tried, never for production."""

from __future__ import annotations

import contextlib
import time

from training_services.azure_ml.service import AzureMLService
from training_services.azure_ml.states import OVER

CANCEL_SECONDS = 600.0  # that the service may take to give machines back


def remove_everything(service: AzureMLService) -> str:
    """Cancel and delete every job of the namespace, delete every blob below the prefix. Returns what that was.

    Logs, and environments of the workspace, stay: they cost next to nothing.

    Raises:
        TimeoutError: a job was cancelled and would not end; no blob was deleted.
    """
    jobs = service.jobs.all()
    for job in jobs:
        service.cancel(job["name"])
    deadline = time.monotonic() + CANCEL_SECONDS
    while any(job["properties"].get("status") not in OVER for job in service.jobs.all()):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Jobs of {service.namespace} had not ended {CANCEL_SECONDS:.0f} s after they were cancelled. Look "
                "after them in Azure ML's studio; no blob was deleted."
            )
        time.sleep(2)
    for job in jobs:
        with contextlib.suppress(FileNotFoundError):  # the answer to the call before was lost
            service.cloud.workspace.delete(f"jobs/{job['name']}")
    blobs = service.files.container.remove(service.files.path(""))
    return f"{len(jobs)} jobs, and {blobs} blobs at {service.files.container.url}/{service.files.path('')}"
