"""Shards: some hundred images with their boxes in one TFRecord file, named by what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from google_crc32c import extend
from google_crc32c import value as crc32c

from include.dataset.image_check import MAX_BYTES
from include.dataset.manifest import SoundImage, encode_line, read_lines, write_hashed
from include.dataset.quarantine import Refused
from include.dataset.source import read_inside
from include.dataset.tfrecord import Floats, Ints, encode_example, frame
from include.documents import Record, Shard, Side
from include.store import Store

ENCODING = "1"  # raised whenever the same images would give other bytes, so that shards get new names
MAX_SHARD_BYTES = 64 << 20
MAX_SHARD_IMAGES = 512


class SourceChanged(ValueError):
    """An image is no longer what it was when its batch was checked."""


class LabelledImage(NamedTuple):
    """A sound image and the class id of each of its boxes."""

    image: SoundImage
    class_ids: tuple[int, ...]


class PlannedShard(Record):
    """A shard before it is written. ``path`` depends on its contents alone, not on where they are read from."""

    path: str
    side: Side
    source: str  # the folder of its batch
    records: str  # JSON lines, one for each of its images
    images: int
    boxes: int


def cut(images: Iterable[SoundImage]) -> Iterator[list[SoundImage]]:
    """Cut images into runs that are small enough for a shard."""
    run: list[SoundImage] = []
    size = 0
    for image in images:
        if run and (len(run) == MAX_SHARD_IMAGES or size + image.bytes > MAX_SHARD_BYTES):
            yield run
            run, size = [], 0
        run.append(image)
        size += image.bytes
    if run:
        yield run


def plan_shard(
    store: Store, collection: str, source: str, side: Side, images: Sequence[SoundImage], ids: dict[str, int]
) -> PlannedShard:
    """Write down what a shard will contain."""
    lines = [
        encode_line(image._replace(given_side=None).to_json() | {"class_ids": [ids[box.label] for box in image.boxes]})
        for image in images
    ]
    contents = hashlib.sha256(ENCODING.encode() + b"".join(lines)).hexdigest()
    return PlannedShard(
        path=f"{collection}/shards/{side}/{contents[:16]}.tfrecord",
        side=side,
        source=source,
        records=write_hashed(store, lines, lambda sha: f"{collection}/plans/records/{sha}.jsonl"),
        images=len(images),
        boxes=sum(len(image.boxes) for image in images),
    )


def planned_images(store: Store, shard: PlannedShard) -> Iterator[LabelledImage]:
    for line in read_lines(store, shard.records):
        class_ids = tuple(line.pop("class_ids"))
        yield LabelledImage(SoundImage.from_json(line), class_ids)


def about(shard: PlannedShard) -> str:
    """Path of the file beside a shard that says it is complete, and how large."""
    return shard.path.removesuffix("tfrecord") + "json"


def is_written(store: Store, shard: PlannedShard) -> bool:
    return store.exists(about(shard)) and store.exists(shard.path)


def write_shard(store: Store, shard: PlannedShard) -> Shard:
    """Write a shard from its batch's folder, one image in memory at a time. Image bytes are copied as they are.

    Raises:
        SourceChanged: an image is gone or has other bytes than when the batch was checked.
    """
    crc, size, source = 0, 0, Path(shard.source)
    with store.writing(shard.path) as temporary, temporary.open("wb") as file:
        for labelled in planned_images(store, shard):
            for part in frame(encode_example(features(labelled, read_checked(source, labelled.image)))):
                crc = extend(crc, part)
                size += len(part)
                file.write(part)
    written = Shard(path=shard.path, crc32c=f"{crc:08x}", bytes=size, images=shard.images, boxes=shard.boxes)
    store.write(about(shard), written.model_dump_json().encode())
    return written


def read_checked(source: Path, image: SoundImage) -> bytes:
    """The bytes of an image, after making sure that they are still those that were checked.

    Against accidents a CRC is enough; the SHA-256 of every byte was taken in the check of the batch.
    """
    try:
        data = read_inside(source, image.file, MAX_BYTES)
    except Refused as refused:
        raise SourceChanged(
            f"{image.file} in {source} cannot be read any more ({refused.problem.code}: {refused.problem.value}). "
            "Bring it back, or ingest the batch again."
        ) from refused
    changed = crc32c(data) != image.crc32c if image.crc32c else hashlib.sha256(data).hexdigest() != image.sha256
    if changed or len(data) != image.bytes:
        raise SourceChanged(f"{image.file} in {source} was changed after its batch was ingested. Ingest it again.")
    return data


def features(labelled: LabelledImage, encoded: bytes) -> dict[str, Any]:
    """An image under the TF Object Detection API's keys; box corners as fractions of the image's sides.

    https://github.com/tensorflow/models/blob/master/research/object_detection/data_decoders/tf_example_decoder.py
    """
    image, class_ids = labelled
    boxes = image.boxes
    return {
        "image/height": Ints([image.height]),
        "image/width": Ints([image.width]),
        "image/filename": [image.file.encode()],
        "image/source_id": [image.sha256[:16].encode()],
        "image/key/sha256": [image.sha256.encode()],
        "image/encoded": [encoded],
        "image/format": [image.format.encode()],
        "image/object/bbox/xmin": Floats(box.xmin / image.width for box in boxes),
        "image/object/bbox/xmax": Floats(box.xmax / image.width for box in boxes),
        "image/object/bbox/ymin": Floats(box.ymin / image.height for box in boxes),
        "image/object/bbox/ymax": Floats(box.ymax / image.height for box in boxes),
        "image/object/class/text": [box.label.encode() for box in boxes],
        "image/object/class/label": Ints(class_ids),
        "image/object/difficult": Ints(int(box.difficult) for box in boxes),
    }
