"""What passes through the labelling loop: a round (what is to be reviewed), answers, and the review (what was said)."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from include.dataset.annotation import Box
from include.documents import Document, Record

LONGEST_LABEL = 100  # characters of a class's name
LONGEST_STEM = 60  # characters of an image's own name that its copy keeps
Decision = Literal["labelled", "skipped", "undecided"]
SUFFIX = {"jpeg": ".jpg", "png": ".png"}


class LabelledBox(Record):
    """A box in whole pixels of its image, (0, 0) at the top left, as Pascal VOC has it here (``dataset/voc.py``)."""

    label: str = Field(min_length=1, max_length=LONGEST_LABEL)
    xmin: int
    ymin: int
    xmax: int
    ymax: int

    @property
    def box(self) -> Box:
        return Box(self.label, self.xmin, self.ymin, self.xmax, self.ymax)


class Suggestion(LabelledBox):
    score: float  # 0..1, what the labeller is sure of


class ReviewedBox(LabelledBox):
    suggestion: int | None = Field(default=None, ge=0)  # which of the image's suggestions it came from; None: drawn


class Pool(Record):
    """Conservation: ``found == labelled + skipped + set_aside + left``."""

    found: int  # images without an annotation
    labelled: int
    skipped: int  # by the person; not asked about again
    set_aside: int  # unusable, each with its reason in the round's quarantine
    left: int  # nobody has decided yet


class RoundImage(Record):
    """An image to be reviewed."""

    sha256: str
    file: str  # relative to the batch's source
    width: int  # pixels, as stored; EXIF orientation is not applied, nor is it in training
    height: int
    format: Literal["jpeg", "png"]
    uncertainty: float  # of the labeller, 0..1, see ``choosing.py``
    suggestions: tuple[Suggestion, ...]

    @property
    def name(self) -> str:
        """What its copy is called in the labelled batch: its own name made harmless, and unique."""
        stem = self.file.rpartition("/")[2].rpartition(".")[0] or "image"
        return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', stem)[:LONGEST_STEM]}-{self.sha256[:12]}{SUFFIX[self.format]}"

    def stored(self, collection: str) -> str:
        """Where the page finds it in the store, whatever happens to the batch's source."""
        return f"{collection}/labelling/images/{self.sha256}{SUFFIX[self.format]}"


class RoundDocument(Document):
    """What is to be reviewed next of a batch. Its key carries the round's number: ``2026-11-20:1``."""

    kind: ClassVar[str] = "labelling_round"
    source: str  # of the images, as the settings name it
    labeller: str  # who suggested: "raccoon/3" is a version of the registry; "nobody"
    classes: tuple[str, ...]  # to choose from; the order is that of their ids
    any_class: bool  # the collection declares none: others may be named
    images: tuple[RoundImage, ...]
    pool: Pool  # when the round was opened
    quarantine: str  # JSON lines, one Fault for each image that is set aside

    @property
    def batch(self) -> str:
        """The batch without annotations that is being labelled."""
        return self.key.rpartition(":")[0]

    @property
    def number(self) -> int:
        return int(self.key.rpartition(":")[2])

    @property
    def title(self) -> str:
        """As a partition's key is written, and as people and the page name it: ``raccoon:2026-11-20:1``."""
        return f"{self.collection}:{self.key}"

    @property
    def labelled_batch(self) -> str:
        """Key of the batch that comes of it: sorted after the batch that it is of, before the next."""
        return f"{self.batch}.labelled-{self.number:03}"


class Answer(Record):
    """What a person said about one image of a round. Every change is a file of its own; the last one counts."""

    schema_version: Literal[1] = 1
    image: int = Field(ge=0)  # its place in the round
    revision: int = Field(ge=1)  # 1, then one more for each change
    decision: Decision
    boxes: tuple[ReviewedBox, ...] = Field(default=(), max_length=1000)  # none, labelled: nothing to be seen on it
    by: str


class BoxTally(Record):
    """What became of the suggestions, and what had to be drawn. Of images that were labelled."""

    accepted: int = 0  # suggestions that stand to the pixel
    corrected: int = 0  # moved, resized, or of another class
    rejected: int = 0
    drawn: int = 0

    @property
    def accepted_share(self) -> float | None:
        """Of all suggestions, those that were accepted unchanged; None: there was none."""
        suggested = self.accepted + self.corrected + self.rejected
        return self.accepted / suggested if suggested else None

    def __add__(self, other: BoxTally) -> BoxTally:
        return BoxTally(**{name: value + getattr(other, name) for name, value in self.model_dump().items()})


class ReviewedImage(Record):
    sha256: str
    file: str
    decision: Decision
    boxes: tuple[ReviewedBox, ...]
    by: str  # empty: undecided


class ReviewDocument(Document):
    """How a round ended. What is undecided goes back to the images that wait."""

    kind: ClassVar[str] = "labelling_review"
    round: str
    images: tuple[ReviewedImage, ...]
    pool: Pool  # when the round was closed
    boxes: BoxTally
    batch: str | None  # key of the batch that came of it; None: nothing was labelled
    stop: bool  # the person said that it is enough
    by: str  # who closed it


def tally(image: RoundImage, boxes: tuple[ReviewedBox, ...]) -> BoxTally:
    """What a person did to the suggestions of one image.

    >>> image = RoundImage(sha256="0", file="a.jpg", width=9, height=9, format="jpeg", uncertainty=0, suggestions=(
    ...     Suggestion(label="cat", xmin=1, ymin=1, xmax=5, ymax=5, score=0.9),
    ...     Suggestion(label="cat", xmin=2, ymin=2, xmax=3, ymax=3, score=0.4)))
    >>> tally(image, (ReviewedBox(label="cat", xmin=1, ymin=1, xmax=5, ymax=5, suggestion=0),
    ...               ReviewedBox(label="dog", xmin=6, ymin=6, xmax=9, ymax=9)))
    BoxTally(accepted=1, corrected=0, rejected=1, drawn=1)
    """
    kept = {box.suggestion: box.box for box in boxes if box.suggestion is not None}
    accepted = sum(image.suggestions[index].box == box for index, box in kept.items())
    return BoxTally(
        accepted=accepted,
        corrected=len(kept) - accepted,
        rejected=len(image.suggestions) - len(kept),
        drawn=sum(box.suggestion is None for box in boxes),
    )
