"""One training of the sample, watched from outside: in which phase it is, and what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psutil
from ruamel.yaml import YAML

from house.assets import Partition
from include import settings
from include.dataset.sample import write_sample
from include.documents import ResultDocument, State
from include.training_program import program_of
from tests.faults.deployment import Deployment, until
from tests.faults.jobs.watched import Attempt
from tests.faults.phases import Phase
from tests.faults.sample import COLLECTION, SLOW
from training_services.job import job_prefix

SECONDS = 900  # for a training that is hit again and again; on an idle machine it takes 200 to 300
LOOK = 0.01  # seconds between two looks; the gap between submitting and recording is a few hundredths


Faults = dict[Phase, Callable[["Training"], None]]


@dataclass
class Training:
    """A run of the target's DAG for a generation of its own."""

    deployment: Deployment
    run: str
    submitter: psutil.Process | None = None  # of the running try of submit; looked up before there is no time for it

    @cached_property
    def prefix(self) -> str:
        """Of the names of its jobs."""
        partition, store = Partition.parse(self.deployment.partition(self.run)), self.deployment.store
        with_settings = settings.load(self.deployment.folder / "lanner.yaml")
        plan, _ = partition.documents(store)
        asked = next(entry for entry in plan.targets if entry.target == self.deployment.target)
        return job_prefix(
            with_settings.namespace,
            self.deployment.target,
            plan.dataset_id,
            asked.configuration,
            program_of(self.deployment.target).version,
            plan.generation,
        )

    @property
    def jobs(self) -> Sequence[Attempt]:
        """This training's attempts, the first one first."""
        return self.deployment.jobs.attempts(self.prefix)

    def phase(self) -> Phase | None:
        """The phase that shows now, if one does."""
        states = self.deployment.task_states(self.run)
        if states.get("submit") == "running":
            started = self.jobs
            if not started and not (self.submitter and self.submitter.is_running()):
                self.submitter = self.deployment.task_process(self.run, "submit")
            if started:
                return Phase.SUBMITTING
            return Phase.UPLOADING if self.deployment.jobs.uploading(self.prefix) else Phase.BEFORE_SUBMIT
        if states.get("wait") == "deferred" and self.jobs and self.jobs[-1].at_work():
            return Phase.WAITING
        for phase in (Phase.COLLECTING, Phase.EXPORTING, Phase.SCORING, Phase.REGISTERING):
            if states.get(phase.task) == "running":
                return phase
        return None

    def ended(self) -> bool:
        return self.deployment.run_state(self.run) in {"success", "failed"}

    def follow(self, faults: Faults, seconds: float = SECONDS) -> None:
        """Strike once in each phase that is asked for, as soon as it shows; return when the run has ended."""
        outstanding = dict(faults)
        if Phase.UPLOADING in outstanding:
            self.deployment.jobs.make_upload_slow()
        deadline = time.monotonic() + seconds
        while not self.ended():
            phase = self.phase()
            if phase in outstanding:
                outstanding.pop(phase)(self)
                if phase is Phase.SUBMITTING and Phase.WAITING in outstanding:
                    self.hold()  # it would end before a busy machine has come to wait for it
                elif phase is Phase.WAITING:
                    self.release()
            if time.monotonic() > deadline:
                states = self.deployment.task_states(self.run)
                raise AssertionError(f"{self.run} had not ended after {seconds:.0f} s: {states}")
            time.sleep(LOOK)
        assert not outstanding, f"these phases were never seen: {', '.join(outstanding)}"

    def hold(self) -> None:
        """Stop the clock of the training once its next attempt could go on from it."""
        until(self.jobs[-1].may_be_held, 240, "a checkpoint")
        for process in self.deployment.jobs.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def release(self) -> None:
        for process in self.deployment.jobs.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def result(self) -> ResultDocument:
        collection, _, key = self.deployment.partition(self.run).partition(":")
        found = self.deployment.store.newest(ResultDocument, collection, f"{key}/{self.deployment.target}")
        assert found is not None, "no result was written"
        return found[1]


def declare(deployment: Deployment) -> None:
    """Put the collections into the deployment's lanner.yaml, their images beside it."""
    images = deployment.folder / "images"
    write_sample(images, images=deployment.jobs.images)
    trainings = {COLLECTION: deployment.jobs.training, SLOW: deployment.jobs.slow}
    target: dict[str, Any] = {"preset": "sample"}
    if deployment.cloud and deployment.cloud.machines:
        target["machines"] = deployment.cloud.machines
    collections = {
        name: {"source": str(images), "targets": {deployment.target: target | {"training": dict(training)}}}
        for name, training in trainings.items()
    }
    with (deployment.folder / "lanner.yaml").open("w") as file:
        clouds = deployment.cloud.settings if deployment.cloud else {}
        YAML().dump({**clouds, "collections": collections}, file)


def said(result: ResultDocument) -> dict[str, Any]:
    """What a result says of its model, without times and names: equal for two trainings of the same."""
    assert result.training is not None
    return {
        "state": result.state,
        "steps": result.training.steps,
        "best_step": result.training.best_step,
        "validation_mAP": result.training.validation_mAP,
        "exports": {export.format: (export.metrics, export.bytes) for export in result.exports},
        "tflite": {e.format: e.sha256 for e in result.exports if e.format.startswith("tflite")},
    }


def assert_whole(training: Training, like: ResultDocument, attempts: int = 1) -> None:
    """The run is green, trained exactly once, left nothing running, and says what the undisturbed one says."""
    deployment, result = training.deployment, training.result()
    assert deployment.run_state(training.run) == "success", deployment.task_states(training.run)
    assert result.state is State.SUCCEEDED
    assert len(training.jobs) == attempts, training.jobs
    assert result.job == training.jobs[-1].name
    deployment.jobs.assert_trained(training.jobs)
    assert deployment.jobs.processes() == []
    assert deployment.jobs.left(training.prefix) == []
    assert said(result) == said(like)
