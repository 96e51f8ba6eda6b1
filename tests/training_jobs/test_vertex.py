"""The Google target against a strict stand-in of Vertex AI and a real emulator of Cloud Storage."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from include.documents import Reason, State
from include.settings import GoogleSettings
from include.store import Store
from tests.standins.gcs import gcs_standin, why_not
from tests.standins.vertex import PROJECT_ID
from tests.standins.vertex_client import VertexClient, vertex_standin
from tests.standins.vertex_status import CANCELLING, ENDED
from tests.training_jobs import counting_trainer
from training_jobs.google_cloud import GoogleCallFailed, GoogleCloud
from training_jobs.job import JobStatus, TrainingJob, pursue
from training_jobs.vertex import VertexService
from training_jobs.vertex_states import LABEL

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
BUCKET = "lanner-vertex"
QUICK = ("--queued", "0", "--pending", "0", "--grace", "2", "--upload", "0.2", "--log-reads", "100000")


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the stand-ins answer, as the extra of a connection names them."""
    with gcs_standin(tmp_path_factory.mktemp("gcs")) as gcs:
        GoogleCloud(AnonymousCredentials(), PROJECT_ID, {"storage": gcs.url}).storage.create_bucket(BUCKET)
        regions = ("--region", "us-central1", "--region", "europe-west4")
        with vertex_standin(tmp_path_factory.mktemp("vertex"), gcs.url, *regions, *QUICK) as vertex:
            yield {"storage": gcs.url, "aiplatform": vertex.url, "logging": vertex.url}


@pytest.fixture
def standin(urls: dict[str, str]) -> Iterator[VertexClient]:
    client = VertexClient(urls["aiplatform"])
    yield client
    client.control("next", method="DELETE")
    client.control("release", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def service(
    urls: dict[str, str], store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> VertexService:
    """A deployment with a prefix and a namespace of the test's own; its trainer only counts."""
    monkeypatch.setattr("training_jobs.vertex_bucket.build_sdist", counting_trainer.build)
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    settings = GoogleSettings(bucket=BUCKET, prefix=name)
    cloud = GoogleCloud(AnonymousCredentials(), PROJECT_ID, urls)
    return VertexService(cloud, settings, store, regions=["europe-west4"], namespace=f"n{name}")


@pytest.fixture
def job(service: VertexService, store: Store) -> TrainingJob:
    return TrainingJob(
        prefix=f"{service.namespace}-vertex-11111111-22222222-g1",
        target="vertex",
        collection="toy",
        dataset=counting_trainer.dataset(store),
        configuration={"steps": 2, "how": 0, "weights": "none"},
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=120.0,
        machines=[{"preset": "cpu"}],
    )


def told(job: TrainingJob, **configuration: Any) -> TrainingJob:
    return replace(job, configuration={**job.configuration, **configuration})


def until(service: VertexService, name: str, true: Callable[[JobStatus], bool], seconds: float = 60.0) -> JobStatus:
    deadline = time.monotonic() + seconds
    while not true(status := service.describe([name])[name]):
        assert time.monotonic() < deadline, f"still {status}"
        time.sleep(0.1)
    return status


def ended(status: JobStatus) -> bool:
    return not status.active


def running(status: JobStatus) -> bool:
    return status.state is State.RUNNING


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
    assert far.startswith("BUCKET_ELSEWHERE")
