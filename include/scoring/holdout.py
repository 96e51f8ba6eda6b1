"""The hold-out side, read back as models meet it: encoded images from its shards, truth from its COCO JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class HoldOutMismatch(ValueError):
    """The shards and the COCO JSON of a side do not speak of the same images."""


@dataclass(frozen=True, eq=False)
class HoldOutImage:
    """One image of the hold-out.

    Attributes:
        id: the image's id in the COCO JSON.
        encoded: the JPEG or PNG file, byte for byte.
        boxes: (N, 4) float64 truth: x, y, width, height in pixels, COCO's ``bbox``.
        classes: (N,) int64 category ids.
    """

    id: int
    file_name: str
    width: int
    height: int
    encoded: bytes
    boxes: NDArray[np.float64]
    classes: NDArray[np.int64]


class HoldOut:
    """All images of the hold-out with their truth, read shard by shard: only one image is held at a time.

    The two sources are joined by the SHA-256 of the image's bytes: ``image/key/sha256`` in a TFRecord example (the
    key of the TF Object Detection API), ``sha256`` of an entry of ``images`` in the COCO JSON. Every image must be
    in both, else ``HoldOutMismatch``.
    """

    def __init__(self, shards: Sequence[Path], coco: Path) -> None:
        self.shards = tuple(shards)
        self.coco_path = coco
        self.coco: dict[str, Any] = json.loads(coco.read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return len(self.coco["images"])

    @cached_property
    def label_map(self) -> dict[int, str]:
        """Class names by id, from 1."""
        return {category["id"]: category["name"] for category in self.coco["categories"]}

    @cached_property
    def _truth(self) -> dict[int, list[dict[str, Any]]]:
        truth: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in self.coco["images"]}
        for annotation in self.coco["annotations"]:
            if not annotation.get("iscrowd"):
                truth[annotation["image_id"]].append(annotation)
        return truth

    def __iter__(self) -> Iterator[HoldOutImage]:
        entries = {entry["sha256"]: entry for entry in self.coco["images"]}
        for shard, sha256, encoded in self._records():
            entry = entries.pop(sha256, None)
            if entry is None:
                raise HoldOutMismatch(
                    f"{shard}: the image with sha256 {sha256} is not in {self.coco_path}, or is twice in the shards. "
                    "Shards and COCO JSON must come from the same dataset document."
                )
            annotations = self._truth[entry["id"]]
            yield HoldOutImage(
                id=entry["id"],
                file_name=entry["file_name"],
                width=entry["width"],
                height=entry["height"],
                encoded=encoded,
                boxes=np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4),
                classes=np.array([a["category_id"] for a in annotations], np.int64),
            )
        if entries:
            example = next(iter(entries.values()))
            raise HoldOutMismatch(
                f"{len(entries)} of the {len(self)} images in {self.coco_path} are in no shard, for example "
                f"{example['file_name']} (sha256 {example['sha256']}). Pass all shards of the hold-out."
            )

    def _records(self) -> Iterator[tuple[Path, str, bytes]]:
        import tensorflow as tf

        for shard in self.shards:
            for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
                feature = tf.train.Example.FromString(record).features.feature
                sha256 = feature["image/key/sha256"].bytes_list.value[0].decode()
                yield shard, sha256, feature["image/encoded"].bytes_list.value[0]
