"""The training job that a plan asks of a target: its start, and its end."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from house.assets import Partition
from include.documents import PlanDocument, Reason, ResultDocument, State
from include.results import assemble, folder_of
from include.settings import Settings
from include.store import Store
from include.training_program import program_of
from training_jobs.money import Purse
from training_jobs.operators import cancel_if_owned
from training_jobs.targets import open_service
from training_services.job import TrainingJob, job_prefix

WORTH_SAYING = frozenset({Reason.TIMEOUT, Reason.BUDGET})  # to a service whose job is cancelled


def planned_job(settings: Settings, partition: Partition, target: str, owner: str) -> dict[str, Any] | None:
    """What the plan of a partition asks of a target, as a job; None if nothing."""
    plan, _ = partition.documents(settings.open_store())
    asked = next((entry for entry in plan.targets if entry.target == target), None)
    if asked is None:
        return None
    return TrainingJob(
        prefix=job_prefix(
            settings.namespace,
            target,
            plan.dataset_id,
            asked.configuration,
            program_of(target).version,
            plan.generation,
        ),
        target=target,
        collection=plan.collection,
        dataset=plan.dataset,
        configuration=asked.configuration,
        owner=owner,
        max_seconds=asked.max_hours * 3600,
        machines=[machine.model_dump() for machine in asked.machines],
        budget=asked.budget,
    ).as_dict()


def collect_model(store: Store, job: dict[str, Any]) -> str:
    """Fetch what the trainer of a succeeded job wrote into the store. Returns the job's name."""
    training = TrainingJob(**job)
    with TemporaryDirectory() as scratch:
        trained = open_service(training.target).collect(training.name, Path(scratch) / "trained")
        store.copy_in(trained, f"{folder_of(training.collection, training.name)}/trained")
    return training.name


def conclude(
    store: Store,
    partition: Partition,
    target: str,
    job: dict[str, Any],
    failures: list[dict[str, str]],
    scores: str | None,
    model_version: str | None,
) -> ResultDocument:
    """Stop the job if its run submitted it and it still runs; then write ``result.json``, whatever happened.

    Args:
        failures: why tasks gave up, where they said so (``{"reason": …, "message": …}``).
    """
    plan: PlanDocument = partition.documents(store)[0]
    training = TrainingJob(**job)
    said = next(iter(failures), None)
    why = Reason(said["reason"]) if said and said["reason"] in WORTH_SAYING else Reason.USER
    service = open_service(target)
    history = cancel_if_owned(service, training, why)
    status = history[-1] if history else None
    unrecorded = ""
    try:
        cost, bill = Purse(service, training).settle(history)
        print("\n".join(bill) or "It cost nothing.")
    except ValueError as unknown:  # no price any more, or a broken ledger: no reason to keep the result back
        cost, unrecorded = 0.0, f"What it cost is not recorded: {unknown}"
    fields: dict[str, Any] = {
        "cost": cost,
        "state": State.FAILED,
        "message": "nothing was submitted; see the log of this run",
    }
    if status is not None:
        fields |= {
            "state": status.state,
            "reason": status.reason,
            "message": status.message,
            "job": status.name,
            "adopted": status.owner != training.owner,
            "console_url": status.console_url,
            "seconds": status.seconds,
        }
    if said is not None:
        fields |= {"state": State.FAILED, "reason": Reason(said["reason"]), "message": said["message"]}
    fields["message"] = " ".join(filter(None, [fields["message"], unrecorded]))
    result = assemble(store, plan, target, scores=scores, model_version=model_version, **fields)
    store.put(result)
    return result


def require_success(store: Store, partition: Partition, target: str) -> None:
    """Fail, without a retry, unless the target's result for a plan is SUCCEEDED and in the registry."""
    found = store.newest(ResultDocument, partition.collection, f"{partition.key}/{target}")
    if found is None:
        raise AirflowFailException("No result was written; see the log of report.")
    path, result = found
    if result.state is not State.SUCCEEDED:
        raise AirflowFailException(f"{result.state} ({result.reason}): {result.message} The whole result: {path}")
    if not result.complete:
        raise AirflowFailException(
            "The model is trained and scored, but not registered in MLflow. The log of register says why; when that is "
            f"mended, clear register: nothing is trained again. The whole result: {path}"
        )
