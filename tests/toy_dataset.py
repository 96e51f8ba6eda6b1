"""The toy collection as a dataset in a store: shards, COCO JSON and document of its three sides."""

from __future__ import annotations

from pathlib import Path

from include.documents import Category, DatasetDocument, Shard, SideDocument
from include.store import Store
from tests.toy_collection import COLOURS, ToyImage, make_images, write_coco, write_label_map, write_shard


def put_dataset(
    store: Store,
    scratch: Path,
    *,
    train: list[ToyImage] | None = None,
    validation: list[ToyImage] | None = None,
    holdout: list[ToyImage] | None = None,
) -> DatasetDocument:
    """Put it into a store. ``scratch`` is a folder to write in."""

    def side(name: str, images: list[ToyImage]) -> SideDocument:
        shard = store.copy_in(write_shard(scratch / f"{name}.tfrecord", images), f"toy/{name}/0.tfrecord")
        coco = store.copy_in(write_coco(scratch / f"{name}.json", images), f"toy/{name}.json")
        boxes = sum(len(image.boxes) for image in images)
        shards = (Shard(path=shard, bytes=1, images=len(images), boxes=boxes),)
        return SideDocument(images=len(images), boxes=boxes, classes={}, shards=shards, coco=coco)

    dataset = DatasetDocument(
        collection="toy",
        key="all",
        batches=(),
        label_map=tuple(Category(id=number, name=name) for number, name in enumerate(COLOURS, start=1)),
        label_map_pbtxt=store.copy_in(write_label_map(scratch / "label_map.pbtxt"), "toy/label_map.pbtxt"),
        assignments="a",
        sides={
            "train": side("train", make_images(16, seed=1) if train is None else train),
            "validation": side("validation", make_images(8, seed=2) if validation is None else validation),
            "holdout": side("holdout", make_images(6, seed=4) if holdout is None else holdout),
        },
    )
    store.put(dataset)
    return dataset
