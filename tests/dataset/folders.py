"""Small batches to test on, written to folders as people's tools write them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from include.dataset.annotation import Annotation, Box
from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.dataset.manifest import SoundImage, read_lines, read_manifest
from include.dataset.voc import write_annotation
from include.documents import BatchDocument, DatasetDocument
from include.store import Store

WIDTH, HEIGHT = 40, 30  # not square: swapped axes would show
CAT = Box("cat", 4, 5, 20, 25)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "datasets"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real image sets (../shared/datasets) are not here")


def encode(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT), format: str = "jpeg", **options: Any) -> bytes:
    """An image of blocks in random colours; images of different seeds look different."""
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(file, format, **options)
    return file.getvalue()


def write_pair(
    folder: Path,
    stem: str,
    *boxes: Box,
    seed: int | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    image: bytes | None = None,
    filename: str | None = None,
    suffix: str = ".jpg",
) -> Path:
    """An image and its VOC file side by side. Returns the image's path; ``size`` is what the XML says."""
    path = folder / f"{stem}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(sum(map(ord, stem)) if seed is None else seed) if image is None else image)
    annotation = Annotation("", path.name if filename is None else filename, *size, boxes)
    (folder / f"{stem}.xml").write_bytes(write_annotation(annotation))
    return path


def write_coco(path: Path, images: list[Any], annotations: list[Any], categories: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


class Checked:
    """A checked batch, read back from the store."""

    def __init__(self, folder: Path, store: Store, collection: str = "tests", key: str = "b1", **options: Any) -> None:
        self.path = check_batch(folder, store=store, collection=collection, key=key, **options)
        self.document = store.get(BatchDocument, self.path)
        self.faults = list(read_lines(store, self.document.quarantine))
        self.images: list[SoundImage] = list(read_manifest(store, self.document.manifest))

    @property
    def codes(self) -> list[str]:
        return sorted(fault["code"] for fault in self.faults)

    def assert_conserved(self) -> None:
        for count in (self.document.images, self.document.boxes):
            assert count.found == count.used + count.quarantined
        assert self.document.images.used == len(self.images)
        assert self.document.boxes.used == sum(len(image.boxes) for image in self.images)


def build(store: Store, key: str, collection: str = "tests", **options: Any) -> DatasetDocument:
    plan = plan_shards(store, collection=collection, key=key, **options)
    convert_missing(store, plan)
    return store.get(DatasetDocument, publish_dataset(store, plan))
