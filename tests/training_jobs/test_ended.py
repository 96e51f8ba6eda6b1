"""Airflow tells a task to end by SIGTERM, upon which it calls ``on_kill`` and lets it go on until it kills it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from include.store import Store
from tests.training_services import counting_trainer
from training_jobs.operators import SubmitTraining
from training_services.job import JobHandle, TrainingJob
from training_services.local import LocalService


class Late(LocalService):
    """Whose task is told to end while the data are on their way."""

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        signal.raise_signal(signal.SIGTERM)
        return super().find_or_submit(job)


def test_told_to_end_it_submits_nothing_more(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lanner / "lanner.yaml").write_text("collections: {toy: {source: images}}")
    store = Store(lanner / "store")
    service = Late(lanner / "jobs", store)
    monkeypatch.setattr("training_jobs.operators.open_service", lambda target: service)
    job = TrainingJob("p-local-1-1-g1", "local", "toy", counting_trainer.dataset(store), {}, "run", 60.0)
    task = SubmitTraining(task_id="submit", job=job.as_dict())
    before = signal.signal(signal.SIGTERM, lambda *_: task.on_kill())  # as Airflow's task runner does
    try:
        with pytest.raises(SystemExit, match="told this try to end"):
            task.execute({})
    finally:
        signal.signal(signal.SIGTERM, before)
    assert service.describe([job.name]) == {}
