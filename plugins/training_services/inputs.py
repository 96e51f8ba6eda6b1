"""What a job reads, as local files: the same for every cloud. The hold-out is never among them."""

from __future__ import annotations

from pathlib import Path

from include.documents import SIDES, DatasetDocument
from include.store import Store
from training_services.job import TrainingJob


def data_folder(job: TrainingJob) -> str:
    """Where the dataset of a job lies in a bucket, below the deployment's prefix."""
    return f"data/{Path(job.dataset).stem[:16]}"


def shard_files(store: Store, job: TrainingJob, scratch: Path) -> dict[str, Path]:
    """The shards of the sides that are trained on, by name: ``train/…``, ``validation/…``."""
    dataset = store.get(DatasetDocument, job.dataset)
    return {
        f"{side}/{Path(shard.path).name}": local_file(store, shard.path, scratch)
        for side in SIDES[:2]
        for shard in dataset.sides[side].shards
    }


def label_map_file(store: Store, job: TrainingJob, scratch: Path) -> Path:
    return local_file(store, store.get(DatasetDocument, job.dataset).label_map_pbtxt, scratch)


def weights_file(store: Store, job: TrainingJob, scratch: Path) -> Path | None:
    """The file of starting weights that a job's configuration names, if it names one."""
    weights = job.configuration.get("weights", "none")
    return None if weights in {"none", "imagenet"} else local_file(store, weights, scratch)


def local_file(store: Store, relative: str, scratch: Path) -> Path:
    """A file of the store as a local file: itself where the store is a folder, else a copy."""
    return Path(str(store.path(relative))) if store.is_local else store.copy_out(relative, scratch / relative)


def empty_sides(store: Store, job: TrainingJob) -> list[str]:
    """A fault for each side that is trained on and has no image."""
    dataset = store.get(DatasetDocument, job.dataset)
    return [
        f"EMPTY_SIDE: the {side} side of {job.dataset} has no image. Add images, or change the collection's shares "
        "in lanner.yaml."
        for side in SIDES[:2]
        if not dataset.sides[side].images
    ]
