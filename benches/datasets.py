"""Datasets as the main job builds them, for benches that train or score."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.documents import DatasetDocument, Side
from include.scoring.holdout import HoldOut
from include.store import Store


def build(
    folder: Path, store: Store, collection: str = "bench", *, split: Literal["hash", "given"] = "hash", **options: Any
) -> DatasetDocument:
    """``python -m include.dataset build``: images checked and hashed, sides assigned, shards and COCO JSON written.

    Args:
        options: of ``plan_shards``.
    """
    check_batch(folder, store=store, collection=collection, key="all", split=split)
    plan = plan_shards(store, collection=collection, key="all", **options)
    convert_missing(store, plan)
    return store.get(DatasetDocument, publish_dataset(store, plan))


def shards(store: Store, dataset: DatasetDocument, side: Side) -> list[Path]:
    return [Path(str(store.path(shard.path))) for shard in dataset.sides[side].shards]


def holdout(store: Store, dataset: DatasetDocument) -> HoldOut:
    return HoldOut(shards(store, dataset, "holdout"), Path(str(store.path(dataset.sides["holdout"].coco))))


def lay_out(store: Store, dataset: DatasetDocument, data: Path) -> Path:
    """The folder that the trainer takes as ``--data``."""
    sides: tuple[Side, ...] = ("train", "validation")
    for side in sides:
        (data / side).mkdir(parents=True)
        for shard in shards(store, dataset, side):
            (data / side / shard.name).symlink_to(shard)
    (data / "label_map.pbtxt").symlink_to(Path(str(store.path(dataset.label_map_pbtxt))))
    return data
