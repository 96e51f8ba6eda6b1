"""Machines of two regions, each with a bucket: what lies where, and who finds it there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from include.clouds.failures import CallFailed
from include.documents import Reason, State
from include.store import Store
from tests.standins.google.gcs_regions import regions_standin
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import VertexClient
from tests.training_services.vertex.conftest import BUCKET, EUROPE, EUROPE_BUCKET
from tests.training_services.watching import ended, running, told, until
from training_services.bucket import claim
from training_services.job import TrainingJob, pursue
from training_services.vertex.bucket import VertexBucket, last_checkpointed
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.listing import region_of
from training_services.vertex.removal import remove_everything
from training_services.vertex.service import VertexService

THERE = {"preset": "cpu", "region": EUROPE}


@pytest.fixture(scope="module")
def located(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the stand-ins answer; of the second bucket Cloud Storage says that it is in Europe."""
    with regions_standin(tmp_path_factory.mktemp("regions"), urls["storage"], {EUROPE_BUCKET: EUROPE}) as regions:
        yield urls | {"storage": regions.url}


@pytest.fixture
def both(service: VertexService, located: dict[str, str], store: Store) -> VertexService:
    """The service of the test with a bucket in Europe, too."""
    settings = service.settings.model_copy(update={"buckets": {EUROPE: EUROPE_BUCKET}})
    cloud = GoogleCloud(AnonymousCredentials(), PROJECT_ID, located)
    return VertexService(cloud, settings, store, namespace=service.namespace)


def objects(files: VertexBucket) -> dict[str, bytes]:
    """What lies in a bucket, by name below the prefix."""
    found = files.bucket.list_blobs(prefix=files.path(""))
    return {blob.name.removeprefix(files.path("")): blob.download_as_bytes() for blob in found}


