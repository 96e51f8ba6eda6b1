"""From checked batches to a dataset: sides and class ids are handed out, shards planned, written and published.

Everything that depends on the order of batches happens here, always in the order of their keys, so the order in
which batches were checked changes nothing. One build of a collection runs at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Literal

from include.dataset.coco import encode_instances
from include.dataset.label_map import extend, write_label_map
from include.dataset.manifest import SoundImage, encode_line, read_lines, read_manifest, write_hashed
from include.dataset.shards import PlannedShard, about, cut, is_written, plan_shard, planned_images, write_shard
from include.dataset.split import Assignment, Newcomer, Shares, Split, allowed_sides
from include.documents import (
    SIDES,
    BatchDocument,
    BatchReference,
    Category,
    DatasetDocument,
    Record,
    Shard,
    Side,
    SideDocument,
)
from include.store import NotInStore, Store


class ShardPlan(Record):
    """What a dataset will consist of, before its shards are written."""

    schema_version: Literal[1] = 1
    collection: str
    key: str
    batches: tuple[BatchReference, ...]
    label_map: tuple[Category, ...]
    assignments: str
    shards: tuple[PlannedShard, ...]
    duplicates: int
    warnings: tuple[str, ...]


class CollectionState(Record):
    """What a collection has promised for ever: the side of each image, the id of each class."""

    schema_version: Literal[1] = 1
    classes: tuple[str, ...] = ()  # in the order of their ids, which start at 1
    assignments: str | None = None

    @staticmethod
    def path(collection: str) -> str:
        return f"{collection}/state.json"

    @classmethod
    def load(cls, store: Store, collection: str) -> CollectionState:
        path = cls.path(collection)
        return cls.model_validate_json(store.read(path)) if store.exists(path) else cls()


def plan_shards(
    store: Store,
    *,
    collection: str,
    key: str,
    shares: Shares = (0.7, 0.15, 0.15),
    classes: Sequence[str] | None = None,
) -> str:
    """Hand out sides and class ids up to ``key`` and plan the shards. Returns the plan's path in the store.

    Idempotent: what was handed out before is read back. ``classes``, where declared, get the first ids in their
    order; the others follow batch by batch, sorted.

    Raises:
        NotInStore: the batch ``key`` has no document.
    """
    state = CollectionState.load(store, collection)
    split = Split(shares, read_assignments(store, state))
    names = extend(state.classes, classes or ())
    in_use = set(classes or ())
    seen: set[str] = set()
    batches: list[BatchReference] = []
    shards: list[PlannedShard] = []
    duplicates = 0
    for path, batch in batches_up_to(store, collection, key):
        images = [image for image in read_manifest(store, batch.manifest) if image.sha256 not in seen]
        duplicates += batch.images.used - len(images)
        seen |= {image.sha256 for image in images}
        split.add_batch(newcomers(images))
        in_use |= (labels := {box.label for image in images for box in image.boxes})
        names = extend(names, sorted(labels))
        ids = {name: class_id for class_id, name in enumerate(names, start=1)}
        images.sort(key=lambda image: image.sha256)
        for side in SIDES:
            mine = (image for image in images if split.assignments[image.sha256].side == side)
            shards += [plan_shard(store, collection, batch.source, side, run, ids) for run in cut(mine)]
        batches.append(BatchReference(key=batch.key, document=path))

    record(store, collection, names, split)
    last = max((position for position, name in enumerate(names, start=1) if name in in_use), default=0)
    plan = ShardPlan(
        collection=collection,
        key=key,
        batches=tuple(batches),
        label_map=tuple(Category(id=i, name=name) for i, name in enumerate(names[:last], start=1)),
        assignments=write_assignments(store, collection, [split.assignments[sha256] for sha256 in seen]),
        shards=tuple(shards),
        duplicates=duplicates,
        warnings=warnings(split, shards, split.straddling(seen)),
    )
    encoded = json.dumps(plan.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return write_hashed(store, [encoded.encode()], lambda sha: f"{collection}/plans/shards/{sha}.json")


def missing_shards(store: Store, plan_path: str) -> list[int]:
    """Indices of the plan's shards that are not in the store yet; none for an image set that did not change."""
    return [index for index, shard in enumerate(read_plan(store, plan_path).shards) if not is_written(store, shard)]


def convert_shard(store: Store, plan_path: str, index: int) -> str:
    """Write one shard of a plan, unless it is there. Returns its path. Two writers at once do no harm."""
    shard = read_plan(store, plan_path).shards[index]
    if not is_written(store, shard):
        write_shard(store, shard)
    return shard.path


def convert_missing(store: Store, plan_path: str) -> int:
    """Write all of a plan's shards that are not there yet, here and one after another. Returns how many."""
    missing = missing_shards(store, plan_path)
    for index in missing:
        convert_shard(store, plan_path, index)
    return len(missing)


