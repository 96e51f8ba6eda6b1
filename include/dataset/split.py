"""Which side an image is on: train, validation or hold-out. Decided once, recorded, never changed."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from include.dataset.near_duplicates import NearDuplicates, look_alikes
from include.documents import SIDES, Side

Why = Literal["hash", "near_duplicate", "given", "class_lacked_side"]
Shares = tuple[float, float, float]  # of train, validation, hold-out

BITS: dict[Side, int] = {side: 1 << index for index, side in enumerate(SIDES)}
FEWEST_IMAGES = 10  # a class with so many images should be on every side


@dataclass(frozen=True, slots=True)
class Assignment:
    sha256: str
    side: Side
    why: Why
    dhash: str  # so that later near-duplicates find it


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An image of the batch that is being added."""

    sha256: str
    dhash: str
    classes: frozenset[str]
    allowed: tuple[Side, ...] = SIDES  # fewer where the batch gives a split


def allowed_sides(given: Side | None, given_in_batch: set[Side]) -> tuple[Side, ...]:
    """The sides on which an image with a given side may be. Sides given to nobody are taken from train's share."""
    if given is None:
        return SIDES
    if given != "train":
        return (given,)
    return tuple(side for side in SIDES if side == "train" or side not in given_in_batch)


def draw(sha256: str, shares: Shares, allowed: Sequence[Side] = SIDES) -> Side:
    """The side that an image's hash draws, each of those allowed with a chance proportional to its share."""
    chances = [share if side in allowed else 0.0 for side, share in zip(SIDES, shares, strict=True)]
    point = int(sha256[:13], 16) / 16**13 * sum(chances)
    for side, chance in zip(SIDES, chances, strict=True):
        if point < chance:
            return side
        point -= chance
    return allowed[0]  # all shares of the sides allowed are 0


def group_lot(hashes: Sequence[str]) -> str:
    """What a group of look-alikes draws its side with: an image alone with its own hash.

    The smallest hash of several, as it stands, would be a small number, and nearly always draw the first side.
    """
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(min(hashes).encode()).hexdigest()


class Split:
    """All assignments of a collection. Batches are added in key order; what was assigned before stands."""

    def __init__(self, shares: Shares, recorded: Iterable[Assignment] = ()) -> None:
        self.shares = shares
        self.assignments: dict[str, Assignment] = {}
        self.images_by_class: dict[str, Counter[Side]] = defaultdict(Counter)  # of the batches added, not of all
        self._near = NearDuplicates()
        self._first: list[str] = []  # for each of its hashes, the image with the smallest SHA-256
        self._first_number = array("Q")  # and how that begins, as a number
        for assignment in recorded:
            self._record(assignment)

    def add_batch(self, images: Sequence[Newcomer]) -> None:
        """Assign those images of a batch that have no side yet. Their order does not matter."""
        new = sorted(
            (image for image in images if image.sha256 not in self.assignments), key=lambda image: image.sha256
        )
        movable: list[Newcomer] = []
        for group, recorded in self._groups(new):
            together = [side for side in SIDES if all(side in image.allowed for image in group)]
            lot = group_lot([image.sha256 for image in group])
            wanted = recorded.side if recorded else draw(lot, self.shares, together or group[0].allowed)
            for image in group:
                side = wanted if wanted in image.allowed else draw(image.sha256, self.shares, image.allowed)
                alone = len(group) == 1 and not recorded
                why: Why = "given" if len(image.allowed) == 1 else "hash" if alone else "near_duplicate"
                self._record(Assignment(image.sha256, side, why, image.dhash))
                if why == "hash":
                    movable.append(image)
        for image in images:
            for name in image.classes:
                self.images_by_class[name][self.assignments[image.sha256].side] += 1
        self._fill_sides(movable)

    def classes_lacking_a_side(self) -> list[tuple[str, Side]]:
        return [
            (name, side)
            for name, sides in sorted(self.images_by_class.items())
            if sides.total() >= FEWEST_IMAGES
            for side, share in zip(SIDES, self.shares, strict=True)
            if share and not sides[side]
        ]

    def straddling(self, images: Collection[str]) -> int:
        """How many of these images have a near-duplicate among them on another side, as a given split can demand."""
        assigned = [self.assignments[sha256] for sha256 in images]
        distinct = {int(each.dhash, 16): 0 for each in assigned}
        index = NearDuplicates(distinct)
        sides = np.zeros(len(distinct), np.uint8)  # of each hash, the sides of its images, a bit each
        for each in assigned:
            if (position := index.position(int(each.dhash, 16))) is not None:
                sides[position] |= BITS[each.side]
        for dhash in distinct:
            distinct[dhash] = int(np.bitwise_or.reduce(sides[index.near(dhash)]))
        return sum(bool(distinct[int(each.dhash, 16)] & ~BITS[each.side]) for each in assigned)

    def _groups(self, new: list[Newcomer]) -> list[tuple[list[Newcomer], Assignment | None]]:
        """New images that look alike, directly or through others, with one recorded earlier that looks so too."""
        groups = look_alikes([int(image.dhash, 16) for image in new])
        return [
            (group := [new[index] for index in indices], self._recorded_like({image.dhash for image in group}))
            for indices in groups
        ]

    def _recorded_like(self, hashes: Iterable[str]) -> Assignment | None:
        """The recorded image that looks like one of these; among several, that with the smallest SHA-256."""
        found = [
            self._first[near[np.frombuffer(self._first_number, np.uint64)[near].argmin()]]
            for dhash in hashes
            if (near := self._near.near(int(dhash, 16))).size
        ]
        return self.assignments[min(found)] if found else None

    def _fill_sides(self, movable: list[Newcomer]) -> None:
        """Move one image, that the hash placed in this very batch, to each side that a class of some size lacks."""
        for name, side in self.classes_lacking_a_side():
            if self.images_by_class[name][side]:
                continue  # an image moved for another class brought this one along
            for image in movable:
                origin = self.assignments[image.sha256].side
                if name in image.classes and side in image.allowed and self._can_spare(image, origin):
                    self.assignments[image.sha256] = Assignment(image.sha256, side, "class_lacked_side", image.dhash)
                    for each in image.classes:
                        self.images_by_class[each][origin] -= 1
                        self.images_by_class[each][side] += 1
                    break

    def _can_spare(self, image: Newcomer, origin: Side) -> bool:
        return all(self.images_by_class[name][origin] > 1 for name in image.classes)

    def _record(self, assignment: Assignment) -> None:
        sha256 = assignment.sha256
        self.assignments[sha256] = assignment
        dhash = int(assignment.dhash, 16)
        self._near.add(dhash)
        if (position := self._near.position(dhash)) is None:
            return
        if position == len(self._first):
            self._first.append(sha256)
            self._first_number.append(int(sha256[:16], 16))
        elif sha256 < self._first[position]:
            self._first[position], self._first_number[position] = sha256, int(sha256[:16], 16)
