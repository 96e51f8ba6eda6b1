"""Follow one batch through the pipelines: ingest → dataset → plan → trainings → comparison."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include.laptop.api import Api, Run, TaskInstance
from include.progress import last_training_line_said

INTERVAL = 1.0  # seconds between two looks
LOG_INTERVAL = 5.0  # seconds between two looks into a training's log
PATIENCE = 60.0  # seconds that the next run of the cascade may take to appear
LAST = "compare_detectors"
TRAINING = "train_"  # begins the name of each target's DAG
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class CascadeFailed(Exception):
    """A run of the cascade failed; the message names its tasks and their last words."""


@dataclass
class Look:
    """What a look at the cascade showed."""

    changes: list[str] = field(default_factory=list)  # "build_dataset.assign: success"
    active: list[str] = field(default_factory=list)  # tasks at work now
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)  # by target, what its trainer said last


class Cascade:
    """The runs that one batch sets off."""

    def __init__(self, api: Api, collection: str, batch: str) -> None:
        self.api = api
        self.collection = collection
        self.batch = batch
        self.nothing_to_train = False
        self._ingest: Run | None = None
        self._since = datetime.now(UTC)
        self._heard: dict[str, tuple[float, dict[str, Any]]] = {}  # by training run: when, and what its trainer said
        self._states: dict[tuple[str, str, str, int], str | None] = {}

    def begin(self) -> bool:
        """Trigger the ingest; or go on with runs that an interruption left unfinished. True if it goes on."""
        unfinished = [run for run in self._runs_of_key() if run.unfinished]
        if unfinished:
            self._since = min(run.created for run in unfinished)
            return True
        self._since = datetime.now(UTC) - timedelta(seconds=1)
        self._ingest = self.api.trigger("ingest_images", {"collection": self.collection, "batch": self.batch})
        return False

    def follow(self) -> Iterator[Look]:
        """Look again and again until the comparison has ended, or there turns out to be nothing to train.

        Raises:
            CascadeFailed: a run failed, or the next one did not appear.
        """
        last_sign_of_life = time.monotonic()
        while True:
            runs = self._runs()
            look = Look()
            for run in runs:
                self._look_at(run, look)
            yield look
            if any(run.unfinished for run in runs):
                last_sign_of_life = time.monotonic()
            elif failed := [run for run in runs if run.state == "failed"]:
                raise CascadeFailed("\n\n".join(self._obituary(run) for run in failed))
            elif self.nothing_to_train or any(run.dag == LAST for run in runs):
                return
            elif time.monotonic() - last_sign_of_life > PATIENCE:
                raise CascadeFailed(
                    f"Nothing followed {runs[-1].dag if runs else 'the trigger'} within {PATIENCE:.0f} s. "
                    "Is a DAG paused in the UI? Is a component down (see the log folder)?"
                )
            time.sleep(INTERVAL)

    def _runs_of_key(self) -> list[Run]:
        key = f"{self.collection}:{self.batch}"
        return [run for run in self.api.runs(key) if f"{run.partition}:".startswith(f"{key}:")]

    def _runs(self) -> list[Run]:
        ingest = [self.api.run(self._ingest.dag, self._ingest.id)] if self._ingest else []
        return ingest + [run for run in self._runs_of_key() if run.created >= self._since]

    def _look_at(self, run: Run, look: Look) -> None:
        known = [key for key in self._states if key[:2] == (run.dag, run.id)]
        if not run.unfinished and known and all(self._states[key] in ENDED for key in known):
            return
        for instance in self.api.tasks(run):
            key = (run.dag, run.id, instance.task, instance.map_index)
            name = f"{run.dag}.{instance.task}" + (f"[{instance.map_index}]" if instance.map_index >= 0 else "")
            if self._states.get(key) != instance.state:
                self._states[key] = instance.state
                if instance.state in ENDED or instance.state == "up_for_retry":
                    look.changes.append(f"{name}: {instance.state}")
            if instance.state in {"running", "deferred"}:
                look.active.append(name)
            if (run.dag, instance.task, instance.state) == ("plan_training", "plan", "skipped"):
                self.nothing_to_train = True
            is_waiting = run.dag.startswith(TRAINING) and (instance.task, instance.state) == ("wait", "deferred")
            if is_waiting and (said := self._said(run, instance)):
                look.trainings[run.dag.removeprefix(TRAINING)] = said

    def _said(self, run: Run, wait: TaskInstance) -> dict[str, Any]:
        """What the trainer of a run said last of how far it is."""
        heard, said = self._heard.get(run.id, (-LOG_INTERVAL, {}))
        if time.monotonic() - heard >= LOG_INTERVAL:
            said = last_training_line_said(self.api.said(run, wait)) or said
            self._heard[run.id] = (time.monotonic(), said)
        return said

    def _obituary(self, run: Run) -> str:
        """What failed in a run, and the last words of each failed task."""
        parts = [f"{run.dag} failed ({self.api.url}/dags/{run.dag}/runs/{run.id}):"]
        for instance in self.api.tasks(run):
            if instance.state == "failed":
                said = "\n".join(self.api.complaints(run, instance)).replace("\n", "\n    ")
                parts.append(f"  {instance.task}: {said}")
        return "\n".join(parts)
