"""A job's way through its states, by Google's own client: what it runs, sees, writes and says at its end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.cloud import storage

from tests.standins import tiny_trainer
from tests.standins.google import vertex as standin
from tests.standins.google.vertex_client import VertexClient, until
from tests.standins.google.vertex_status import (
    CANCELLED,
    CANCELLING,
    ENDED,
    FAILED,
    PENDING,
    QUEUED,
    RUNNING,
    SUCCEEDED,
)

Job = Callable[..., dict[str, Any]]


def test_it_runs_a_staged_sdist(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path, tmp_path: Path
) -> None:
    bucket.blob("in/data.bin").upload_from_string(b"shard")
    job = make_job(
        "--print=begun",
        f"--copy=gs://{bucket.name}/in/data.bin,gs://{output}/model/copy.bin",
        f"--environment=gs://{output}/environment",
        baseOutputDirectory={"outputUriPrefix": f"gs://{output}"},
    )
    sdist = tiny_trainer.build(tmp_path / "sdist")
    bucket.blob("packages/tiny.tar.gz").upload_from_filename(str(sdist))
    task = job["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]
    task["packageUris"] = [f"gs://{bucket.name}/packages/tiny.tar.gz"]
    created = vertex.create(job)
    assert created["name"].startswith(f"projects/{standin.PROJECT_NUMBER}/locations/us-central1/customJobs/")
    ended = vertex.reaches(created["name"])
    assert ended["state"] == SUCCEEDED, vertex.lines(created["name"])
    assert ended["createTime"] <= ended["startTime"] <= ended["endTime"] <= ended["updateTime"]
    assert "error" not in ended
    assert vertex.states(created["name"]) == [QUEUED, PENDING, RUNNING, SUCCEEDED]
    key = output.relative_to(bucket.name)
    assert bucket.blob(f"{key}/model/copy.bin").download_as_bytes() == b"shard"
    environment = json.loads(bucket.blob(f"{key}/environment/workerpool0-0.json").download_as_bytes())
    assert environment["AIP_MODEL_DIR"] == f"gs://{output}/model/"
    assert environment["AIP_CHECKPOINT_DIR"] == f"gs://{output}/checkpoints/"
    assert environment["AIP_TENSORBOARD_LOG_DIR"] == f"gs://{output}/logs/"
    assert environment["CLOUD_ML_JOB_ID"] == created["name"].rsplit("/", 1)[1]
    assert environment["CLOUD_ML_PROJECT_ID"] == standin.PROJECT_NUMBER
    assert "TF_CONFIG" not in environment


def test_every_object_it_could_see_is_on_record(vertex: VertexClient, make_job: Job, bucket: storage.Bucket) -> None:
    bucket.blob("seen/train/a").upload_from_string(b"a")
    bucket.blob("seen/plan.json").upload_from_string(json.dumps({"weights": f"gs://{bucket.name}/weights/w.h5"}))
    bucket.blob("weights/w.h5").upload_from_string(b"weights")
    bucket.blob("seen-not/b").upload_from_string(b"b")
    name = vertex.create(make_job(f"--data=gs://{bucket.name}/seen"))["name"]
    assert vertex.reaches(name)["state"] == SUCCEEDED
    seen = {each["name"]: each["sha256"] for each in vertex.control("access")["objects"] if each["job"] in name}
    package = {found for found in seen if found.startswith("packages/")}
    assert len(package) == 1
    assert seen.keys() - package == {"seen/train/a", "seen/plan.json", "weights/w.h5"}
    assert seen["seen/train/a"] == hashlib.sha256(b"a").hexdigest()


def test_every_replica_knows_the_cluster(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path
) -> None:
    job = make_job(f"--environment=gs://{output}")
    (chief,) = job["jobSpec"]["workerPoolSpecs"]
    job["jobSpec"]["workerPoolSpecs"].append(chief | {"replicaCount": "2"})
    name = vertex.create(job)["name"]
    assert vertex.reaches(name)["state"] == SUCCEEDED, vertex.lines(name)
    configs = {}
    for replica in ("workerpool0-0", "workerpool1-0", "workerpool1-1"):
        text = bucket.blob(f"{output.relative_to(bucket.name)}/{replica}.json").download_as_bytes()
        configs[replica] = json.loads(json.loads(text)["TF_CONFIG"])
    assert [config["task"] for config in configs.values()] == [
        {"type": "chief", "index": 0},
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
    ]
    clusters = [config["cluster"] for config in configs.values()]
    assert clusters[0] == clusters[1] == clusters[2]
    assert len({*clusters[0]["chief"], *clusters[0]["worker"]}) == 3


def test_an_evaluator_has_the_fourth_place_and_is_no_part_of_the_cluster(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path
) -> None:
    job = make_job(f"--environment=gs://{output}", "--print=here")
    (chief,) = job["jobSpec"]["workerPoolSpecs"]
    job["jobSpec"]["workerPoolSpecs"] += [{}, {}, chief]
    name = vertex.create(job)["name"]
    ended = vertex.reaches(name)
    assert ended["state"] == SUCCEEDED, vertex.lines(name)
    assert [bool(pool) for pool in ended["jobSpec"]["workerPoolSpecs"]] == [True, False, False, True]
    configs = {}
    for replica in ("workerpool0-0", "workerpool3-0"):
        text = bucket.blob(f"{output.relative_to(bucket.name)}/{replica}.json").download_as_bytes()
        configs[replica] = json.loads(json.loads(text)["TF_CONFIG"])
    assert configs["workerpool0-0"]["task"] == {"type": "chief", "index": 0}
    assert configs["workerpool3-0"]["task"] == {"type": "evaluator", "index": 0}
    assert configs["workerpool0-0"]["cluster"] == configs["workerpool3-0"]["cluster"]
    assert configs["workerpool0-0"]["cluster"].keys() == {"chief"}
    said = {
        entry["resource"]["labels"]["task_name"]
        for entry in vertex.lines(name)
        if entry.get("jsonPayload", {}).get("message") == "here"
    }
    assert said == {"workerpool0-0", "workerpool3-0"}


def test_an_evaluator_that_fails_fails_the_job(vertex: VertexClient, make_job: Job, output: Path) -> None:
    job = make_job(f"--wait=gs://{output}/never")
    (chief,) = job["jobSpec"]["workerPoolSpecs"]
    evaluator = chief | {"pythonPackageSpec": chief["pythonPackageSpec"] | {"args": ["--exit=3"]}}
    job["jobSpec"]["workerPoolSpecs"] += [{}, {}, evaluator]
    ended = vertex.reaches(vertex.create(job)["name"])
    assert ended["state"] == FAILED
    assert ended["error"]["message"].startswith("The replica workerpool3-0 exited with a non-zero status of 3.")


def test_a_bad_exit_fails_the_job(vertex: VertexClient, make_job: Job) -> None:
    name = vertex.create(make_job("--complain=no such shard", "--exit=3"))["name"]
    ended = vertex.reaches(name)
    assert ended["state"] == FAILED
    assert ended["error"]["code"] == 3
    assert ended["error"]["message"].startswith("The replica workerpool0-0 exited with a non-zero status of 3. To find")


def test_a_package_that_cannot_be_installed_fails_the_job(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket
) -> None:
    bucket.blob("packages/broken-1.0.tar.gz").upload_from_string(b"no archive")
    job = make_job()
    package_spec = job["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]
    package_spec["packageUris"] = [f"gs://{bucket.name}/packages/broken-1.0.tar.gz"]
    name = vertex.create(job)["name"]
    assert vertex.reaches(name)["state"] == FAILED
    assert any(entry["severity"] == "ERROR" and "broken" in str(entry) for entry in vertex.lines(name))


def test_it_may_not_run_longer_than_its_timeout(vertex: VertexClient, make_job: Job, output: Path) -> None:
    name = vertex.create(make_job(f"--wait=gs://{output}/never", scheduling={"timeout": "0.5s"}))["name"]
    ended = vertex.reaches(name)
    assert ended["state"] == CANCELLED
    assert "timeout" in ended["error"]["message"]


@pytest.mark.parametrize("state", [QUEUED, PENDING])
def test_cancelled_before_it_runs(vertex: VertexClient, make_job: Job, state: str) -> None:
    vertex.control("next", {"hold": state})
    name = vertex.create(make_job("--print=never"))["name"]
    vertex.reaches(name, {state})
    vertex.cancel(name)
    ended = vertex.reaches(name)
    assert ended["state"] == CANCELLED
    assert ended["error"]["code"] == 1
    assert "startTime" not in ended
    assert RUNNING not in vertex.states(name)


def test_cancelled_while_it_runs(vertex: VertexClient, make_job: Job, output: Path) -> None:
    """Asked to stop, it does not listen: it is killed, and in between the job is being cancelled. Twice is once."""
    name = vertex.create(make_job("--deaf", "--print=begun", f"--wait=gs://{output}/never"))["name"]
    until(lambda: any("begun" in str(entry) for entry in vertex.lines(name)), 60, "the trainer's first line")
    assert vertex.get(name)["state"] == RUNNING
    vertex.cancel(name)
    assert vertex.get(name)["state"] == CANCELLING
    vertex.cancel(name)
    assert vertex.reaches(name)["state"] == CANCELLED


def test_cancelled_while_it_installs(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, tmp_path: Path
) -> None:
    """The package's own build does not live on."""
    slow = tiny_trainer.build(
        tmp_path, before=f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nwait()\n"
    )
    bucket.blob("packages/slow.tar.gz").upload_from_filename(str(slow))
    job = make_job("--print=never")
    package_spec = job["jobSpec"]["workerPoolSpecs"][0]["pythonPackageSpec"]
    package_spec["packageUris"] = [f"gs://{bucket.name}/packages/slow.tar.gz"]
    name = vertex.create(job)["name"]
    builder = psutil.Process(until(lambda: read_pid(tmp_path / "pid"), 60, "the package's build"))
    assert vertex.get(name)["state"] == RUNNING
    vertex.cancel(name)
    assert vertex.reaches(name)["state"] == CANCELLED
    assert psutil.wait_procs([builder], timeout=10)[1] == []
    assert not any("never" in str(entry) for entry in vertex.lines(name))


