"""A simulated reviewer: answers a round from the truth, and counts what a person's time would have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor

import numpy as np

from include.dataset.annotation import Box
from include.labelling.answers import save_answer
from include.labelling.documents import Answer, BoxTally, ReviewedBox, RoundDocument, RoundImage, tally
from include.scoring.misses import iou
from include.store import Store

NAME = "simulated reviewer"

LOOK_SECONDS = 2.0  # to take in an image, with suggestions or without; assumed
DRAW_SECONDS = 7.0
"""To draw a box by the quickest way that was measured, clicks on an object's four extreme points; the usual way takes
five times as long (Papadopoulos et al.: Extreme Clicking for Efficient Object Annotation, ICCV 2017)."""
VERIFY_SECONDS = 1.6
"""To see whether a suggested box is right (Papadopoulos et al.: We Don't Need No Bounding-Boxes, CVPR 2016; the figure
from memory, not verified)."""
CORRECT_SECONDS = 4.0  # to move the edges of a box or change its class, once it was seen to be wrong; assumed
REJECT_SECONDS = 1.0  # to delete a box, once it was seen to be wrong; assumed

GOOD_ENOUGH = 0.7
"""IoU with the truth from which a box is accepted as it is; assumed. It then stays as imprecise as it was suggested."""
WORTH_CORRECTING = 0.4  # IoU from which a box is corrected rather than deleted and drawn; assumed


@dataclass(frozen=True)
class Effort:
    """What labelling came to."""

    images: int = 0
    boxes: BoxTally = field(default_factory=BoxTally)
    true_boxes: int = 0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.images + other.images, self.boxes + other.boxes, self.true_boxes + other.true_boxes)

    @property
    def minutes(self) -> float:
        """With suggestions."""
        tallied = self.boxes
        suggested = tallied.accepted + tallied.corrected + tallied.rejected
        seconds = self.images * LOOK_SECONDS + suggested * VERIFY_SECONDS + tallied.drawn * DRAW_SECONDS
        return (seconds + tallied.corrected * CORRECT_SECONDS + tallied.rejected * REJECT_SECONDS) / 60

    @property
    def minutes_by_hand(self) -> float:
        """With every box drawn."""
        return (self.images * LOOK_SECONDS + self.true_boxes * DRAW_SECONDS) / 60

    def __str__(self) -> str:
        tallied, share = self.boxes, self.boxes.accepted_share
        accepted = f"{tallied.accepted} accepted unchanged" + (f" ({share:.0%})" if share is not None else "")
        return (
            f"{self.images} images, {self.true_boxes} boxes: {accepted}, {tallied.corrected} corrected, "
            f"{tallied.rejected} rejected, {tallied.drawn} drawn; {self.minutes:.1f} min, {self.minutes_by_hand:.1f} "
            f"by hand, {self.minutes_by_hand - self.minutes:.1f} saved"
        )


def review_round(store: Store, round_: RoundDocument, truth: Mapping[str, Sequence[Box]]) -> Effort:
    """Answer for every image of a round as a person would who sees what is in ``truth``.

    Args:
        truth: the boxes of each image, by the SHA-256 of its bytes.
    """
    effort = Effort()
    for index, image in enumerate(round_.images):
        boxes = reviewed(image, truth[image.sha256])
        answer = Answer(image=index, revision=1, decision="labelled", boxes=boxes, by=NAME)
        save_answer(store, round_, answer)
        effort += Effort(1, tally(image, boxes), len(truth[image.sha256]))
    return effort


def reviewed(image: RoundImage, truth: Sequence[Box]) -> tuple[ReviewedBox, ...]:
    """The boxes of an image after its review.

    The surest suggestion chooses first, among the boxes of the truth that are free, the one that it overlaps most. As
    good as ``GOOD_ENOUGH`` and of the right class it stands; from ``WORTH_CORRECTING`` on it is corrected; else it
    goes. What no suggestion was for is drawn.
    """
    overlap = iou(_xywh([each.box for each in image.suggestions]), _xywh(truth))
    free = set(range(len(truth)))
    boxes: list[ReviewedBox] = []
    for index, suggestion in enumerate(image.suggestions):
        best = max(free, key=lambda at: overlap[index, at], default=None)
        if best is None or overlap[index, best] < WORTH_CORRECTING:
            continue
        free.remove(best)
        stands = overlap[index, best] >= GOOD_ENOUGH and suggestion.label == truth[best].label
        boxes.append(_reviewed_box(suggestion.box if stands else truth[best], image, index))
    return (*boxes, *(_reviewed_box(truth[at], image, None) for at in sorted(free)))


def _reviewed_box(box: Box, image: RoundImage, suggestion: int | None) -> ReviewedBox:
    """A box in whole pixels, rounded outwards, so that none is lost; it lies in its image, whose sides are whole."""
    return ReviewedBox(
        label=box.label,
        xmin=floor(box.xmin),
        ymin=floor(box.ymin),
        xmax=ceil(box.xmax),
        ymax=ceil(box.ymax),
        suggestion=suggestion,
    )


def _xywh(boxes: Sequence[Box]) -> np.ndarray:
    corners = np.array([box[1:5] for box in boxes], np.float64).reshape(-1, 4)
    return np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
