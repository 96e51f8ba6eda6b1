"""What every target can do, and what is its own, on Vertex AI."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from google.auth.credentials import AnonymousCredentials

from include.documents import State
from include.settings import GoogleSettings
from include.store import Store
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import CANCELLING, ENDED
from tests.training_services.contract import RefusingContract
from tests.training_services.vertex.conftest import BUCKET
from tests.training_services.watching import ended, until
from training_services.job import TrainingJob
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.service import VertexService
from training_services.vertex.states import LABEL


class TestContract(RefusingContract):
    console = "/training/"
    forbidden = "aiplatform.customJobs.create"
    quota_fault = "quota"

    def active(self, standin: VertexClient, service: VertexService, job: TrainingJob) -> list[str]:
        """A twin may have been submitted, and is cancelled."""
        found = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{job.name}"').execute()
        return [each["name"] for each in found["customJobs"] if each["state"] not in {*ENDED, CANCELLING}]

    def sent(self, service: VertexService) -> Iterable[str]:
        return [blob.name for blob in service.files.bucket.list_blobs(prefix=service.settings.prefix)]

    def stop_by_hand(self, standin: VertexClient, name: str) -> None:
        found = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{name}"').execute()
        standin.jobs.cancel(name=found["customJobs"][0]["name"]).execute()

    def lose(self, standin: VertexClient, name: str) -> None:
        found = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{name}"').execute()
        super().lose(standin, found["customJobs"][0]["name"].rpartition("/")[2])

    def assert_on_second_machine(self, standin: VertexClient, service: VertexService, name: str) -> None:
        [resource] = service.jobs.find([name]).values()
        assert resource["jobSpec"]["workerPoolSpecs"][0]["machineSpec"]["machineType"] == "n1-standard-8"
        assert resource["jobSpec"]["scheduling"]["strategy"] == "SPOT"


def test_an_evaluator_is_a_machine_of_the_same_job(service: VertexService, job: TrainingJob) -> None:
    asked = replace(job, machines=[{"preset": "workers", "evaluator": "t4"}])
    assert asked.name == job.name
    assert service.check(asked) == []
    parts = [service.cost(replace(job, machines=[{"preset": name}]), 3600) for name in ("workers", "t4")]
    assert service.cost(asked, 3600) == sum(parts)
    service.find_or_submit(asked)
    assert until(service, job.name, ended).state is State.SUCCEEDED
    assert "evaluating" in service.log_pages({job.name: 0})[job.name].lines
    [resource] = service.jobs.find([job.name]).values()
    chief, worker, nothing, evaluator = resource["jobSpec"]["workerPoolSpecs"]
    assert nothing == {}
    assert (worker["replicaCount"], evaluator["replicaCount"]) == ("1", "1")
    assert (chief["machineSpec"].get("acceleratorType"), evaluator["machineSpec"]["acceleratorType"]) == (
        None,
        "NVIDIA_TESLA_T4",
    )
    assert evaluator["pythonPackageSpec"]["args"] == chief["pythonPackageSpec"]["args"]


def test_not_every_machine_can_evaluate(service: VertexService, job: TrainingJob) -> None:
    unable = [{"preset": "cpu", "evaluator": name} for name in ("k80", "workers", "tpu")]
    faults = service.check(replace(job, machines=unable))
    assert [fault.partition(":")[0] for fault in faults] == ["UNKNOWN_MACHINE", "EVALUATOR", "EVALUATOR"]
    assert "evaluator is 'workers', which is 2 machines" in faults[1]
    assert "Choose one of cpu, t4, l4, a100, t4x4." in faults[2]


def test_what_is_wrong_with_the_project_is_said_before_anything_is_sent(
    service: VertexService, job: TrainingJob, urls: dict[str, str], store: Store
) -> None:
    elsewhere = VertexService(
        GoogleCloud(AnonymousCredentials(), PROJECT_ID, urls), GoogleSettings(bucket="there-is-none"), store
    )
    faults = elsewhere.check(replace(job, machines=[{"preset": "k80"}, {"preset": "tpu"}]))
    assert [fault.partition(":")[0] for fault in faults] == ["UNKNOWN_MACHINE", "NO_CONTAINER", "BUCKET_MISSING"]
    assert "gcloud storage buckets create gs://there-is-none" in faults[2]
    [far] = service.check(replace(job, machines=[{"preset": "cpu", "region": "europe-west4"}]))
    assert far.startswith("REGION_WITHOUT_BUCKET")
    assert f"google.buckets: {{europe-west4: {BUCKET}-europe-west4}}" in far
