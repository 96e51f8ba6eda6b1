"""Folds for cross-validation: each image is held out once, and images that look alike never part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benches.datasets import build
from benches.folds import lay_out_fold
from benches.pictures import write_pictures
from include.store import Store

IMAGES, FOLDS = 30, 3


def test_each_image_is_held_out_once(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", IMAGES, (160, 120))
    held_out: list[str] = []
    for fold in range(1, FOLDS + 1):
        store = Store(tmp_path / f"store-{fold}")
        copy = lay_out_fold(tmp_path / "pictures", tmp_path / f"fold-{fold}", fold, FOLDS)
        dataset = build(copy, store, split="given")
        assert all(side.images for side in dataset.sides.values())
        assert sum(side.images for side in dataset.sides.values()) == IMAGES
        coco = json.loads(store.read(dataset.sides["holdout"].coco))
        held_out += [image["sha256"] for image in coco["images"]]
    assert len(held_out) == len(set(held_out)) == IMAGES


def test_images_that_look_alike_are_held_out_together(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    write_pictures(pictures, IMAGES, (160, 120))
    first = next(pictures.rglob("*.jpg"))
    shutil.copyfile(first, first.with_name("copy.jpg"))
    (first.with_name("copy.jpg")).write_bytes(first.read_bytes() + b"\0")  # other bytes, the same picture
    annotation = next(pictures.rglob(f"{first.stem}.xml"))
    annotation.with_name("copy.xml").write_text(annotation.read_text().replace(first.name, "copy.jpg"))
    for fold in range(1, FOLDS + 1):
        sets = lay_out_fold(pictures, tmp_path / f"fold-{fold}", fold, FOLDS) / "ImageSets" / "Main"
        for name in ("train", "val", "test"):
            stems = (sets / f"{name}.txt").read_text().split()
            assert ("copy" in stems) == (first.stem in stems)
