"""The one table of targets: name → the service that trains there."""

from __future__ import annotations

from include import settings
from training_jobs.job import TrainingService

TARGETS = ("local",)


def open_service(target: str) -> TrainingService:
    """The service of a target, from the settings (and for clouds, its Airflow connection).

    Raises:
        ValueError: no such target.
    """
    if target == "local":
        from training_jobs.local import LocalService

        current = settings.load()
        return LocalService(current.jobs, current.open_store())
    raise ValueError(
        f"There is no target {target!r}; there are: {', '.join(TARGETS)} (plugins/training_jobs/targets.py)."
    )