def arguments(service: VertexService, name: str) -> list[str]:
    """With which a job's trainer was called."""
    [resource] = service.jobs.find([name]).values()
    return list(resource["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]["args"])


def test_a_job_of_the_second_region_reads_and_writes_in_its_bucket(
    both: VertexService, job: TrainingJob, standin: VertexClient, store: Store, tmp_path: Path
) -> None:
    there = replace(job, machines=[THERE])
    assert both.check(there) == []
    both.find_or_submit(there)
    assert until(both, job.name, ended).state is State.SUCCEEDED
    [resource] = both.jobs.find([job.name]).values()
    assert region_of(resource) == EUROPE
    assert f"gs://{BUCKET}/" not in json.dumps(resource["jobSpec"])

    home, europe = (objects(files) for files in both.all_files)
    assert list(home) == [f"jobs/{job.name}/claim"]
    assert f"jobs/{job.name}/claim" not in europe
    assert {name.partition("/")[0] for name in europe} == {"data", "trainer", "jobs"}
    read = [each for each in standin.control("access")["objects"] if f"/{both.settings.prefix}/" in f"/{each['name']}"]
    assert {each["bucket"] for each in read} == {EUROPE_BUCKET}

    model = both.collect(job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2

    contents = {*home.values(), *europe.values()}
    assert store.read("toy/shards/train/1.tfrecord") in contents
    assert store.read("toy/shards/holdout/1.tfrecord") not in contents
    assert not [name for name in (*home, *europe) if "holdout" in name]


def test_without_room_in_the_first_region_the_second_is_tried(
    both: VertexService, job: TrainingJob, standin: VertexClient
) -> None:
    asked = replace(job, machines=[{"preset": "cpu"}, THERE])
    assert both.check(asked) == []
    standin.control("next", {"fault": "capacity"})
    first = pursue(both, asked, insist=True)
    assert until(both, first.job.name, ended).reason is Reason.CAPACITY
    second = pursue(both, asked, insist=False)
    assert (second.submitted, second.job.attempt) == (True, 2)
    assert "--resume" not in arguments(both, second.job.name)
    assert until(both, second.job.name, ended).state is State.SUCCEEDED
    home, europe = (objects(files) for files in both.all_files)
    assert f"jobs/{second.job.name}/output/metrics.jsonl" in europe
    assert {f"jobs/{each.job.name}/claim" for each in (first, second)} <= set(home)
    assert not pursue(both, asked, insist=True).submitted


def test_it_goes_on_in_the_second_region_from_the_checkpoint_in_the_first(
    both: VertexService, job: TrainingJob, standin: VertexClient
) -> None:
    """Lost at step 3, then no room, then trained to the end elsewhere."""
    asked = replace(told(job, steps=6), machines=[{"preset": "cpu"}, THERE])
    pursue(both, told(asked, steps=3, how=75, reason="LOST"), insist=True)
    first = until(both, job.name, ended)
    assert (first.reason, first.progress["step"]) == (Reason.LOST, 3)
    standin.control("next", {"fault": "capacity"})
    second = pursue(both, asked, insist=False)
    assert until(both, second.job.name, ended).reason is Reason.CAPACITY
    third = pursue(both, asked, insist=False)
    assert until(both, third.job.name, ended).state is State.SUCCEEDED
    came_from = arguments(both, third.job.name)
    assert came_from[came_from.index("--resume") + 1] == both.files.uri(f"jobs/{job.name}/output")
    assert "starting at step 3" in both.log_pages({third.job.name: 0})[third.job.name].lines
    newest = last_checkpointed(both.all_files, job.as_attempt(4))
    assert newest == both.files_in(EUROPE).uri(f"jobs/{third.job.name}/output")


def test_how_it_ended_is_read_where_it_ran(both: VertexService, job: TrainingJob) -> None:
    there = replace(job, machines=[THERE])
    both.find_or_submit(told(there, how=2, reason="BAD_INPUT"))
    status = until(both, job.name, ended)
    assert (status.reason, status.message, status.progress["step"]) == (Reason.BAD_INPUT, "as told", 2)


def test_that_it_is_claimed_or_cancelled_is_written_at_home(both: VertexService, job: TrainingJob) -> None:
    there = told(replace(job, machines=[THERE]), steps=10_000)
    held = {"owner": "another run", "at": "2999-01-01T00:00:00+00:00"}
    claimed = both.files.path(f"jobs/{job.name}/claim")
    claim(both.files.bucket, claimed, json.dumps(held).encode())
    with pytest.raises(CallFailed, match="is being submitted by another run"):
        both.find_or_submit(there)
    both.files.bucket.blob(claimed).delete()

    both.find_or_submit(there)
    until(both, job.name, running)
    both.cancel(job.name, Reason.BUDGET)
    assert until(both, job.name, ended).reason is Reason.BUDGET
    assert both.files.read(f"jobs/{job.name}/cancelled") == b"BUDGET"


def test_both_buckets_are_emptied(both: VertexService, job: TrainingJob) -> None:
    both.find_or_submit(job)
    both.find_or_submit(replace(job.as_attempt(2), machines=[THERE]))
    until(both, job.as_attempt(2).name, ended)
    removed = remove_everything(both)
    assert removed.startswith("2 jobs, and ")
    assert [f"objects at {files.uri('')}" in removed for files in both.all_files] == [True, True]
    assert [objects(files) for files in both.all_files] == [{}, {}]
    assert both.jobs.all() == []


def test_a_bucket_that_there_is_not_is_empty(service: VertexService, store: Store) -> None:
    assert VertexBucket(service.cloud, service.settings, store, "there-is-none").empty() == 0


def test_a_bucket_in_the_wrong_region_is_found_before_anything_is_sent(
    both: VertexService, job: TrainingJob, urls: dict[str, str], store: Store
) -> None:
    """To the emulator alone, both are in one region."""
    mistaken = VertexService(GoogleCloud(AnonymousCredentials(), PROJECT_ID, urls), both.settings, store)
    assert mistaken.check(job) == [], "no machine is there"
    [fault] = mistaken.check(replace(job, machines=[THERE]))
    assert fault.startswith(f"BUCKET_ELSEWHERE: gs://{EUROPE_BUCKET} lies in US-CENTRAL1")
    assert f"as google.buckets.{EUROPE}" in fault
