"""SIGKILL of every part in every phase of a training: trained once, a green run, the same result, nothing left over."""

from __future__ import annotations

import contextlib

import psutil
import pytest

from include.documents import ResultDocument
from tests.faults.deployment import Deployment
from tests.faults.training import COLLECTION, RUNNER, Phase, Training, assert_whole, training_processes

pytestmark = pytest.mark.faults


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
        for process in training_processes(training.deployment):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "runner" in victim or RUNNER not in process.cmdline():
                    process.kill()

    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({Phase.WAITING: kill})
    assert_whole(training, undisturbed, attempts=2)
    assert "from step" in (training.jobs[-1] / "log.txt").read_text()
