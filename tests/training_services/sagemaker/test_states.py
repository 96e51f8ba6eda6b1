"""SageMaker's words for how a job stands, in ours; its machines and images."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.loaders import Loader

from include.costs.prices import PriceList
from include.documents import Reason, State
from training_services.sagemaker.machines import PRESETS, image, preset
from training_services.sagemaker.states import reason_of, status_of

BEGIN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def described(status: str = "InProgress", secondary: str = "Training", **fields: Any) -> dict[str, Any]:
    """As the service describes one."""
    name = "lanner-sagemaker-11111111-22222222-g1-a1"
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/{name}",
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 4100},
        "Environment": {"LANNER_OWNER": "scheduled__2026-11-20T00:00:00+00:00"},
        **fields,
    }


def after(*spans: tuple[str, int]) -> list[dict[str, Any]]:
    """Transitions through secondary statuses, with the seconds that each took."""
    found, at = [], BEGIN
    for status, seconds in spans:
        end = at + timedelta(seconds=seconds)
        found.append({"Status": status, "StartTime": at, "EndTime": end, "StatusMessage": f"{status} now"})
        at = end
    return found


@pytest.mark.parametrize(
    ("status", "secondary", "cancelled", "state", "reason"),
    [
        ("InProgress", "Starting", None, State.PENDING, None),
        ("InProgress", "Pending", None, State.PENDING, None),
        ("InProgress", "Interrupted", None, State.PENDING, None),
        ("InProgress", "Downloading", None, State.RUNNING, None),
        ("InProgress", "Training", None, State.RUNNING, None),
        ("InProgress", "Uploading", None, State.RUNNING, None),
        ("InProgress", "That is new", None, State.RUNNING, None),
        ("Completed", "Completed", None, State.SUCCEEDED, None),
        ("Completed", "Completed", Reason.USER, State.SUCCEEDED, None),  # it was faster than we
        ("Stopping", "Stopping", None, State.RUNNING, None),  # by whom and how is to be seen
        ("Stopping", "Stopping", Reason.BUDGET, State.CANCELLED, Reason.BUDGET),
        ("Stopped", "Stopped", Reason.BUDGET, State.CANCELLED, Reason.BUDGET),
        ("Stopped", "Stopped", None, State.CANCELLED, Reason.USER),
        ("Stopped", "MaxRuntimeExceeded", None, State.FAILED, Reason.TIMEOUT),
        ("Stopped", "MaxWaitTimeExceeded", None, State.FAILED, Reason.CAPACITY),
    ],
)
def test_states(status: str, secondary: str, cancelled: Reason | None, state: State, reason: Reason | None) -> None:
    found = status_of(described(status, secondary), cancelled)
    assert (found.state, found.reason) == (state, reason)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity. Please retry using …", "CAPACITY"),
        ("InsufficientCapacityError: no ml.g5.xlarge", "CAPACITY"),
        ("ResourceLimitExceeded: The account-level service limit 'ml.g5.xlarge for …' is 0 Instances", "QUOTA"),
        ("ClientError: Data download failed:AccessDenied (403)", "PERMISSION"),
        ("ClientError: Cannot pull algorithm container. … is not authorized to perform: ecr:…", "PERMISSION"),
        ("ClientError: Data download failed:NoSuchKey (404)", "BAD_INPUT"),
        ("InternalServerError: We encountered an internal error. Please try again.", "LOST"),
        ('AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "boom"', "TRAINER_ERROR"),
        ('AlgorithmError: ExecuteUserScriptError:\nExitCode 2\nErrorMessage "", exit code: 1', "BAD_INPUT"),
        ("AlgorithmError: ExecuteUserScriptError:\nExitCode 75\n, exit code: 1", "LOST"),
        ("AlgorithmError: ExecuteUserScriptError:\nExitCode -9\n, exit code: 1", "LOST"),
        ("AlgorithmError: , exit code: 137", "LOST"),
        ("AlgorithmError: BAD_INPUT: access denied is a class\nExitCode 2, exit code: 2", "BAD_INPUT"),
        ("AlgorithmError: See job logs for more information", "TRAINER_ERROR"),
        ("", "TRAINER_ERROR"),
    ],
)
def test_reasons_of_failures(failure: str, reason: str) -> None:
    assert reason_of(failure) is Reason(reason)
    found = status_of(described("Failed", "Failed", FailureReason=failure))
    assert (found.state, found.reason, found.message) == (State.FAILED, Reason(reason), failure)


def test_a_spot_job_that_trained_most_of_its_time_was_too_slow() -> None:
    found = status_of(described("Stopped", "MaxWaitTimeExceeded", TrainingTimeInSeconds=3500))
    assert (found.state, found.reason) == (State.FAILED, Reason.TIMEOUT)
    assert "not done after 4100 s" in found.message


def test_owner_page_and_what_it_does_now() -> None:
    found = status_of(described(SecondaryStatusTransitions=after(("Starting", 60), ("Training", 60))))
    assert found.owner == "scheduled__2026-11-20T00:00:00+00:00"
    assert found.message == "Training: Training now"
    assert found.console_url == (
        "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1"
        "#/jobs/lanner-sagemaker-11111111-22222222-g1-a1"
    )
    in_china = described(TrainingJobArn="arn:aws-cn:sagemaker:cn-north-1:123456789012:training-job/x")
    assert status_of(in_china).console_url == "https://console.amazonaws.cn/sagemaker/home?region=cn-north-1#/jobs/x"


def test_seconds_that_are_billed() -> None:
    assert status_of(described()).seconds is None, "it has had no machine yet"
    ended = {"TrainingStartTime": BEGIN, "TrainingEndTime": BEGIN + timedelta(seconds=450)}
    assert status_of(described("Failed", "Failed", **ended)).seconds == 450
    saved = status_of(described("Completed", "Completed", **ended, BillableTimeInSeconds=135))
    assert saved.seconds == 135, "of a spot machine less than it ran"
    running = described(TrainingStartTime=datetime.now(UTC) - timedelta(seconds=30), BillableTimeInSeconds=0)
    assert status_of(running).seconds == pytest.approx(30, abs=5), "it is not known before the end"


def test_interruptions_are_counted_and_what_lies_between_costs_nothing() -> None:
    spans = after(("Starting", 100), ("Training", 50), ("Interrupted", 1000), ("Starting", 100), ("Training", 70))
    found = status_of(
        described(TrainingStartTime=BEGIN, SecondaryStatusTransitions=spans), progress={"step": 3, "loss": 1.0}
    )
    assert found.progress == {"step": 3, "loss": 1.0, "interruptions": 1}
    assert found.seconds == 120


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_machine_of_the_service_with_a_price(name: str) -> None:
    machine = preset(name)
    shapes = Loader().load_service_model("sagemaker", "service-2")["shapes"]
    assert machine.instance_type in shapes["TrainingInstanceType"]["enum"]
    for region in ("us-east-1", "us-west-2", "eu-central-1"):
        assert PriceList("aws").hourly(machine.priced, region) > 0
    resources = machine.resources(30, "a-key")
    assert (resources["InstanceType"], resources["InstanceCount"]) == (machine.instance_type, machine.workers)
    assert ("VolumeKmsKeyId" in resources) == (name in {"cpu", "workers"}), "others encrypt in hardware"


@pytest.mark.parametrize(
    ("region", "gpu", "found"),
    [
        ("us-east-1", True, "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19.0-gpu-py312-cu125-"),
        ("eu-south-1", False, "692866216735.dkr.ecr.eu-south-1.amazonaws.com/tensorflow-training:2.19.0-cpu-py312-"),
        ("cn-north-1", False, "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/tensorflow-training:2.19.0-cpu-"),
    ],
)
def test_images_of_regions(region: str, gpu: bool, found: str) -> None:
    assert image(region, gpu=gpu).startswith(found)


def test_an_unknown_preset_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'k80'; there are cpu, t4"):
        preset("k80")
