"""What every target can do, on Azure Machine Learning."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from include.documents import Reason, State
from include.store import Store
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.training_services.azure_ml.watching import ended, told, training, until
from training_services.azure_ml.service import AzureMLService
from training_services.job import Refused, TrainingJob, pursue


def test_trains_and_hands_over_what_was_written(
    service: AzureMLService, job: TrainingJob, store: Store, standin: AzureMLClient, tmp_path: Path
) -> None:
    assert service.check(job) == []
    weights = store.write("toy/weights/abc.weights.h5", b"weights")
    asked = told(job, weights=weights)
    handle = service.find_or_submit(asked)
    assert (handle.submitted, handle.status.state, handle.status.owner) == (True, State.PENDING, job.owner)
    status = until(service, job.name, ended)
    assert status.state is State.SUCCEEDED, (status, standin.lines(job.name))
    assert status.owner == job.owner
    assert status.seconds is not None
    assert (status.console_url or "").startswith(f"https://ml.azure.com/runs/{job.name}?wsid=/subscriptions/")
    model = service.collect(job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2
    assert not (model / "checkpoints" / "last").exists(), "only a resumption needs it"

    again = service.find_or_submit(replace(asked, owner="another run"))
    assert (again.submitted, again.status.owner) == (False, job.owner)

    page = service.log_pages({job.name: 0, "never-was-a1": 0})
    assert page[job.name].lines == ("starting at step 0", "done")
    assert page["never-was-a1"].lines == ()
    assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()

    seen = [each for each in standin.control("access")["objects"] if each["job"] == job.name]
    hashes = {each["sha256"] for each in seen}
    assert hashlib.sha256(store.read("toy/shards/train/1.tfrecord")).hexdigest() in hashes
    assert hashlib.sha256(store.read("toy/shards/holdout/1.tfrecord")).hexdigest() not in hashes
    assert f"{service.settings.prefix}/weights/abc/abc.weights.h5" in {each["name"] for each in seen}
    configuration = next(each for each in seen if each["name"].endswith("/configuration.json"))
    sent = standin.blobs.download_blob(configuration["name"]).readall()
    assert b'"azureml-input://weights/abc.weights.h5"' in sent

    told_of: list[str] = []
    service.files.stage(asked, told_of.append)
    assert len(told_of) == 1, "nothing is sent twice"
    assert "0 files" in told_of[0]


def test_submitted_by_several_at_the_same_moment_it_is_one_job(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    standin.control("next", {"hold": "Preparing"})

    def submit(number: int) -> bool:
        return service.find_or_submit(replace(job, owner=f"run {number}")).submitted

    with ThreadPoolExecutor(4) as pool:
        submitted = list(pool.map(submit, range(4)))
    assert sum(submitted) == 1
    assert [each["name"] for each in service.jobs.all()] == [job.name]
    service.cancel(job.name, Reason.USER)
    assert until(service, job.name, ended).state is State.CANCELLED


def test_cancelled_it_stops_and_says_why(service: AzureMLService, job: TrainingJob) -> None:
    service.find_or_submit(told(job, steps=10_000))
    until(service, job.name, training)
    service.cancel(job.name, Reason.BUDGET)
    status = service.describe([job.name])[job.name]
    assert (status.state, status.reason) == (State.CANCELLED, Reason.BUDGET)
    service.cancel(job.name, Reason.USER)  # again does nothing
    assert until(service, job.name, ended).reason is Reason.BUDGET
    service.cancel("never-was-a1", Reason.USER)


def test_cancelled_by_another_it_is_cancelled_by_a_user(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    standin.control("next", {"hold": "Preparing"})
    service.find_or_submit(job)
    standin.workspace.post(f"jobs/{job.name}/cancel")
    status = until(service, job.name, ended)
    assert (status.state, status.reason) == (State.CANCELLED, Reason.USER)
    assert "someone else" in status.message


def test_the_trainers_own_words_are_the_reason(service: AzureMLService, job: TrainingJob, tmp_path: Path) -> None:
    service.find_or_submit(told(job, how=2, reason="BAD_INPUT"))
    status = until(service, job.name, ended)
    assert (status.state, status.reason, status.message) == (State.FAILED, Reason.BAD_INPUT, "as told")
    assert status.progress["step"] == 2
    written = service.collect(job.name, tmp_path / "written")
    assert (written / "metrics.jsonl").exists(), "there is no model, and yet something to look at"


def test_its_own_limit_ends_it(service: AzureMLService, job: TrainingJob) -> None:
    service.find_or_submit(replace(told(job, steps=10_000), max_seconds=1.5))
    status = until(service, job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.TIMEOUT)
    assert "not done after 2 s" in status.message


def test_without_a_machine_it_is_given_up_and_the_next_is_tried(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})
    asked = replace(told(job, steps=3), machines=[{"preset": "t4"}, {"preset": "cpu", "spot": True}])
    standin.control("next", {"fault": "capacity"})
    first = pursue(service, asked, insist=True)
    status = until(service, first.job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.CAPACITY), status
    assert "no machine of cluster lanner-t4 after 0.001 min in its queue: AllocationFailed" in status.message
    service.settings = service.settings.model_copy(update={"queue_minutes": 30.0})
    second = pursue(service, asked, insist=False)
    assert (second.submitted, second.job.attempt) == (True, 2)
    properties = standin.get(second.job.name)["properties"]
    assert properties["computeId"].endswith("/computes/lanner-cpu-spot")
    assert until(service, second.job.name, ended).state is State.SUCCEEDED
    assert not pursue(service, asked, insist=True).submitted


def test_a_cluster_that_is_full_is_waited_for(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    service.settings = service.settings.model_copy(update={"queue_minutes": 0.001})
    only = [{"preset": "a10"}]
    first = replace(told(job, steps=10_000), machines=only)
    service.find_or_submit(first)
    until(service, first.name, training)
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


def test_a_lost_job_goes_on_from_its_checkpoint(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    first = pursue(service, told(job, steps=10_000), insist=True)
    written = f"jobs/{first.job.name}/output/metrics.jsonl"
    until(service, first.job.name, lambda _: bool(service.files.read(written)))
    standin.control("strike", {"job": first.job.name, "fault": "internal"})
    status = until(service, first.job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.LOST), status
    second = pursue(service, told(job, steps=status.progress["step"] + 5), insist=False)
    assert until(service, second.job.name, ended).state is State.SUCCEEDED
    lines = service.log_pages({second.job.name: 0})[second.job.name].lines
    assert "starting at step 0" not in lines
    assert [line for line in lines if line.startswith("starting at step ")]


def test_two_workers_are_one_job_with_two_logs(
    service: AzureMLService, job: TrainingJob, standin: AzureMLClient
) -> None:
    asked = replace(job, machines=[{"preset": "workers"}])
    assert service.cost(asked, 3600) == 2 * service.cost(job, 3600) == Decimal("0.768")
    assert service.check(asked) == []
    service.find_or_submit(asked)
    assert until(service, job.name, ended).state is State.SUCCEEDED
    page = service.log_pages({job.name: 0})[job.name]
    assert [line for line in page.lines if "starting" in line] == ["starting at step 0", "worker_1: starting at step 0"]
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


def test_a_used_up_quota_is_the_reason(service: AzureMLService, job: TrainingJob, standin: AzureMLClient) -> None:
    standin.control("next", {"fault": "refused"})
    with pytest.raises(Refused, match="QuotaExceeded") as refused:
        service.find_or_submit(job)
    assert refused.value.reason is Reason.QUOTA
    assert service.describe([job.name]) == {}


def test_a_missing_permission_is_told_apart(service: AzureMLService, job: TrainingJob, standin: AzureMLClient) -> None:
    standin.control("next", {"fault": "permission"})
    with pytest.raises(PermissionError, match=r"does not have authorization to perform action .*jobs/write"):
        service.find_or_submit(job)


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
        "NO_CLUSTER",
        "CLUSTER",
        "CLUSTER",
        "DATASTORE",
    ]
    assert "az ml compute create --type AmlCompute --name lanner-a100 --size Standard_NC24ads_A100_v4" in faults[3]
    assert "has machines STANDARD_D8S_V3, expected Standard_NC64as_T4_v3" in faults[4]
    assert "has priority LowPriority, expected Dedicated" in faults[5]
    assert "Could not find datastore: none" in faults[6]
