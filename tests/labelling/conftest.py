from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.dataset.annotation import Box
from include.labelling.documents import ReviewedBox, RoundDocument
from include.labelling.labeller import Labeller, Proposal
from include.labelling.pool import PoolImage
from include.labelling.rounds import open_round
from include.settings import LabellingSettings
from include.store import Store
from tests.dataset.folders import encode

SIZE = (80, 60)
CAT, DOG = Box("cat", 4, 5, 30, 40), Box("dog", 35.4, 10.6, 70.2, 50)


class Oracle:
    """A labeller that proposes what it was told for each image's bytes."""

    name = "oracle/1"

    def __init__(self, proposals: Mapping[str, Sequence[Proposal]]) -> None:
        self.proposals = proposals
        self.asked: list[str] = []

    def suggest(self, images: Iterable[PoolImage]) -> Iterator[Sequence[Proposal]]:
        for image in images:
            self.asked.append(image.file)
            yield self.proposals.get(image.facts.sha256, ())


@dataclass
class Bench:
    """A folder of images without annotations, and a store."""

    folder: Path
    store: Store

    def put(self, name: str, seed: int) -> str:
        """An image with a look of its own. Returns its SHA-256."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(seed, SIZE))
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def open(
        self, labeller: Labeller, *, images: int = 3, classes: Sequence[str] = ("cat", "dog"), any_class: bool = False
    ) -> RoundDocument | None:
        return open_round(
            self.store,
            self.folder,
            labeller,
            collection="pets",
            batch="b1",
            source="pictures",
            classes=classes,
            any_class=any_class,
            settings=LabellingSettings(images=images),
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "pictures").mkdir()
    return Bench(tmp_path / "pictures", Store(tmp_path / "store"))


def proposal(box: Box, score: float) -> Proposal:
    return Proposal(box.label, score, *box[1:5])


def box(of: Box, suggestion: int | None = None) -> ReviewedBox:
    corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), map(round, of[1:5]), strict=True))
    return ReviewedBox(label=of.label, suggestion=suggestion, **corners)
