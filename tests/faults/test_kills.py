"""SIGKILL of every part in every phase of a training: trained once, a green run, the same result, nothing left over."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import psutil
import pytest

from include.documents import ResultDocument
from tests.faults.deployment import Deployment
from tests.faults.postgres import running_postgres
from tests.faults.training import COLLECTION, Phase, Training, assert_whole, declare

pytestmark = pytest.mark.faults
RUNNER = "training_jobs.local_runner"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(running_postgres()) if request.param == "postgres" else None
        deployment = Deployment(folder, database)
        declare(deployment)
        stack.enter_context(deployment)
        deployment.ingest(COLLECTION)
        yield deployment


@pytest.fixture(scope="module")
def undisturbed(deployment: Deployment) -> ResultDocument:
    """The result of the first cascade, in which nothing was killed."""
    (run,) = deployment.training_runs()
    training = Training(deployment, run)
    assert_whole(training, training.result())
    return training.result()


@pytest.mark.parametrize("component", ["scheduler", "triggerer", "api-server", "dag-processor"])
def test_a_component_killed_in_every_phase(deployment: Deployment, undisturbed: ResultDocument, component: str) -> None:
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow(dict.fromkeys(Phase, lambda _: deployment.kill(component)))
    assert_whole(training, undisturbed)


def kill_worker(training: Training) -> None:
    """The process of the running task, and the worker above it."""
    for task in ("submit", "collect", "export", "score", "register"):
        process = training.deployment.task_process("train_local", training.run, task)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = process.parent()
                process.kill()
                if parent is not None and "LocalExecutor" in " ".join(parent.cmdline()):
                    parent.kill()


def test_the_worker_killed_in_every_phase_that_has_one(deployment: Deployment, undisturbed: ResultDocument) -> None:
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({phase: kill_worker for phase in Phase if phase is not Phase.WAITING})
    assert_whole(training, undisturbed)


@pytest.mark.parametrize("victim", ["trainer", "trainer and runner"])
def test_the_training_process_killed(deployment: Deployment, undisturbed: ResultDocument, victim: str) -> None:
    """The job is lost; its next attempt goes on from the checkpoint, to the steps that were planned."""

    def kill(training: Training) -> None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                is_trainer, is_runner = "detector_trainer" in command, RUNNER in command
                if training.jobs[-1].name in " ".join(command) and (is_trainer or (is_runner and "runner" in victim)):
                    process.send_signal(signal.SIGKILL)

    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({Phase.WAITING: kill})
    assert_whole(training, undisturbed, attempts=2)
    assert "from step" in (training.jobs[-1] / "log.txt").read_text()
