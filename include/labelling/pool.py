"""The images of a batch that no annotation belongs to: just those that ingest sets aside for it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from include.dataset.batch import list_candidates
from include.dataset.coco import load_instances
from include.dataset.image_check import MAX_BYTES, ImageFacts, inspect_image
from include.dataset.quarantine import Notes, Problem, Refused, fault
from include.dataset.source import SourceFiles, list_source
from include.documents import Fault

LOOK_SIDE = 8  # pixels
NO_ANNOTATION = "image_without_annotation"


class SourceChanged(RuntimeError):
    """A file of the batch is not what it was when the batch was looked through."""


@dataclass(frozen=True, eq=False, slots=True)
class PoolImage:
    """A sound image without an annotation.

    Attributes:
        file: relative to the batch's source.
        look: what it looks like, see ``look_of``.
    """

    file: str
    facts: ImageFacts
    look: NDArray[np.float32]
    source: SourceFiles = field(repr=False)

    def read(self) -> bytes:
        """Its bytes, which are those that were looked at; ``SourceChanged`` if they are not."""
        data = self.source.read(self.file, MAX_BYTES)
        if inspect_image(data, self.file).sha256 != self.facts.sha256:
            raise SourceChanged(f"{self.file} was changed while its batch was looked through. Run the task again.")
        return data


@dataclass(frozen=True)
class Survey:
    """All images without an annotation, each once: sound ones, and those set aside with their reason."""

    images: tuple[PoolImage, ...]
    faults: tuple[Fault, ...]

    @property
    def found(self) -> int:
        return len(self.images) + len(self.faults)


def survey(folder: Path, labelled_before: Iterable[str] = ()) -> Survey:
    """Look through a batch's folder.

    Args:
        labelled_before: SHA-256 of images that other batches of the collection have with their boxes.

    Raises:
        NotADirectoryError: it is no folder.
    """
    files = list_source(folder)
    instances, _ = load_instances(files)
    images: dict[str, PoolImage] = {}
    faults: list[Fault] = []
    others = dict.fromkeys(labelled_before, "an image of another batch, which has its boxes")
    for candidate in list_candidates(files, instances, Notes()):
        if candidate.image is None or candidate.problem is None or candidate.problem.code != NO_ANNOTATION:
            continue
        try:
            image = _examined(files, candidate.image)
        except Refused as refused:
            faults.append(fault(refused.problem, images=1))
            continue
        sha256 = image.facts.sha256
        if same := others.get(sha256):
            faults.append(fault(Problem("duplicate_image", image.file, "sha256", f"same as {same}"), images=1))
            continue
        images[sha256] = image
        others[sha256] = image.file
    return Survey(tuple(images.values()), tuple(faults))


def _examined(files: SourceFiles, path: str) -> PoolImage:
    data = files.read(path, MAX_BYTES)
    return PoolImage(path, inspect_image(data, path), look_of(data), files)


def look_of(encoded: bytes) -> NDArray[np.float32]:
    """(192,) what an image looks like: its 8 x 8 thumbnail in RGB, without its mean, of length 1.

    Distances between such "tiny images" follow what people call similar surprisingly well, at no cost (Torralba,
    Fergus, Freeman: 80 Million Tiny Images, PAMI 2008; theirs are 32 x 32).
    """
    image: Any = Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG"))
    image.draft("RGB", (8 * LOOK_SIDE, 8 * LOOK_SIDE))
    small = image.convert("RGB").resize((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32).ravel()
    pixels = pixels - pixels.mean()
    length = float(np.linalg.norm(pixels))
    return pixels / length if length else pixels
