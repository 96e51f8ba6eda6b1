"""The service's words for how a job stands, in ours."""

from __future__ import annotations

from typing import Any

import pytest

from include.documents import Reason, State
from training_services.job import TrainingJob
from training_services.vertex.machines import PRESETS, prebuilt_container, preset
from training_services.vertex.states import reason_of, status_of


def custom_job(**fields: Any) -> dict[str, Any]:
    """As the service describes one."""
    environment = [{"name": "LANNER_OWNER", "value": "scheduled__2026-11-20T00:00:00+00:00"}]
    return {
        "name": "projects/123/locations/us-central1/customJobs/456",
        "labels": {"lanner_job": "lanner-vertex-a1"},
        "createTime": "2026-11-20T10:00:00.123456789Z",
        "jobSpec": {"workerPoolSpecs": [{"pythonPackageSpec": {"env": environment}}]},
        **fields,
    }


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("JOB_STATE_QUEUED", State.PENDING),
        ("JOB_STATE_PENDING", State.PENDING),
        ("JOB_STATE_PAUSED", State.PENDING),
        ("JOB_STATE_RUNNING", State.RUNNING),
        ("JOB_STATE_SUCCEEDED", State.SUCCEEDED),
        ("JOB_STATE_CANCELLING", State.CANCELLED),
        ("JOB_STATE_CANCELLED", State.CANCELLED),
        ("JOB_STATE_FAILED", State.FAILED),
        ("JOB_STATE_EXPIRED", State.FAILED),
        ("JOB_STATE_THAT_IS_NEW", State.PENDING),
    ],
)
def test_states(said: str, state: State) -> None:
    assert status_of(custom_job(state=said)).state is state


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (8, "Resources are insufficient in region: us-central1. Please try a different region.", Reason.CAPACITY),
        (8, "The following quota metrics exceed quota limits: custom_model_training_nvidia_t4_gpus", Reason.QUOTA),
        (8, "Too many requests.", Reason.THROTTLED),
        (7, "Permission 'storage.objects.get' denied on resource", Reason.PERMISSION),
        (
            3,
            "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error.",
            Reason.TRAINER_ERROR,
        ),
        (3, "The replica workerpool0-0 exited with a non-zero status of 2.", Reason.BAD_INPUT),
        (3, "The replica workerpool0-0 exited with a non-zero status of 75.", Reason.LOST),
        (3, "Machine type is not supported.", Reason.BAD_INPUT),
        (13, "Internal error occurred.", Reason.LOST),
        (0, "", Reason.TRAINER_ERROR),
    ],
)
def test_reasons_of_failures(code: int, message: str, reason: Reason) -> None:
    assert reason_of(code, message) is reason
    failed = custom_job(state="JOB_STATE_FAILED", error={"code": code, "message": message})
    assert (status_of(failed).reason, status_of(failed).message) == (reason, message)


def test_owner_run_time_and_page() -> None:
    status = status_of(
        custom_job(
            state="JOB_STATE_SUCCEEDED", startTime="2026-11-20T10:01:00Z", endTime="2026-11-20T10:08:30.500000001Z"
        )
    )
    assert status.owner == "scheduled__2026-11-20T00:00:00+00:00"
    assert status.seconds == 450.5
    assert status.console_url == (
        "https://console.cloud.google.com/vertex-ai/locations/us-central1/training/456?project=123"
    )
    assert status_of(custom_job()).seconds is None, "it has had no machine yet"


def test_who_cancelled() -> None:
    cancelled = custom_job(state="JOB_STATE_CANCELLED")
    assert status_of(cancelled, Reason.BUDGET).reason is Reason.BUDGET
    by_others = status_of(cancelled)
    assert by_others.reason is Reason.USER
    assert "someone else" in by_others.message


def test_a_job_that_the_service_cancelled_for_its_limit_ran_too_long() -> None:
    """Not a user's doing, as its state has it."""
    words = "The job ran longer than its timeout of 60 s and was cancelled."
    overran = status_of(custom_job(state="JOB_STATE_CANCELLED", error={"code": 1, "message": words}))
    assert (overran.state, overran.reason, overran.message) == (State.FAILED, Reason.TIMEOUT, words)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_worker_pools(name: str) -> None:
    machine = preset(name)
    pools = machine.pools("europe-west4", ["--x"], {"A": "b"}, sdist="gs://bucket/t.tar.gz", container="")
    assert sum(int(pool["replicaCount"]) for pool in pools) == machine.workers
    assert pools[0]["replicaCount"] == "1", "the service wants one chief"
    spec = pools[0]["pythonPackageSpec"]
    assert (spec["args"], spec["env"], spec["pythonModule"]) == (
        ["--x"],
        [{"name": "A", "value": "b"}],
        "detector_trainer",
    )
    assert spec["executorImageUri"].startswith("europe-docker.pkg.dev/vertex-ai/training/tf-")
    own = machine.pools("us-central1", [], {}, sdist="", container="europe-docker.pkg.dev/p/r/trainer:1")
    assert "pythonPackageSpec" not in own[0]
    assert own[0]["containerSpec"]["imageUri"] == "europe-docker.pkg.dev/p/r/trainer:1"


@pytest.mark.parametrize(("name", "places"), [("cpu", [0, 3]), ("workers", [0, 1, 3]), ("tpu", [0, 3])])
def test_an_evaluator_has_the_fourth_pool(name: str, places: list[int]) -> None:
    pools = preset(name).pools("us-central1", ["--x"], {}, sdist="s", container="", evaluator=preset("t4"))
    assert [place for place, pool in enumerate(pools) if pool] == places
    assert pools[3]["machineSpec"]["acceleratorType"] == "NVIDIA_TESLA_T4"
    assert "tf-gpu" in pools[3]["pythonPackageSpec"]["executorImageUri"]
    assert (pools[3]["replicaCount"], pools[3]["pythonPackageSpec"]["args"]) == ("1", ["--x"])


def test_regions_without_a_repository_take_the_american_one() -> None:
    assert prebuilt_container("southamerica-east1", gpu=False).startswith("us-docker.pkg.dev/")


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'k80'; there are cpu, t4"):
        preset("k80")


def test_the_next_machine_is_tried_only_when_there_was_no_room() -> None:
    job = TrainingJob("p", "vertex", "c", "d", {}, "run", 1.0, machines=[{"preset": "t4"}, {"preset": "l4"}])
    no_room = status_of(custom_job(state="JOB_STATE_FAILED", error={"code": 8, "message": "insufficient"}))
    lost = status_of(custom_job(state="JOB_STATE_FAILED", error={"code": 13, "message": ""}))
    assert [job.after(history).machine for history in ([], [lost], [no_room], [no_room, lost], [no_room] * 2)] == [
        0,
        0,
        1,
        1,
        0,
    ]
    assert job.after([no_room]).attempt == 2