def publish_dataset(store: Store, plan_path: str) -> str:
    """Write COCO JSON per side, the label map and the ``DatasetDocument``. Returns the document's path.

    Raises:
        NotInStore: a shard of the plan has not been written.
    """
    plan = read_plan(store, plan_path)
    if missing := missing_shards(store, plan_path):
        first = plan.shards[missing[0]].path
        raise NotInStore(
            f"{len(missing)} of {len(plan.shards)} shards of {plan.collection}:{plan.key} are not written, the first "
            f"is {first}. Convert them before the dataset is published."
        )
    text = write_label_map({category.id: category.name for category in plan.label_map})
    return store.put(
        DatasetDocument(
            collection=plan.collection,
            key=plan.key,
            batches=plan.batches,
            label_map=plan.label_map,
            label_map_pbtxt=write_hashed(
                store, [text.encode()], lambda sha: f"{plan.collection}/label_maps/{sha[:16]}.pbtxt"
            ),
            assignments=plan.assignments,
            sides={side: publish_side(store, plan, side) for side in SIDES},
            duplicates=plan.duplicates,
            warnings=plan.warnings,
        )
    )


def publish_side(store: Store, plan: ShardPlan, side: Side) -> SideDocument:
    """Count a side and write its COCO JSON. Memory grows with the annotations of the side, not with its images."""
    shards = [shard for shard in plan.shards if shard.side == side]
    labelled = [each for shard in shards for each in planned_images(store, shard)]
    coco = encode_instances(
        (
            {
                "file_name": image.file,
                "width": image.width,
                "height": image.height,
                "sha256": image.sha256,
                "boxes": tuple(zip(class_ids, image.boxes, strict=True)),
            }
            for image, class_ids in labelled
        ),
        ((category.id, category.name) for category in plan.label_map),
    )
    classes = Counter(box.label for image, _ in labelled for box in image.boxes)
    return SideDocument(
        images=len(labelled),
        boxes=classes.total(),
        classes=dict(sorted(classes.items())),
        shards=tuple(Shard.model_validate_json(store.read(about(shard))) for shard in shards),
        coco=write_hashed(store, [coco], lambda sha: f"{plan.collection}/coco/{sha[:16]}-{side}.json"),
    )


def batches_up_to(store: Store, collection: str, key: str) -> Iterator[tuple[str, BatchDocument]]:
    """Path and document of each batch up to ``key``, in the order of their keys."""
    batches = [batch for batch in all_batches(store, collection) if batch[1].key <= key]
    if not batches or batches[-1][1].key != key:
        raise NotInStore(f"Batch {key} of {collection} is not in {store}. Ingest it first.")
    yield from batches


def all_batches(store: Store, collection: str) -> list[tuple[str, BatchDocument]]:
    """Path and document of each batch of a collection, in the order of their keys."""
    folder = store.path(BatchDocument.pointer_for(collection, "any")).parent
    names = [pointer.name for pointer in folder.iterdir()] if folder.is_dir() else []
    found = [store.newest(BatchDocument, collection, name) for name in names if not name.startswith(".")]
    return sorted((batch for batch in found if batch), key=lambda batch: batch[1].key)


def newcomers(images: Sequence[SoundImage]) -> list[Newcomer]:
    given = {image.given_side for image in images if image.given_side}
    return [
        Newcomer(
            image.sha256,
            image.dhash,
            frozenset(box.label for box in image.boxes),
            allowed_sides(image.given_side, given),
        )
        for image in images
    ]


def warnings(split: Split, shards: Sequence[PlannedShard], straddling: int) -> tuple[str, ...]:
    """What makes the dataset less useful than it looks."""
    told = [f"{side} has no image." for side in SIDES if not any(shard.side == side for shard in shards)]
    for name, side in split.classes_lacking_a_side():
        told.append(f"Class {name} has no image in {side}, and all of its images were assigned before or together.")
    if straddling:
        told.append(f"{straddling} images look like one on another side, where the given split or a late batch put it.")
    return tuple(told)


def read_plan(store: Store, path: str) -> ShardPlan:
    return ShardPlan.model_validate_json(store.read(path))


def read_assignments(store: Store, state: CollectionState) -> Iterator[Assignment]:
    return (Assignment(**line) for line in read_lines(store, state.assignments)) if state.assignments else iter(())


def write_assignments(store: Store, collection: str, assignments: Sequence[Assignment]) -> str:
    lines = (encode_line(asdict(each)) for each in sorted(assignments, key=lambda each: each.sha256))
    return write_hashed(store, lines, lambda sha: f"{collection}/assignments/{sha}.jsonl")


def record(store: Store, collection: str, classes: Sequence[str], split: Split) -> None:
    """Make sides and class ids permanent, in one atomic step."""
    assignments = write_assignments(store, collection, list(split.assignments.values()))
    state = CollectionState(classes=tuple(classes), assignments=assignments)
    store.write(CollectionState.path(collection), state.model_dump_json().encode())