def read_pid(file: Path) -> int | None:
    return int(text) if file.exists() and (text := file.read_text()) else None


def test_what_it_writes_when_asked_to_stop_is_kept(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path
) -> None:
    mark = f"gs://{output}/last"
    name = vertex.create(make_job(f"--last-words={mark}", "--print=begun", f"--wait=gs://{output}/never"))["name"]
    until(lambda: any("begun" in str(entry) for entry in vertex.lines(name)), 60, "the trainer's first line")
    vertex.cancel(name)
    assert vertex.reaches(name)["state"] == CANCELLED
    assert bucket.blob(f"{output.relative_to(bucket.name)}/last").download_as_bytes() == b"checkpoint"


def test_cancelling_an_ended_job_changes_nothing(vertex: VertexClient, make_job: Job) -> None:
    vertex.control("next", {"fault": "capacity"})
    ended = vertex.reaches(vertex.create(make_job())["name"])
    vertex.cancel(ended["name"])
    assert vertex.get(ended["name"]) == ended


def test_no_room_in_the_region(vertex: VertexClient, make_job: Job) -> None:
    vertex.control("next", {"fault": "capacity"})
    name = vertex.create(make_job())["name"]
    ended = vertex.reaches(name)
    assert ended["state"] == FAILED
    assert ended["error"]["message"].startswith("Resources are insufficient in region: us-central1.")
    assert RUNNING not in vertex.states(name)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [("user_code", 3, "non-zero status of 1"), ("memory", 3, "out-of-memory"), ("internal", 13, "Internal error")],
)
def test_failures_on_demand(
    vertex: VertexClient, make_job: Job, output: Path, fault: str, code: int, words: str
) -> None:
    vertex.control("next", {"fault": fault})
    name = vertex.create(make_job(f"--wait=gs://{output}/never"))["name"]
    ended = vertex.reaches(name)
    assert (ended["state"], ended["error"]["code"]) == (FAILED, code)
    assert words in ended["error"]["message"]


