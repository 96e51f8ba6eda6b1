"""Everything that a deployment has in a workspace and in its storage, removed; and nothing else."""

from __future__ import annotations

from dataclasses import replace

from include.store import Store
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.training_services.watching import running, told, until
from training_services.azure_ml.removal import remove_everything
from training_services.azure_ml.service import AzureMLService
from training_services.job import TrainingJob


def test_jobs_are_cancelled_and_deleted_and_blobs_too(
    service: AzureMLService, job: TrainingJob, store: Store, standin: AzureMLClient
) -> None:
    elsewhere = service.settings.model_copy(update={"prefix": service.settings.prefix + "2"})
    other = AzureMLService(service.cloud, elsewhere, store)
    others = replace(job, prefix=f"x{job.prefix}")
    standin.control("next", {"hold": "Preparing"})
    other.find_or_submit(others)
    service.find_or_submit(told(job, steps=10_000))
    standin.control("next", {"hold": "Preparing"})
    service.find_or_submit(replace(job, attempt=2))
    until(service, job.name, running)
    assert remove_everything(service).startswith("2 jobs, and ")
    assert service.jobs.all() == []
    assert service.describe([job.name]) == {}
    assert list(service.files.container.blobs(service.files.path(""))) == []
    assert other.describe([others.name])[others.name].active
    assert list(other.files.container.blobs(other.files.path("")))
    assert remove_everything(other).startswith("1 jobs, and ")
