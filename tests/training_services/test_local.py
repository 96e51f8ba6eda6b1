"""The local target, with real processes: a small script stands where the trainer would be, and does as it is told."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from include.documents import Reason, State
from include.store import Store
from tests.training_services.counting_trainer import SCRIPT, dataset
from training_services.job import JobStatus, TrainingJob, attempts, pursue
from training_services.local import LocalService


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def service(tmp_path: Path, store: Store) -> Iterator[LocalService]:
    script = tmp_path / "trainer.py"
    script.write_text(SCRIPT)
    service = LocalService(tmp_path / "jobs", store, trainer=[sys.executable, str(script)])
    yield service
    for folder in service.jobs.glob("*") if service.jobs.exists() else ():
        service.cancel(folder.name)


def job(store: Store, steps: int = 2, how: int = 0, owner: str = "run_1", max_seconds: float = 60.0) -> TrainingJob:
    return TrainingJob(
        prefix="lanner-local-11111111-22222222-g1",
        target="local",
        collection="toy",
        dataset=dataset(store),
        configuration={"steps": steps, "how": how, "weights": "none"},
        owner=owner,
        max_seconds=max_seconds,
    )


def status_of(service: LocalService, name: str) -> JobStatus:
    return service.describe([name])[name]


def until(service: LocalService, name: str, true: Callable[[JobStatus], bool], seconds: float = 20.0) -> JobStatus:
    deadline = time.monotonic() + seconds
    while not true(status := status_of(service, name)):
        assert time.monotonic() < deadline, f"still {status}"
        time.sleep(0.02)
    return status


def ended(status: JobStatus) -> bool:
    return not status.active


def working(status: JobStatus) -> bool:
    return bool(status.progress)


def test_trains_and_hands_over_what_was_written(service: LocalService, store: Store, tmp_path: Path) -> None:
    asked = job(store)
    handle = service.find_or_submit(asked)
    assert handle.submitted
    status = until(service, asked.name, ended)
    assert status.state is State.SUCCEEDED
    assert status.owner == "run_1"
    assert status.progress == {"step": 2, "steps": 2, "loss": 0.5}
    page = service.log_lines(asked.name, 0)
    assert page.lines == ("starting at step 0", "done")
    assert service.log_lines(asked.name, page.cursor).lines == ()
    collected = service.collect(asked.name, tmp_path / "collected")
    assert (collected / "metrics.jsonl").exists()


def test_the_trainer_never_sees_the_hold_out(service: LocalService, store: Store) -> None:
    asked = job(store)
    service.find_or_submit(asked)
    data = service.jobs / asked.name / "data"
    assert sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()) == [
        "label_map.pbtxt",
        "train/1.tfrecord",
        "validation/1.tfrecord",
    ]


def test_a_job_of_the_same_name_is_found_whatever_its_state(service: LocalService, store: Store) -> None:
    asked = job(store, steps=40)
    service.find_or_submit(asked)
    again = service.find_or_submit(replace(asked, owner="run_2"))
    assert not again.submitted
    assert again.status.state is State.RUNNING
    assert again.status.owner == "run_1"
    service.cancel(asked.name)
    assert not service.find_or_submit(asked).submitted


def test_many_callers_at_once_start_one_training(service: LocalService, store: Store) -> None:
    asked = job(store, steps=10)
    with ThreadPoolExecutor(8) as callers:
        handles = list(callers.map(lambda _: service.find_or_submit(asked), range(8)))
    assert sum(handle.submitted for handle in handles) == 1
    until(service, asked.name, ended)
    assert service.log_lines(asked.name, 0).lines.count("starting at step 0") == 1


@pytest.mark.parametrize(("how", "reason"), [(2, Reason.BAD_INPUT), (1, Reason.TRAINER_ERROR)])
def test_tells_bad_input_from_a_failure_of_the_trainer(
    service: LocalService, store: Store, how: int, reason: Reason
) -> None:
    asked = job(store, how=how)
    service.find_or_submit(asked)
    status = until(service, asked.name, ended)
    assert (status.state, status.reason, status.message) == (State.FAILED, reason, "as told")
    assert not status.renewable


def test_cancel_stops_it_after_a_checkpoint_and_may_be_repeated(service: LocalService, store: Store) -> None:
    asked = job(store, steps=1000)
    service.find_or_submit(asked)
    until(service, asked.name, working)
    with ThreadPoolExecutor(2) as callers:  # the trigger's on_kill and the run's teardown come together
        list(callers.map(lambda _: service.cancel(asked.name, Reason.USER), range(2)))
    service.cancel(asked.name, Reason.USER)
    status = status_of(service, asked.name)
    assert json.loads((service.jobs / asked.name / "ended").read_text())["exit_code"] == 75
    assert (status.state, status.reason) == (State.CANCELLED, Reason.USER)
    service.cancel("a-job-that-never-was")


def test_stops_at_its_own_limit(service: LocalService, store: Store) -> None:
    asked = job(store, steps=1000, max_seconds=0.5)
    service.find_or_submit(asked)
    status = until(service, asked.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.TIMEOUT)
    assert "max_hours" in status.message


def test_a_stop_from_outside_counts_as_lost_and_the_next_attempt_goes_on(service: LocalService, store: Store) -> None:
    asked = job(store, steps=20)
    service.find_or_submit(asked)
    at = until(service, asked.name, working)
    os.kill(int((service.jobs / asked.name / "started").read_text()), signal.SIGTERM)
    assert until(service, asked.name, ended).reason is Reason.LOST
    second = pursue(service, asked, insist=False)
    assert second.submitted
    assert second.job.attempt == 2
    until(service, second.job.name, lambda status: status.succeeded)
    started = service.log_lines(second.job.name, 0).lines[0]
    assert int(started.rsplit(" ", 1)[1]) >= at.progress["step"]


def test_goes_on_from_the_newest_attempt_that_has_a_checkpoint(service: LocalService, store: Store) -> None:
    """The second was killed before its first checkpoint, though its folder was there."""
    asked = job(store, steps=12)
    for attempt, step in ((1, "10"), (2, None)):
        folder = service.jobs / asked.as_attempt(attempt).name
        last = folder / "output" / "checkpoints" / "last"
        last.mkdir(parents=True)
        if step is not None:
            (last / "state.npz").write_text(step)
        (folder / "job.json").write_text(json.dumps(asked.as_attempt(attempt).as_dict()))
        (folder / "started").write_text("1")
    third = pursue(service, asked, insist=False)
    until(service, third.job.name, ended)
    assert service.log_lines(third.job.name, 0).lines[0] == "starting at step 10"


def test_killed_with_its_runner_it_is_lost(service: LocalService, store: Store) -> None:
    asked = job(store, steps=1000)
    service.find_or_submit(asked)
    until(service, asked.name, working)
    os.killpg(int((service.jobs / asked.name / "started").read_text()), signal.SIGKILL)
    status = until(service, asked.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.LOST)
    assert "vanished" in status.message


def test_with_only_its_runner_killed_the_training_is_not_started_twice(service: LocalService, store: Store) -> None:
    asked = job(store, steps=30)
    service.find_or_submit(asked)
    until(service, asked.name, working)
    os.kill(int((service.jobs / asked.name / "started").read_text()), signal.SIGKILL)
    time.sleep(0.3)
    assert status_of(service, asked.name).state is State.RUNNING  # the trainer holds the lock
    service.cancel(asked.name)
    assert status_of(service, asked.name).state is State.CANCELLED


def test_what_is_lost_again_and_again_is_given_up(service: LocalService, store: Store) -> None:
    asked = job(store)
    for attempt in range(1, 5):
        folder = service.jobs / asked.as_attempt(attempt).name
        folder.mkdir(parents=True)
        (folder / "job.json").write_text(json.dumps(asked.as_attempt(attempt).as_dict()))
        (folder / "started").write_text("1")
    last = pursue(service, asked, insist=False)
    assert not last.submitted
    assert (last.job.attempt, last.status.reason) == (4, Reason.LOST)
    assert len(attempts(service, asked)) == 4
    assert pursue(service, replace(asked, configuration={"steps": 1, "how": 0}), insist=True).job.attempt == 5


def test_after_a_failure_only_a_person_gets_another_attempt(service: LocalService, store: Store) -> None:
    asked = job(store, how=1)
    service.find_or_submit(asked)
    until(service, asked.name, ended)
    assert not pursue(service, asked, insist=False).submitted
    assert pursue(service, asked, insist=True).job.attempt == 2


def test_checks_before_anything_is_started(service: LocalService, store: Store) -> None:
    asked = replace(job(store), dataset=dataset(store, train_images=0))
    asked = replace(asked, configuration=asked.configuration | {"weights": "toy/weights/gone.weights.h5"})
    faults = service.check(asked)
    assert [fault.split(":")[0] for fault in faults] == ["EMPTY_SIDE", "NO_WEIGHTS"]
    assert not list(service.jobs.iterdir())
