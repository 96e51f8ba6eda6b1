"""What every target can do, and what is its own, on Azure Machine Learning."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from include.documents import Reason, State
from include.store import Store
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.training_services.contract import RefusingContract
from tests.training_services.watching import ended, running, told, until
from training_services.azure_ml.service import AzureMLService
from training_services.job import TrainingJob


class TestContract(RefusingContract):
    console = "https://ml.azure.com/runs/"
    forbidden = r"does not have authorization to perform action .*jobs/write"
    quota_fault = "refused"

    def active(self, standin: AzureMLClient, service: AzureMLService, job: TrainingJob) -> list[str]:
        return [each["name"] for each in service.jobs.all()]

    def sent(self, service: AzureMLService) -> Iterable[str]:
        return [each.name for each in service.files.container.blobs(service.files.path(""))]

    def stop_by_hand(self, standin: AzureMLClient, name: str) -> None:
        standin.workspace.post(f"jobs/{name}/cancel")

    def refuse_room(self, standin: AzureMLClient, service: AzureMLService) -> None:
        """It would wait in its cluster's queue without end."""
        super().refuse_room(standin, service)
        service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})

    def assert_on_second_machine(self, standin: AzureMLClient, service: AzureMLService, name: str) -> None:
        assert standin.get(name)["properties"]["computeId"].endswith("/computes/lanner-cpu-spot")


def test_starting_weights_are_beside_the_data_and_the_configuration_names_them(
    service: AzureMLService, job: TrainingJob, store: Store, standin: AzureMLClient
) -> None:
    asked = told(job, weights=store.write("toy/weights/abc.weights.h5", b"weights"))
    service.find_or_submit(asked)
    assert until(service, job.name, ended).state is State.SUCCEEDED
    seen = [each for each in standin.control("access")["objects"] if each["job"] == job.name]
    assert f"{service.settings.prefix}/weights/abc/abc.weights.h5" in {each["name"] for each in seen}
    configuration = next(each for each in seen if each["name"].endswith("/configuration.json"))
    sent = standin.blobs.download_blob(configuration["name"]).readall()
    assert b'"azureml-input://weights/abc.weights.h5"' in sent


def test_what_waits_too_long_for_a_machine_says_where(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})
    standin.control("next", {"fault": "capacity"})
    service.find_or_submit(replace(job, machines=[{"preset": "t4"}]))
    status = until(service, job.name, ended)
    assert "no machine of cluster lanner-t4 after 0.001 min in its queue: AllocationFailed" in status.message


def test_a_cluster_that_is_full_is_waited_for(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})
    only = [{"preset": "a10"}]
    first = replace(told(job, steps=10_000), machines=only)
    service.find_or_submit(first)
    until(service, first.name, running)
    second = replace(job, prefix=f"{job.prefix}0", machines=only)
    service.find_or_submit(second)
    standin.reaches(second.name, {"Queued"})
    looks = [service.describe([second.name])[second.name] for _ in range(3) if not time.sleep(0.1)]
    assert {status.state for status in looks} == {State.PENDING}
    for each in (first, second):
        service.cancel(each.name)
        until(service, each.name, ended)


def test_a_cluster_that_may_not_grow_is_told_apart(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})
    standin.control("next", {"fault": "quota"})
    service.find_or_submit(job)
    status = until(service, job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.QUOTA), status


def test_two_workers_are_one_job_with_two_logs(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    asked = replace(job, machines=[{"preset": "workers"}])
    assert service.cost(asked, 3600) == 2 * service.cost(job, 3600) == Decimal("0.768")
    assert service.check(asked) == []
    service.find_or_submit(asked)
    assert until(service, job.name, ended).state is State.SUCCEEDED
    page = service.log_pages({job.name: 0})[job.name]
    first, second = [line for line in page.lines if "starting" in line]
    assert first == "starting at step 0"
    assert second.startswith("worker_1: starting at step "), "where the first one is by then"
    assert service.log_pages({job.name: page.cursor})[job.name].lines == ()


def test_an_image_of_ones_own_holds_the_trainer(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"container": "ours.azurecr.io/trainer:1"})
    service.files.settings = service.settings
    standin.control("next", {"hold": "Preparing"})
    service.find_or_submit(job)
    properties = standin.get(job.name)["properties"]
    assert properties["command"].startswith("python -m detector_trainer --config ")
    assert "trainer" not in properties["inputs"]
    name = properties["environmentId"].removeprefix(f"{standin.workspace.id}/")
    assert standin.workspace.get(name)["properties"]["image"] == "ours.azurecr.io/trainer:1"
    service.cancel(job.name)


def test_what_is_wrong_is_said_before_anything_is_sent(service: AzureMLService, job: TrainingJob) -> None:
    wrong = [
        {"preset": "k80"},
        {"preset": "cpu", "region": "westeurope"},
        {"preset": "cpu", "evaluator": "cpu"},
        {"preset": "a100"},
        {"preset": "t4x4"},
    ]
    clusters = {"t4x4": "unfit"}
    service.settings = service.settings.model_copy(update={"clusters": clusters, "datastore": "none"})
    service.files.settings = service.settings
    faults = service.check(replace(job, machines=wrong))
    assert [fault.partition(":")[0] for fault in faults] == [
        "UNKNOWN_MACHINE",
        "OTHER_REGION",
        "EVALUATOR",
        "DATASTORE",
        "CLUSTER_MISSING",
        "CLUSTER_UNFIT",
        "QUOTA",
    ]
    assert "none" in faults[3]
    assert "az ml compute create --type AmlCompute --name lanner-a100 --size Standard_NC24ads_A100_v4" in faults[4]
    assert "Standard_NC64as_T4_v3" in faults[5]
