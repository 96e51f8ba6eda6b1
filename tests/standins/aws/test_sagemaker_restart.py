"""Neither a killed stand-in nor a killed runner loses a job, its lines, or what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client, sagemaker_standin
from tests.standins.aws.sagemaker_fixtures import QUICK, Job
from tests.standins.aws.sagemaker_status import COMPLETED, DOWNLOADING, FAILED, STARTING, STOPPED, TRAINING, UPLOADING
from tests.standins.processes import Standin, until
from tests.standins.proxy_client import proxy_standin, rule
from tests.standins.runners import ATTEMPTS


@pytest.fixture
def server(aws_url: str, tmp_path: Path) -> Iterator[Standin]:
    with sagemaker_standin(tmp_path, aws_url, *QUICK) as running:
        yield running


@pytest.fixture
def sagemaker(server: Standin, aws_url: str) -> SageMakerClient:
    return SageMakerClient(server.url, aws_url)


def folder_of(server: Standin, name: str) -> Path:
    return server.state / "jobs" / "us-east-1" / name


def runner_of(folder: Path) -> psutil.Process | None:
    return next(
        (each for each in psutil.process_iter(["cmdline"]) if str(folder) in (each.info["cmdline"] or [])), None
    )


def let_go(folder: Path) -> None:
    """Make the file that a program waits for."""
    (folder / "hosts" / "algo-1" / "opt" / "ml" / "go").touch()


def test_killed_while_jobs_are_in_every_state(server: Standin, sagemaker: SageMakerClient, script_job: Job) -> None:
    """They go on while it is away, and it knows them when it is back; so it does what jobs to come shall suffer."""
    running = sagemaker.create(script_job("print=begun;wait=go;print=done;write=model/m:m"))
    sagemaker.prints(running, "begun")
    sagemaker.control("next", {"hold": STARTING, "count": 2})
    waiting, stopped = (sagemaker.create(script_job("print=done", suffix)) for suffix in ("2", "3"))
    sagemaker.control("next", {"fault": "permission"})
    before = sagemaker.describe(waiting)
    server.kill()
    (folder_of(server, stopped) / "stop").touch()  # as if it had been killed right after it was asked
    let_go(folder_of(server, running))
    sagemaker.prints(running, "done")
    server.start()
    assert sagemaker.reaches(running)["TrainingJobStatus"] == COMPLETED
    assert sagemaker.reaches(stopped)["TrainingJobStatus"] == STOPPED
    after = sagemaker.describe(waiting)
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}
    with pytest.raises(sagemaker.api.exceptions.ResourceInUse):
        sagemaker.create(script_job("print=done", "2"))
    assert sagemaker.control("next")["next"] == [{"count": 1, "fault": "permission"}]
    sagemaker.control("release", {})
    assert sagemaker.reaches(waiting)["TrainingJobStatus"] == COMPLETED
    assert sagemaker.statuses(waiting) == [STARTING, DOWNLOADING, TRAINING, UPLOADING, COMPLETED]


def test_a_lost_answer_is_a_job_in_use(server: Standin, aws_url: str, script_job: Job) -> None:
    """boto3 sends the call again, and hears that the name is taken: by its own job."""
    with proxy_standin(server.state / "proxy", server.url) as proxy:
        rule(proxy.url, fault="lost", target="CreateTrainingJob", count=1)
        job = script_job()
        with pytest.raises(ClientError, match="ResourceInUse"):
            boto3_client("sagemaker", proxy.url, retries=2).create_training_job(**job)
        assert SageMakerClient(proxy.url, aws_url).reaches(job["TrainingJobName"])["TrainingJobStatus"] == COMPLETED


def test_stopped_just_before_it_is_killed(server: Standin, sagemaker: SageMakerClient, script_job: Job) -> None:
    """The job's runner heeds it alone."""
    name = sagemaker.create(script_job("print=begun;wait=never"))
    sagemaker.prints(name, "begun")
    sagemaker.stop(name)
    server.kill()
    server.start()
    assert sagemaker.reaches(name)["TrainingJobStatus"] == STOPPED


def test_a_killed_runner_is_replaced(server: Standin, sagemaker: SageMakerClient, script_job: Job) -> None:
    """Its program does not live on beside the next one."""
    name = sagemaker.create(script_job("print=begun;wait=go"))
    sagemaker.prints(name, "begun")
    folder = folder_of(server, name)
    runner = runner_of(folder)
    assert runner is not None
    (program,) = runner.children()
    runner.kill()
    assert psutil.wait_procs([program], timeout=30)[1] == []
    until(lambda: sagemaker.lines(name).count("begun") == 2, 60, "the second program")
    let_go(folder)
    assert sagemaker.reaches(name)["TrainingJobStatus"] == COMPLETED


def test_an_orderly_end_takes_the_jobs_along(server: Standin, sagemaker: SageMakerClient, script_job: Job) -> None:
    name = sagemaker.create(script_job("print=begun;wait=never"))
    sagemaker.prints(name, "begun")
    runner = runner_of(folder_of(server, name))
    assert runner is not None
    ours = [runner, *runner.children()]
    server.stop()
    assert psutil.wait_procs(ours, timeout=10)[1] == []


def test_a_runner_that_is_killed_every_time_is_given_up(
    server: Standin, sagemaker: SageMakerClient, script_job: Job
) -> None:
    name = sagemaker.create(script_job("wait=never"))
    folder = folder_of(server, name)
    for attempt in range(1, ATTEMPTS + 1):
        until(partial(kill_runner, folder, str(attempt)), 60, f"attempt {attempt}")
    ended = sagemaker.reaches(name)
    assert ended["TrainingJobStatus"] == FAILED
    assert ended["FailureReason"].startswith("InternalServerError: ")


def kill_runner(folder: Path, attempt: str) -> bool:
    """Kill the runner of a job's attempt; False if there is none yet."""
    if not (folder / "attempts").exists() or (folder / "attempts").read_text() != attempt:
        return False
    runner = runner_of(folder)
    if runner is not None:
        runner.kill()
    return runner is not None
