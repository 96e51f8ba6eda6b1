"""Remove all that a deployment has on Vertex AI and in its buckets. For what was only tried, never for production."""

from __future__ import annotations

import time

from training_services.vertex.service import VertexService
from training_services.vertex.states import OVER, status_of

CANCEL_SECONDS = 300.0  # that the service may take to give machines back


def remove_everything(service: VertexService) -> str:
    """Cancel and delete every job of the namespace, delete every object below the prefix in every bucket. Returns
    what that was.

    Raises:
        TimeoutError: a job was cancelled and would not end; nothing of the buckets was deleted.
    """
    jobs = service.jobs.all()
    for job in jobs:
        if status_of(job).active:
            service.jobs.cancel(job)
    deadline = time.monotonic() + CANCEL_SECONDS
    while any(job["state"] not in OVER for job in service.jobs.all()):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Jobs of {service.namespace} had not ended {CANCEL_SECONDS:.0f} s after they were cancelled. "
                "Look after them in the console; nothing of the buckets was deleted."
            )
        time.sleep(2)
    for job in jobs:
        service.jobs.delete(job)
    objects = [f"{files.empty()} objects at {files.uri('')}" for files in service.all_files]
    return f"{len(jobs)} jobs, and {', '.join(objects)}"