def test_preempted_once_it_begins_anew(
    vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path
) -> None:
    """The first time it waits in vain and leaves its last words; the second time it finds them, and ends."""
    mark = f"gs://{output}/last"
    name = vertex.create(make_job(f"--last-words={mark}", "--print=begun", f"--wait={mark}"))["name"]
    until(lambda: any("begun" in str(entry) for entry in vertex.lines(name)), 60, "the trainer's first line")
    vertex.control("strike", {"job": name.rsplit("/", 1)[1], "fault": "preempted"})
    assert vertex.reaches(name)["state"] == SUCCEEDED
    assert any("preempted" in entry.get("textPayload", "") for entry in vertex.lines(name))
    assert vertex.states(name).count(RUNNING) == 1


def test_it_waits_for_quota(vertex: VertexClient, make_job: Job) -> None:
    """A young project has 42 CPUs: of two jobs with 32 the second waits for the first."""
    large = make_job()
    large["jobSpec"]["workerPoolSpecs"][0]["machineSpec"]["machineType"] = "n1-standard-32"
    vertex.control("next", {"hold": PENDING})
    first = vertex.create(large)["name"]
    vertex.reaches(first, {PENDING})
    vertex.control("next", {"fault": "capacity"})
    second = vertex.create(large)["name"]
    third = vertex.create(make_job("--exit=1"))["name"]  # small enough: it overtakes
    vertex.reaches(third)
    assert vertex.get(second)["state"] == QUEUED
    vertex.cancel(first)
    assert vertex.reaches(second)["state"] == FAILED
    assert vertex.get(first)["state"] in ENDED


def test_only_ended_jobs_are_deleted(vertex: VertexClient, make_job: Job) -> None:
    vertex.control("next", {"hold": QUEUED})
    name = vertex.create(make_job())["name"]
    with pytest.raises(Exception, match="cannot be deleted"):
        vertex.jobs.delete(name=name).execute()
    vertex.cancel(name)
    vertex.reaches(name)
    assert vertex.jobs.delete(name=name).execute()["done"]
    with pytest.raises(Exception, match="could not be found"):
        vertex.get(name)
