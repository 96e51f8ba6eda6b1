"""Everything that a deployment has on SageMaker and in its bucket, removed; and nothing else."""

from __future__ import annotations

from dataclasses import replace

from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.training_services.sagemaker.watching import ended, told, training, until
from training_services.job import TrainingJob
from training_services.sagemaker.removal import remove_everything
from training_services.sagemaker.service import SageMakerService


def test_jobs_are_stopped_and_deleted_and_objects_too(
    service: SageMakerService, job: TrainingJob, store: Store, standin: SageMakerClient
) -> None:
    other = SageMakerService(
        service.account, service.settings.model_copy(update={"prefix": service.settings.prefix + "2"}), store
    )
    others = replace(job, prefix=f"x{job.prefix}")
    other.find_or_submit(others)
    service.find_or_submit(told(job, steps=10_000))
    service.find_or_submit(replace(job, attempt=2))
    until(service, job.name, training)
    until(service, replace(job, attempt=2).name, ended)
    until(other, others.name, ended)
    assert remove_everything(service).startswith("2 jobs, and ")
    assert service.jobs.all(service.namespace) == []
    assert service.describe([job.name]) == {}
    assert list(service.files.bucket.objects(service.files.path(""))) == []
    assert other.describe([others.name])[others.name].succeeded
    assert list(other.files.bucket.objects(other.files.path("")))
    other.files.bucket.remove(other.files.path(""))
