"""Everything that a deployment has on SageMaker and in its bucket, removed; and nothing else."""

from __future__ import annotations

from dataclasses import replace

from include.checks.aws.instances import builtin_image
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.training_services.sagemaker.watching import trains
from tests.training_services.watching import ended, told, until
from training_services.job import TrainingJob
from training_services.sagemaker.endpoint import Endpoint
from training_services.sagemaker.removal import remove_everything
from training_services.sagemaker.service import SageMakerService
from training_services.sagemaker.transform import BatchTransform


def names(service: SageMakerService) -> list[str]:
    """Of all that SageMaker still has of anybody, but for transforms, which it keeps for ever."""
    lists = {
        "list_training_jobs": ("TrainingJobSummaries", "TrainingJobName"),
        "list_endpoints": ("Endpoints", "EndpointName"),
        "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
        "list_models": ("Models", "ModelName"),
    }
    found = {call: service.account.call("sagemaker", call, MaxResults=100)[where] for call, (where, _) in lists.items()}
    return [each[lists[call][1]] for call, listed in found.items() for each in listed]


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
    until(service, job.name, trains)
    until(service, replace(job, attempt=2).name, ended)
    until(other, others.name, ended)
    assert remove_everything(service).startswith("2 jobs, and ")
    assert service.jobs.all(service.namespace) == []
    assert service.describe([job.name]) == {}
    assert list(service.files.bucket.objects(service.files.path(""))) == []
    assert other.describe([others.name])[others.name].succeeded
    assert list(other.files.bucket.objects(other.files.path("")))
    other.files.bucket.remove(other.files.path(""))


def test_so_is_what_answers(service: SageMakerService, job: TrainingJob, standin: SageMakerClient) -> None:
    """As an Airflow leaves it that died in the midst: an endpoint, a batch transform, and the models of both."""
    account, files, settings = service.account, service.files, service.settings
    key, image = files.path("s3_output_location/model.tar.gz"), builtin_image(settings.region)
    for path in (key, files.path(f"predictions/{job.name}-score/input/1.jpg")):
        account.client("s3").put_object(Bucket=settings.bucket, Key=path, Body=b"none")
    model, ours, theirs = f"s3://{settings.bucket}/{key}", job.name, f"x{job.name}"
    standin.control("next", {"hold": "Starting", "count": 1})
    BatchTransform(account, settings, files, ours, image)._submit(f"{ours}-score", model, {}, payload=6)
    for name in (ours, theirs):
        Endpoint(account, settings, name, image, model).create("ml.m5.xlarge")
    assert remove_everything(service).startswith("0 jobs, 1 batch transforms, 1 endpoints, 2 models, and 2 objects at ")
    assert [name for name in names(service) if name.startswith(service.namespace)] == []
    transform = account.call("sagemaker", "describe_transform_job", TransformJobName=f"{ours}-score")
    assert transform["TransformJobStatus"] == "Stopped"
    assert names(service).count(f"{theirs}-live") == 3, "an endpoint, its configuration and its model"
    Endpoint(account, settings, theirs, image, model).delete(lambda _: None, made=True)
