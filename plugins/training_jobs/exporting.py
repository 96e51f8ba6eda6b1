"""Export the best checkpoint of a job whose run did not get that far."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from include.documents import DatasetDocument, ExportFormat
from include.results import export_model, folder_of
from include.settings import Settings
from include.store import Store
from include.training_program import TRAINER, program_of
from training_jobs.targets import TARGETS, open_service

NAME = re.compile(r"(?P<whose>[a-z0-9-]+)-(?P<dataset>[0-9a-f]{8})-[0-9a-f]{8}-g\d+-a\d+")
BEST = "checkpoints/best"


def export_checkpoint(settings: Settings, collection: str, job: str) -> dict[ExportFormat, str]:
    """Fetch a job's best checkpoint unless the store has it, and export it. Returns where each format lies.

    Raises:
        ValueError: this is no job's name, its target or its dataset is not known here, or it has no checkpoint.
    """
    store = settings.open_store()
    target, dataset = target_and_dataset(store, collection, job)
    if program_of(target) is not TRAINER:
        raise ValueError(
            f"{job} is a model of {target}'s own algorithm, which is exported to nothing else. Once its run has "
            f"collected it, it lies in the store in {folder_of(collection, job)}/trained."
        )
    if not store.exists(f"{folder_of(collection, job)}/trained"):
        _fetch(store, collection, job, target)
    return export_model(store, dataset, job)


def target_and_dataset(store: Store, collection: str, job: str) -> tuple[str, DatasetDocument]:
    """Where a job was trained and on what, by its name.

    Raises:
        ValueError: this is no job's name, or its target or its dataset is not known here.
    """
    found = NAME.fullmatch(job)
    if found is None:
        raise ValueError(f"{job!r} is no job's name; expected one such as lanner-local-1a2b3c4d-5e6f7a8b-g1-a1.")
    return _target(found["whose"]), _dataset(store, collection, found["dataset"])


def _dataset(store: Store, collection: str, begins: str) -> DatasetDocument:
    folder = f"{collection}/documents/{DatasetDocument.kind}"
    known = [path for path in store.files(folder) if Path(path).name.startswith(begins)]
    if not known:
        raise ValueError(
            f"Collection {collection} has no dataset {begins}… (looked in {folder}). Is the job of another collection?"
        )
    return store.get(DatasetDocument, known[0])


def _target(whose: str) -> str:
    """The target in ``<namespace>-<target>``, where both may have hyphens."""
    known = [name for name in TARGETS if whose.endswith("-" + name.replace("_", "-"))]
    if not known:
        raise ValueError(f"{whose}…: there is no such target; there are {', '.join(TARGETS)}.")
    return max(known, key=len)


def _fetch(store: Store, collection: str, job: str, target: str) -> None:
    with TemporaryDirectory() as scratch:
        try:
            trained = open_service(target).collect(job, Path(scratch) / "trained")
        except FileNotFoundError:
            trained = Path(scratch)
        if not (trained / BEST).exists():
            raise ValueError(
                f"{job} has no {BEST}: it ended before its first evaluation, or target {target} does not know it."
            )
        store.copy_in(trained, f"{folder_of(collection, job)}/trained")
