"""What every target can do, on Vertex AI."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from google.auth.credentials import AnonymousCredentials

from include.documents import Reason, State
from include.settings import GoogleSettings
from include.store import Store
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import CANCELLING, ENDED
from tests.training_services.vertex.conftest import BUCKET
from tests.training_services.vertex.watching import ended, running, told, until
from training_services.job import TrainingJob, pursue
from training_services.vertex.cloud import GoogleCallFailed, GoogleCloud
from training_services.vertex.service import VertexService
from training_services.vertex.states import LABEL


def test_trains_and_hands_over_what_was_written(service: VertexService, job: TrainingJob, tmp_path: Path) -> None:
    assert service.check(job) == []
    handle = service.find_or_submit(job)
    assert handle.submitted
    status = until(service, job.name, ended)
    assert status.state is State.SUCCEEDED, (status, service.log_pages({job.name: 0}))
    assert status.owner == job.owner
    assert status.seconds is not None
    assert "/training/" in (status.console_url or "")
    model = service.collect(job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2
    assert not (model / "checkpoints" / "last").exists(), "only a resumption needs it"
    again = service.find_or_submit(replace(job, owner="another run"))
    assert (again.submitted, again.status.owner) == (False, job.owner)


def test_its_log_is_read_once(service: VertexService, job: TrainingJob) -> None:
    service.find_or_submit(job)
    until(service, job.name, ended)
    page = service.log_pages({job.name: 0, "never-was-a1": 0})
    assert [line for line in page[job.name].lines if line in {"starting at step 0", "done"}] == [
        "starting at step 0",
        "done",
    ]
    assert page["never-was-a1"].lines == ()
    assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()


def test_the_holdout_is_never_sent(
    service: VertexService, job: TrainingJob, store: Store, standin: VertexClient
) -> None:
    service.find_or_submit(job)
    until(service, job.name, ended)
    prefix = f"gs://{BUCKET}/{service.settings.prefix}/"
    seen = [each for each in standin.control("access")["objects"] if str(each).find(service.settings.prefix) >= 0]
    holdout = hashlib.sha256(store.read("toy/shards/holdout/1.tfrecord")).hexdigest()
    train = hashlib.sha256(store.read("toy/shards/train/1.tfrecord")).hexdigest()
    assert seen, prefix
    assert train in str(seen)
    assert holdout not in str(seen)
    sent = [blob.name for blob in service.files.bucket.list_blobs(prefix=service.settings.prefix)]
    assert not [name for name in sent if "holdout" in name]


def test_submitted_by_several_at_the_same_moment_it_is_one_job(
    service: VertexService, job: TrainingJob, standin: VertexClient
) -> None:
    def submit(_: int) -> bool:
        try:
            return service.find_or_submit(told(job, steps=100)).submitted
        except GoogleCallFailed as busy:
            assert "is being submitted by" in str(busy)
            return False

    with ThreadPoolExecutor(4) as pool:
        submitted = list(pool.map(submit, range(4)))
    assert any(submitted)
    twins = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{job.name}"').execute()["customJobs"]
    active = [twin for twin in twins if twin["state"] not in {*ENDED, CANCELLING}]
    assert len(active) == 1, "twins are cancelled"
    service.cancel(job.name, Reason.USER)


def test_cancelled_it_stops_and_says_why(service: VertexService, job: TrainingJob) -> None:
    service.find_or_submit(told(job, steps=10_000))
    until(service, job.name, running)
    service.cancel(job.name, Reason.BUDGET)
    status = service.describe([job.name])[job.name]
    assert (status.state, status.reason) == (State.CANCELLED, Reason.BUDGET)
    service.cancel(job.name, Reason.USER)  # again does nothing
    assert until(service, job.name, ended).reason is Reason.BUDGET
    service.cancel("never-was-a1", Reason.USER)


def test_the_trainers_own_words_are_the_reason(service: VertexService, job: TrainingJob) -> None:
    service.find_or_submit(told(job, how=2, reason="BAD_INPUT"))
    status = until(service, job.name, ended)
    assert (status.state, status.reason, status.message) == (State.FAILED, Reason.BAD_INPUT, "as told")
    assert status.progress["step"] == 2


def test_without_room_the_next_machine_is_tried_and_goes_on_from_the_checkpoint(
    service: VertexService, job: TrainingJob, standin: VertexClient
) -> None:
    asked = replace(told(job, steps=3), machines=[{"preset": "t4"}, {"preset": "l4", "spot": True}])
    standin.control("next", {"fault": "capacity"})
    first = pursue(service, asked, insist=True)
    status = until(service, first.job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.CAPACITY), status
    second = pursue(service, asked, insist=False)
    assert second.submitted
    assert second.job.name.endswith("-a2")
    [resource] = service.jobs.find([second.job.name]).values()
    assert resource["jobSpec"]["workerPoolSpecs"][0]["machineSpec"]["machineType"] == "g2-standard-8"
    assert resource["jobSpec"]["scheduling"]["strategy"] == "SPOT"
    assert until(service, second.job.name, ended).state is State.SUCCEEDED
    assert not pursue(service, asked, insist=True).submitted


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
