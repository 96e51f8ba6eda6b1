"""The labelling loop over an annotated set whose annotations were taken away: the real rounds, a simulated reviewer."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from include.dataset.batch import check_batch
from include.dataset.manifest import SoundImage, read_manifest
from include.documents import BatchDocument
from include.labelling.closing import close_round
from include.labelling.documents import ReviewDocument
from include.labelling.labeller import Labeller
from include.labelling.rounds import open_round
from include.labelling.simulated import NAME, Effort, review_round
from include.settings import LabellingSettings
from include.store import Store

COLLECTION, BATCH, TRUTH = "loop", "pool", "truth"


class Simulation:
    """Labels the images of a folder round by round, in a store of its own.

    Attributes:
        store: where rounds, reviews and labelled batches are.
        truth: the boxes of each image that is to be labelled, by SHA-256.
        rounds: the review of each round so far, and what it took.

    Args:
        folder: images with their annotations.
        scratch: where the store and the bare images are put.
        images: in a round.
        leave_out: SHA-256 of images that are not to be labelled (a hold-out).
        threshold: suggestions of a lower score are not shown.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        *,
        images: int,
        leave_out: Collection[str] = (),
        threshold: float = LabellingSettings().threshold,
    ) -> None:
        self.store = Store(scratch / "store")
        checked = check_batch(folder, store=self.store, collection=TRUTH, key=BATCH)
        manifest = self.store.get(BatchDocument, checked).manifest
        sound = [image for image in read_manifest(self.store, manifest) if image.sha256 not in leave_out]
        self.truth = {image.sha256: image.boxes for image in sound}
        self.classes = sorted({box.label for boxes in self.truth.values() for box in boxes})
        self.rounds: list[tuple[ReviewDocument, Effort]] = []
        self._settings = LabellingSettings(images=images, threshold=threshold)
        self._bare = _take_annotations_away(folder, sound, scratch / "bare")

    @property
    def true_boxes(self) -> int:
        return sum(map(len, self.truth.values()))

    @property
    def effort(self) -> Effort:
        """Of all rounds so far."""
        return sum((effort for _, effort in self.rounds), start=Effort())

    def step(self, labeller: Labeller) -> Effort | None:
        """One round: chosen, suggested, reviewed, closed. None: no image was left."""
        opened = open_round(
            self.store,
            self._bare,
            labeller,
            collection=COLLECTION,
            batch=BATCH,
            source="bare",
            classes=self.classes,
            any_class=False,
            settings=self._settings,
        )
        if opened is None:
            return None
        effort = review_round(self.store, opened, self.truth)
        self.rounds.append((close_round(self.store, opened, by=NAME, stop=False), effort))
        return effort


def _take_annotations_away(folder: Path, images: Collection[SoundImage], bare: Path) -> Path:
    """A folder with the images alone. Copies: a batch's links may not lead out of it."""
    bare.mkdir(parents=True)
    for image in images:
        name = f"{image.sha256}.{'jpg' if image.format == 'jpeg' else 'png'}"
        shutil.copyfile(folder / image.file, bare / name)
    return bare
