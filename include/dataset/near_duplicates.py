"""Finds images that look the same but differ in their bytes: scaled, re-encoded, a frame later."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

RADIUS = 4
"""Bits by which two difference hashes may differ. In the raccoon set, copies of one photograph at other sizes differ
in none, one with a caption in 4, and different photographs in 10 and more; the closest of the sample's pages in 7."""

BANDS = tuple((start, min(13, 64 - start)) for start in range(0, 64, 13))  # (first bit, bits), RADIUS + 1 of them
FEWEST_BITS = 6  # a hash with fewer bits set, or unset, comes from a nearly blank image and says nothing
WORTH_AN_ARRAY = 32  # hashes; fewer are compared one by one sooner than an array is made of them
NONE: tuple[array[int], array[int]] = array("Q"), array("Q")


class NearDuplicates:
    """64-bit hashes, searchable within ``RADIUS``.

    Two hashes that differ in 4 bits agree on at least one of 5 bands (pigeonhole), so only those that share a band
    are compared, as arrays: a fixed camera fills few buckets with very many hashes. Equal hashes are kept once.
    """

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._positions: dict[int, int] = {}  # hash → its position, in the order of adding
        self._buckets: dict[tuple[int, int], tuple[array[int], array[int]]] = defaultdict(
            lambda: (array("Q"), array("Q"))
        )  # (band, its bits) → the hashes that have them, and their positions
        for dhash in hashes:
            self.add(dhash)

    def add(self, dhash: int) -> None:
        """Make a hash findable, unless it is, or says nothing."""
        if dhash not in self._positions and telling(dhash):
            position = self._positions[dhash] = len(self._positions)
            for key in _bands(dhash):
                hashes, positions = self._buckets[key]
                hashes.append(dhash)
                positions.append(position)

    def position(self, dhash: int) -> int | None:
        """Where a hash stands in the order of adding; None if it was not added, or says nothing."""
        return self._positions.get(dhash)

    def near(self, dhash: int) -> np.ndarray[Any, Any]:
        """Positions of the hashes that are near, some of them more than once; a hash is near to itself."""
        few: list[int] = []
        many: list[np.ndarray[Any, Any]] = []
        for key in _bands(dhash) if telling(dhash) else ():
            hashes, positions = self._buckets.get(key, NONE)
            if len(hashes) < WORTH_AN_ARRAY:
                few += [
                    at for other, at in zip(hashes, positions, strict=True) if (dhash ^ other).bit_count() <= RADIUS
                ]
                continue
            near = np.bitwise_count(np.frombuffer(hashes, np.uint64) ^ np.uint64(dhash)) <= RADIUS
            many.append(np.frombuffer(positions, np.uint64)[near])
        return np.concatenate([np.array(few, np.intp), *many]).astype(np.intp) if many else np.array(few, np.intp)


def look_alikes(hashes: Sequence[int]) -> list[list[int]]:
    """Which images look alike, directly or through others: groups of indices into ``hashes``, each sorted.

    Images that resemble no other are groups of one. Groups come in the order of their first image.
    """
    index = NearDuplicates()
    labels = np.empty(len(hashes), np.intp)  # of each distinct hash, the group that it is in
    groups: dict[int, list[int]] = {}  # label → positions of distinct hashes
    members: dict[int, list[int]] = defaultdict(list)  # position of a distinct hash → images
    alone: list[list[int]] = []
    for image, dhash in enumerate(hashes):
        if not telling(dhash):
            alone.append([image])
            continue
        if index.position(dhash) is None:
            near = index.near(dhash)
            index.add(dhash)
            position = index.position(dhash)
            assert position is not None
            labels[position], groups[position] = position, [position]
            for other in np.unique(labels[near]).tolist():
                _join(groups, labels, int(labels[position]), other)
        members[index.position(dhash) or 0].append(image)
    together = [sorted(image for position in group for image in members[position]) for group in groups.values()]
    return sorted(alone + together)


def _join(groups: dict[int, list[int]], labels: np.ndarray[Any, Any], one: int, other: int) -> None:
    """Make two groups one; the members of the smaller get the larger's label, so that few are ever relabelled."""
    small, large = sorted((one, other), key=lambda label: len(groups[label]))
    moved = groups.pop(small)
    labels[moved] = large
    groups[large] += moved


def _bands(dhash: int) -> list[tuple[int, int]]:
    return [(start, dhash >> start & (1 << bits) - 1) for start, bits in BANDS]


def telling(dhash: int) -> bool:
    """Does a hash say anything about its image?"""
    return FEWEST_BITS <= dhash.bit_count() <= 64 - FEWEST_BITS
