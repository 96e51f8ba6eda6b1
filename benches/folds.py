"""A set cut into folds: each image is in the hold-out of one of them, images that look alike together."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from pathlib import Path

from include.dataset.batch import check_batch
from include.dataset.manifest import SoundImage, read_manifest
from include.dataset.near_duplicates import look_alikes
from include.dataset.source import image_stem
from include.dataset.split import draw, group_lot
from include.documents import BatchDocument, Side
from include.store import Store

REST = (0.7, 0.15, 0.0)  # how the product's default shares train and validation, of what no fold holds out
NAMES: dict[Side, str] = {"train": "train", "validation": "val", "holdout": "test"}


def lay_out_fold(folder: Path, copy: Path, fold: int, folds: int) -> Path:
    """A copy of a folder with image sets that hold one fold out; ``build`` with ``split="given"`` heeds them.

    Args:
        fold: from 1 to ``folds``.
    """
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("ImageSets"))
    store = Store(copy.with_name(f"{copy.name}-checked"))
    checked = check_batch(folder, store=store, collection="folds", key="all")
    images = list(read_manifest(store, store.get(BatchDocument, checked).manifest))
    stems: dict[Side, list[str]] = defaultdict(list)
    for group in look_alikes([int(image.dhash, 16) for image in images]):
        stems[_side([images[index] for index in group], fold, folds)] += [image_stem(images[at].file) for at in group]
    sets = copy / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for side, name in NAMES.items():
        (sets / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in sorted(stems[side])))
    return copy


def _side(group: list[SoundImage], fold: int, folds: int) -> Side:
    lot = group_lot([image.sha256 for image in group])
    if int(lot[:13], 16) * folds // 16**13 + 1 == fold:
        return "holdout"
    return draw(hashlib.sha256(lot.encode()).hexdigest(), REST)
