"""What a job's status says."""

from __future__ import annotations

from training_services.job import JobStatus


def trains(status: JobStatus) -> bool:
    """Does its trainer run? It is in progress while its data is brought, too."""
    return status.message.startswith("Training:")
