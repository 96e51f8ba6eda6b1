"""SIGKILL of every part in every phase of a training: trained once, a green run, the same result, nothing left over."""

from __future__ import annotations

import contextlib
from functools import partial

import psutil
import pytest

from include.documents import ResultDocument
from tests.faults.deployment import Deployment, until
from tests.faults.phases import Phase
from tests.faults.sample import COLLECTION
from tests.faults.training import Faults, Training, assert_whole

pytestmark = pytest.mark.faults


# Two at a time, of which neither does the other's work.
@pytest.mark.parametrize("components", [("scheduler", "dag-processor"), ("triggerer", "api-server")], ids="+".join)
def test_components_killed_in_every_phase(
    deployment: Deployment, undisturbed: ResultDocument, components: tuple[str, str]
) -> None:
    def kill(training: Training) -> None:
        for component in components:
            deployment.kill(component)

    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow(dict.fromkeys(deployment.jobs.phases, kill))
    assert_whole(training, undisturbed)


def test_worker_and_training_killed_in_every_phase_that_has_one(
    deployment: Deployment, undisturbed: ResultDocument
) -> None:
    """The job is lost once; its next attempt goes on from the checkpoint, to the steps that were planned."""
    faults: Faults = {phase: partial(kill_worker, phase.task) for phase in deployment.jobs.phases}
    faults[Phase.WAITING] = kill_training
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow(faults)
    assert_whole(training, undisturbed, attempts=2)
    deployment.jobs.assert_resumed(training.jobs[-1])


def kill_worker(task: str, training: Training) -> None:
    """The process of a running task, and the worker above it."""
    process = training.submitter if task == Phase.SUBMITTING.task else None
    if process is None or not process.is_running():
        process = until(lambda: training.deployment.task_process(training.run, task), 10, f"{task}'s process")
    with contextlib.suppress(psutil.NoSuchProcess):
        worker = process.parent()
        process.kill()
        if worker is not None and "LocalExecutor" in " ".join(worker.cmdline()):
            worker.kill()


def kill_training(training: Training) -> None:
    """If it writes checkpoints, there is one: the training was held then."""
    training.deployment.jobs.lose(training.jobs[-1])
