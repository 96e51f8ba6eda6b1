"""What people and machines do at a bad moment: Clear, Mark failed, a frozen triggerer, a locked database, no MLflow."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import pytest

from include.documents import Reason, ResultDocument, State
from include.laptop.environment import free_port
from tests.faults.databases import on_sqlite
from tests.faults.deployment import FROZEN_SECONDS, Deployment, until
from tests.faults.phases import Phase
from tests.faults.sample import COLLECTION, SLOW
from tests.faults.training import LOOK, Training, assert_whole
from tests.mlflow_server import mlflow_server

pytestmark = pytest.mark.faults
STOPPED_WITHIN = 10.0  # seconds from "mark as failed" until nothing trains any more, beyond the service's own grace
LOCKED_SECONDS = 30.0


@pytest.fixture(scope="module")
def slow(deployment: Deployment) -> Deployment:
    """The deployment, with a dataset of the collection whose training lasts; the first training is stopped."""
    known = deployment.training_runs()
    deployment.jobs.make_slow()
    deployment.begin(SLOW)
    (run,) = until(lambda: deployment.training_runs() - known, 120, "the first training of the slow collection")
    stop(Training(deployment, run))
    return deployment


@pytest.fixture(autouse=True)
def _nothing_is_left(deployment: Deployment) -> Iterator[None]:
    """A test that failed leaves no training to the next one."""
    yield
    deployment.stop_trainings()


def waiting_training(deployment: Deployment) -> Training:
    """A training of the slow collection that is waited for and has got somewhere."""
    deployment.jobs.make_slow()
    training = Training(deployment, deployment.retrain(SLOW))
    until(lambda: training.phase() is Phase.WAITING, 240, "a training that is waited for")
    return training


def stop(training: Training) -> float:
    """Mark a run as failed. Returns the seconds until nothing of it trained any more."""
    until(lambda: training.phase() is Phase.WAITING, 240, "a training that is waited for")
    training.deployment.mark_failed(training.run)
    began = time.monotonic()
    until(lambda: not training.deployment.jobs.processes(), 60, "the end of the training")
    took = time.monotonic() - began
    until(training.ended, 60, "the end of the run")
    return took


def assert_untouched(training: Training, processes: set[int]) -> None:
    assert {process.pid for process in training.deployment.jobs.processes()} == processes
    assert len(training.jobs) == 1
    assert not training.jobs[0].cancelled


def pids(training: Training) -> set[int]:
    return {process.pid for process in training.deployment.jobs.processes()}


def test_cleared_while_waiting_it_is_adopted_then_marked_as_failed_it_is_stopped(slow: Deployment) -> None:
    training = waiting_training(slow)
    processes = pids(training)
    slow.clear(training.run, "wait")
    until(lambda: slow.tries(training.run, "wait") > 1, 60, "the second try of wait")
    until(lambda: training.phase() is Phase.WAITING, 60, "wait, deferred again")
    time.sleep(5)  # the old trigger's on_kill comes after the new try has begun
    assert_untouched(training, processes)

    assert stop(training) < STOPPED_WITHIN + slow.jobs.grace
    assert slow.run_state(training.run) == "failed"
    result = training.result()
    assert (result.state, result.reason) == (State.CANCELLED, Reason.USER)
    slow.jobs.assert_stopped(training.jobs[0])
    assert slow.jobs.left(training.prefix) == []


def test_marked_as_failed_between_submit_and_the_start_of_the_trigger_it_is_stopped(slow: Deployment) -> None:
    slow.jobs.make_slow()
    training = Training(slow, slow.retrain(SLOW))
    until(lambda: training.phase() is Phase.SUBMITTING, 60, "the second between submit and record", every=LOOK)
    slow.mark_failed(training.run)
    until(training.ended, 60, "the end of the run")
    until(lambda: not slow.jobs.processes(), STOPPED_WITHIN + slow.jobs.grace, "the end of the training")
    assert slow.run_state(training.run) == "failed"
    assert training.result().state is State.CANCELLED
    assert slow.jobs.left(training.prefix) == []


def test_a_frozen_triggerer_that_wakes_again_cancels_nothing(slow: Deployment) -> None:
    """With PostgreSQL a second triggerer takes its triggers over; SQLite bears one only."""
    two = not slow.is_sqlite
    if two:
        slow.start("triggerer-2")
        until(lambda: len(slow.live_triggerers()) == 2, 60, "a second triggerer")
    training = waiting_training(slow)
    processes = pids(training)
    holder = until(lambda: slow.triggerer_of(training.run), 30, "a triggerer that has the trigger")
    name = ("triggerer", "triggerer-2")[slow.live_triggerers().index(holder)]
    slow.freeze(name)
    time.sleep(FROZEN_SECONDS)
    if two:
        until(lambda: slow.triggerer_of(training.run) not in {holder, None}, 60, "the other triggerer to take over")
    slow.wake(name)
    time.sleep(8)
    assert_untouched(training, processes)
    assert slow.task_states(training.run)["wait"] == "deferred"
    assert stop(training) < STOPPED_WITHIN + slow.jobs.grace
    if two:
        slow.end("triggerer-2")


@on_sqlite
def test_two_runs_of_one_training_are_one_job_also_while_the_database_is_locked(
    deployment: Deployment, undisturbed: ResultDocument
) -> None:
    """Begun at the same moment; twice nobody can write for half a minute. Only SQLite can be locked as a whole."""

    def lock(training: Training) -> None:
        with contextlib.closing(sqlite3.connect(deployment.laptop.database, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(LOCKED_SECONDS)
            other.execute("ROLLBACK")

    first = Training(deployment, deployment.retrain(COLLECTION))
    twin = Training(deployment, deployment.run_again(first.run))
    first.follow({Phase.WAITING: lock, Phase.SCORING: lock})
    twin.follow({})
    for training in (first, twin):
        assert_whole(training, undisturbed)
    assert [job.name for job in first.jobs] == [job.name for job in twin.jobs]


@on_sqlite
def test_an_orphaned_worker_beside_its_successor_and_mlflow_that_comes_late(
    deployment: Deployment, undisturbed: ResultDocument
) -> None:
    """Two exports of one model at the same time make the same bytes and one result; register waits for MLflow."""
    port = free_port(18700)
    with deployment.setting("mlflow", f"http://127.0.0.1:{port}"), contextlib.ExitStack() as stack:
        training = Training(deployment, deployment.retrain(COLLECTION))

        def orphan(training: Training) -> None:
            """Freeze the worker above a running export, and wake it when another has begun."""
            first = until(lambda: deployment.task_process(training.run, "export"), 10, "an export")
            worker = first.parent()
            assert worker is not None
            worker.suspend()
            try:
                until(lambda: deployment.tries(training.run, "export") > 1, 90, "a successor")
                until(lambda: training.phase() is Phase.EXPORTING, 60, "a successor at work")
                time.sleep(3)
            finally:
                worker.resume()

        def bring_mlflow(training: Training) -> None:
            until(lambda: deployment.task_states(training.run)["register"] == "up_for_retry", 90, "a retry")
            stack.enter_context(mlflow_server(deployment.folder / "other-mlflow.db", port))

        training.follow({Phase.EXPORTING: orphan, Phase.REGISTERING: bring_mlflow})
        assert_whole(training, undisturbed)
        assert training.result().model_version is not None
        assert "does not answer" in deployment.log_of(training.run, "register")
