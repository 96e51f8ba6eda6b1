"""Which side an image is on: train, validation or hold-out. Decided once, recorded, never changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from include.dataset.near_duplicates import NearDuplicates
from include.documents import SIDES, Side

Why = Literal["hash", "near_duplicate", "given", "class_lacked_side"]
Shares = tuple[float, float, float]  # of train, validation, hold-out

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


class Split:
    """All assignments of a collection. Batches are added in key order; what was assigned before stands."""

    def __init__(self, shares: Shares, recorded: Iterable[Assignment] = ()) -> None:
        self.shares = shares
        self.assignments: dict[str, Assignment] = {}
        self.images_by_class: dict[str, Counter[Side]] = defaultdict(Counter)  # of the batches added, not of all
        self._near = NearDuplicates()
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
            wanted = recorded[0].side if recorded else draw(group[0].sha256, self.shares, together or group[0].allowed)
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
        return sum(
            any(
                self.assignments[other].side != each.side
                for other in self._near.near(int(each.dhash, 16))
                if other in images
            )
            for each in assigned
        )

    def _groups(self, new: list[Newcomer]) -> list[tuple[list[Newcomer], list[Assignment]]]:
        """New images that look alike, directly or through others, with those recorded earlier that look so too."""
        inside = NearDuplicates()
        group_of: dict[str, list[Newcomer]] = {}
        for image in new:
            group = [image]
            for sha256 in inside.near(int(image.dhash, 16)):
                if group_of[sha256] is not group:
                    group = group_of[sha256] + group
                    group_of.update((member.sha256, group) for member in group)
            group_of[image.sha256] = group
            inside.add(int(image.dhash, 16), image.sha256)
        groups = {id(group): group for group in group_of.values()}.values()
        return [
            (
                sorted(group, key=lambda image: image.sha256),
                [self.assignments[sha] for image in group for sha in self._near.near(int(image.dhash, 16))],
            )
            for group in groups
        ]

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
        self.assignments[assignment.sha256] = assignment
        self._near.add(int(assignment.dhash, 16), assignment.sha256)
