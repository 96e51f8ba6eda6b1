"""What is worth training for a dataset: ``plan.json``. For now: always, on every target of the collection."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from include.documents import DatasetDocument, MachineChoice, PlanDocument, ResultDocument, TargetPlan
from include.settings import PROJECT, CollectionSettings, TargetSettings
from include.store import Store, sha256_of
from include.training_program import program_of

NAMED_WEIGHTS = frozenset({"none", "imagenet"})


def plan_training(
    store: Store, settings: CollectionSettings, collection: str, batch: str, *, retrain: bool = False
) -> tuple[PlanDocument, bool]:
    """Plan what the newest dataset of a batch key needs.

    Args:
        retrain: train again although nothing changed: raises the generation, hence new jobs.

    Returns:
        The plan, and whether there is anything to do: False if an earlier plan says the same and all its
        targets have succeeded.

    Raises:
        FileNotFoundError: no dataset has been built for the key.
        ValueError: the training configuration of a target is not valid; the message names target and field.
    """
    found = store.newest(DatasetDocument, collection, batch)
    if found is None:
        raise FileNotFoundError(f"No dataset of {collection}:{batch} is in {store}. Run build_dataset for it first.")
    dataset_path, dataset = found
    targets = tuple(
        TargetPlan(
            target=name,
            configuration=resolve(store, collection, name, target),
            max_hours=target.max_hours,
            budget=target.budget,
            machines=tuple(MachineChoice(**machine.model_dump()) for machine in target.machines),
        )
        for name, target in sorted(settings.targets.items())
    )
    number, last = newest_plan(store, collection, batch)
    unchanged = last is not None and (last.dataset, last.targets) == (dataset_path, targets)
    if last is not None and unchanged and not retrain and succeeded(store, last):
        return last, False
    generation = last.generation if last else 1
    plan = PlanDocument(
        collection=collection,
        key=f"{batch}:{number + 1}",
        dataset=dataset_path,
        dataset_id=dataset.id,
        generation=generation + 1 if retrain else generation,
        targets=targets,
        deadline_hours=settings.deadline_hours,
        reason=_reason(last, unchanged, retrain),
    )
    store.put(plan)
    return plan, True


def newest_plan(store: Store, collection: str, batch: str) -> tuple[int, PlanDocument | None]:
    """Number and contents of the newest plan of a batch key; (0, None) if there is none."""
    newest = None
    for number in count(1):
        found = store.newest(PlanDocument, collection, f"{batch}:{number}")
        if found is None:
            return number - 1, newest
        newest = found[1]
    raise AssertionError("unreachable")


def succeeded(store: Store, plan: PlanDocument) -> bool:
    """All targets of a plan have reported a model that was trained, scored and registered."""
    results = [store.newest(ResultDocument, plan.collection, f"{plan.key}/{target.target}") for target in plan.targets]
    return all(found is not None and found[1].complete for found in results)


def resolve(store: Store, collection: str, name: str, target: TargetSettings) -> dict[str, Any]:
    """The full training configuration of a target: its preset with what ``lanner.yaml`` changes.

    Starting weights given as a file are put into the store under their hash, so that the configuration -- and the
    job's name -- depends on what they are, not on where they lay.
    """
    program, changes = program_of(name), dict(target.training)
    weights = str(changes.get("weights", "none"))
    if program.takes_weights and weights not in NAMED_WEIGHTS:
        changes["weights"] = _put_weights(store, collection, name, PROJECT / weights)
    try:
        return program.configuration.preset(target.preset).replace(**changes).to_json()
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"lanner.yaml: collections.{collection}.targets.{name}.training: {wrong}") from wrong


def _put_weights(store: Store, collection: str, target: str, file: Path) -> str:
    if not file.is_file():
        raise ValueError(
            f"lanner.yaml: collections.{collection}.targets.{target}.training.weights: there is no file {file}. "
            "Expected a .weights.h5 file, 'imagenet' or 'none'."
        )
    relative = f"{collection}/weights/{sha256_of(file)[:16]}.weights.h5"
    return relative if store.exists(relative) else store.copy_in(file, relative)


def _reason(last: PlanDocument | None, unchanged: bool, retrain: bool) -> str:
    if retrain:
        return "asked for by a person"
    if last is None:
        return "the first dataset of this key"
    return "the plan before has not succeeded everywhere" if unchanged else "dataset or configuration changed"
