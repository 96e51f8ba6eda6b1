"""Which images are worth a person's time: those that the labeller is unsure of, and that differ from one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from include.labelling.labeller import Proposal

SAYS_SOMETHING = 0.1  # score; what is below is noise
NOTHING_FOUND = 0.5
"""Uncertainty of an image on which nothing was found: empty, or all missed. Between the two extremes; assumed."""

LEAST_WEIGHT = 0.1
"""Of an image of which the labeller is sure, so that its being unlike all others still counts; assumed."""


def uncertainty(proposals: Sequence[Proposal]) -> float:
    """How unsure a labeller is of an image, 0..1: as unsure as of the box of which it is least sure.

    For a box with score s it is 1 - |2s - 1|, the margin between "object" and "none", as detectors tell one score for
    a box (Brust, Käding, Denzler: Active Learning for Deep Object Detection, VISAPP 2019, whose margin is between the
    two best classes; the maximum is one of the ways in which they bring an image's boxes together).

    >>> uncertainty([Proposal("cat", 0.99, 0, 0, 9, 9), Proposal("cat", 0.6, 20, 0, 29, 9)])
    0.8
    >>> uncertainty([])
    0.5
    """
    scores = [proposal.score for proposal in proposals if proposal.score >= SAYS_SOMETHING]
    if not scores:
        return NOTHING_FOUND
    return round(max(1 - abs(2 * score - 1) for score in scores), 4)


def choose(
    uncertainties: Sequence[float],
    looks: Sequence[NDArray[np.float32]],
    number: int,
    *,
    seen: Sequence[NDArray[np.float32]] = (),
) -> list[int]:
    """Indices of up to ``number`` images, the most wanted first.

    One after another the image is taken whose distance from all that were taken or seen before, times its
    uncertainty, is the largest: the greedy solution of k-center (Sener, Savarese: Active Learning for Convolutional
    Neural Networks: A Core-Set Approach, ICLR 2018), weighted, as BADGE weights its seeds (Ash et al., ICLR 2020).
    Where all are equally uncertain it is k-center itself. The same images give the same choice; of equals the first is
    taken.

    Args:
        looks: of each image, vectors of length 1 (``pool.look_of``).
        seen: looks of images that were labelled before.
    """
    if not looks:
        return []
    points = np.stack(looks)
    weights = np.asarray(uncertainties, np.float64) + LEAST_WEIGHT
    distances = np.min([_distances(points, one) for one in seen], axis=0) if len(seen) else np.ones(len(points))
    chosen: list[int] = []
    while len(chosen) < min(number, len(points)):
        wanted = np.where(np.isin(np.arange(len(points)), chosen), -1.0, weights * distances)
        best = int(wanted.argmax())
        chosen.append(best)
        distances = np.minimum(distances, _distances(points, points[best]))
    return chosen


def _distances(points: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.linalg.norm(points - one, axis=1).astype(np.float64)
