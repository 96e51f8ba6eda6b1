"""A job that is stopped, interrupted or struck: at each moment, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.standins.aws.sagemaker_fixtures import AWS_BUCKET, Job
from tests.standins.aws.sagemaker_status import (
    COMPLETED,
    DOWNLOADING,
    FAILED,
    INTERRUPTED,
    MAX_WAIT,
    STARTING,
    STOPPED,
    STOPPING,
    TRAINING,
    UPLOADING,
)
from tests.standins.aws.test_sagemaker_script import archive

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}
ENTRYPOINT = {"ContainerEntrypoint": ["python3", "train.py"]}


def checkpoints(name: str) -> dict[str, Any]:
    return {"CheckpointConfig": {"S3Uri": f"s3://{AWS_BUCKET}/checkpoints/{name}"}}


@pytest.mark.parametrize("moment", [STARTING, DOWNLOADING])
def test_stopped_before_it_trains(sagemaker: SageMakerClient, script_job: Job, moment: str) -> None:
    sagemaker.control("next", {"hold": moment})
    name = sagemaker.create(script_job("print=never"))
    sagemaker.reaches(name, {moment})
    sagemaker.stop(name)
    ended = sagemaker.reaches(name, {STOPPED})
    assert "ModelArtifacts" not in ended
    assert "FailureReason" not in ended
    assert TRAINING not in sagemaker.statuses(name)
    assert sagemaker.lines(name) == []


def test_a_script_that_is_stopped_never_hears_of_it(sagemaker: SageMakerClient, script_job: Job, s3: Any) -> None:
    """The toolkit does not pass SIGTERM on. What has been written is kept; asked twice is asked once."""
    todo = "last-words=model/last.txt;write=model/half.txt:half;write=checkpoints/1.txt:one;print=begun;wait=never"
    name = sagemaker.create(script_job(todo, **checkpoints("deaf")))
    sagemaker.prints(name, "begun")
    sagemaker.stop(name)
    stopping = sagemaker.describe(name)
    assert stopping["TrainingJobStatus"] == stopping["SecondaryStatus"] == STOPPING
    sagemaker.stop(name)
    ended = sagemaker.reaches(name, {STOPPED})
    assert archive(s3, ended["ModelArtifacts"]["S3ModelArtifacts"]) == {"half.txt": b"half"}
    assert s3.get_object(Bucket=AWS_BUCKET, Key="checkpoints/deaf/1.txt")["Body"].read() == b"one"
    assert sagemaker.statuses(name)[-3:] == [STOPPING, UPLOADING, STOPPED]


def test_a_command_that_is_stopped_may_leave_last_words(sagemaker: SageMakerClient, script_job: Job, s3: Any) -> None:
    todo = "last-words=checkpoints/last.txt;print=begun;wait=never"
    job = script_job(todo, **checkpoints("last-words"))
    job["AlgorithmSpecification"] |= ENTRYPOINT | {"ContainerArguments": ["--todo", todo]}
    name = sagemaker.create(job)
    sagemaker.prints(name, "begun")
    sagemaker.stop(name)
    sagemaker.reaches(name, {STOPPED})
    assert s3.get_object(Bucket=AWS_BUCKET, Key="checkpoints/last-words/last.txt")["Body"].read() == b"checkpoint"


def test_stopped_while_it_uploads(sagemaker: SageMakerClient, script_job: Job) -> None:
    """It had ended well, and so it ends."""
    sagemaker.control("next", {"hold": UPLOADING})
    name = sagemaker.create(script_job("write=model/m:m"))
    sagemaker.reaches(name, {UPLOADING})
    sagemaker.stop(name)
    sagemaker.control("release", {})
    assert sagemaker.reaches(name)["ModelArtifacts"]


def test_what_it_started_does_not_live_on(sagemaker: SageMakerClient, script_job: Job, tmp_path: Path) -> None:
    job = script_job()
    job["AlgorithmSpecification"] |= {
        "ContainerEntrypoint": ["/bin/sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; echo begun; wait"]
    }
    name = sagemaker.create(job)
    sagemaker.prints(name, "begun")
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    sagemaker.stop(name)
    sagemaker.reaches(name, {STOPPED})
    assert psutil.wait_procs([child], timeout=10)[1] == []


def test_interrupted_it_goes_on_from_its_checkpoints(sagemaker: SageMakerClient, script_job: Job) -> None:
    todo = "show=checkpoints/1.txt;write=checkpoints/1.txt:one;print=begun;wait=checkpoints/2.txt"
    name = sagemaker.create(script_job(todo, **SPOT, **checkpoints("interrupted")))
    sagemaker.prints(name, "begun")
    sagemaker.control("strike", {"job": name, "fault": "interrupted"})
    until_second = [STARTING, DOWNLOADING, TRAINING, INTERRUPTED, STARTING, DOWNLOADING, TRAINING]
    sagemaker.prints(name, "1.txt one")
    assert sagemaker.statuses(name) == until_second
    assert sagemaker.describe(name)["TrainingJobStatus"] == "InProgress"
    sagemaker.stop(name)
    ended = sagemaker.reaches(name, {STOPPED})
    assert ended["BillableTimeInSeconds"] <= ended["TrainingTimeInSeconds"]
    assert any("is not there" in line for line in sagemaker.lines(name))


def test_a_spot_job_is_billed_less(sagemaker: SageMakerClient, script_job: Job) -> None:
    name = sagemaker.create(script_job("print=begun;wait=never", **SPOT))
    sagemaker.prints(name, "begun")
    sagemaker.stop(name)
    ended = sagemaker.reaches(name, {STOPPED})
    assert ended["EnableManagedSpotTraining"] is True
    assert 1 <= ended["BillableTimeInSeconds"] <= ended["TrainingTimeInSeconds"]


def test_a_spot_job_does_not_wait_for_ever(sagemaker: SageMakerClient, script_job: Job) -> None:
    sagemaker.control("next", {"hold": STARTING})
    times = {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}
    name = sagemaker.create(script_job(**SPOT | {"StoppingCondition": times}))
    ended = sagemaker.reaches(name, {MAX_WAIT})
    assert ended["TrainingJobStatus"] == STOPPED


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("capacity", "CapacityError: Unable to provision requested ML compute capacity."),
        ("internal", "InternalServerError: "),
        ("user_code", "the rehearsal asked for a failure of user code"),
        ("memory", "ExitCode -9"),
    ],
)
def test_failures_on_demand(sagemaker: SageMakerClient, script_job: Job, fault: str, words: str) -> None:
    sagemaker.control("next", {"fault": fault})
    name = sagemaker.create(script_job("wait=never"))
    ended = sagemaker.reaches(name)
    assert ended["TrainingJobStatus"] == FAILED
    assert words in ended["FailureReason"]
    assert (TRAINING in sagemaker.statuses(name)) == (fault != "capacity")


def test_struck_while_it_runs(sagemaker: SageMakerClient, script_job: Job) -> None:
    name = sagemaker.create(script_job("print=begun;wait=never"))
    sagemaker.prints(name, "begun")
    sagemaker.control("strike", {"job": name, "fault": "internal"})
    assert sagemaker.reaches(name)["FailureReason"].startswith("InternalServerError: ")


def test_one_host_that_fails_takes_the_others_along(sagemaker: SageMakerClient, script_job: Job) -> None:
    job = script_job()
    script = "test $CURRENT_HOST = algo-1 && sleep 600; echo bad luck; exit 4"
    job["AlgorithmSpecification"] |= {"ContainerEntrypoint": ["/bin/sh", "-c", script]}
    job["ResourceConfig"]["InstanceCount"] = 2
    ended = sagemaker.reaches(sagemaker.create(job))
    assert ended["FailureReason"] == "AlgorithmError: , exit code: 4"
    assert ended["TrainingJobStatus"] != COMPLETED
