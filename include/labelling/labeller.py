"""Who suggests boxes: the contract, and nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from include.labelling.pool import PoolImage

LOWEST_SCORE = 0.05
"""Proposals below it are not worth a labeller's while: they are neither shown nor do they say where it is unsure."""


class Proposal(NamedTuple):
    """A box that a labeller proposes, in pixels of the image as it is stored."""

    label: str
    score: float  # 0..1
    xmin: float
    ymin: float
    xmax: float
    ymax: float


class Labeller(Protocol):
    """Looks at images and proposes boxes.

    It may do so one by one or many at a time; it does not choose images, does not drop any, and remembers nothing
    between two rounds. A service outside adds its file to ``plugins/labelling_jobs/`` and its line to
    ``labelling_jobs/labellers.py``.
    """

    name: str  # for the documents and for people: "raccoon/3"; asked for when it has suggested

    def suggest(self, images: Iterable[PoolImage]) -> Iterator[Sequence[Proposal]]:
        """For each image, in their order, what it proposes with at least ``LOWEST_SCORE``, the surest first."""
        ...


class Nobody:
    """Proposes nothing: the first round of a collection that has no model yet."""

    name = "nobody"

    def suggest(self, images: Iterable[PoolImage]) -> Iterator[Sequence[Proposal]]:
        return (() for _ in images)
