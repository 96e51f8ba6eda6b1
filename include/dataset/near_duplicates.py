"""Finds images that look the same but differ in their bytes: scaled, re-encoded, a frame later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

RADIUS = 4
"""Bits by which two difference hashes may differ. In the raccoon set, copies of one photograph at other sizes differ
in none, one with a caption in 4, and different photographs in 10 and more; the closest of the sample's pages in 7."""

BANDS = tuple((start, min(13, 64 - start)) for start in range(0, 64, 13))  # (first bit, bits), RADIUS + 1 of them
FEWEST_BITS = 6  # a hash with fewer bits set, or unset, comes from a nearly blank image and says nothing


class NearDuplicates:
    """64-bit hashes, searchable within ``RADIUS``.

    Two hashes that differ in 4 bits agree on at least one of 5 bands (pigeonhole), so only those that share a band
    are compared.
    """

    def __init__(self) -> None:
        self._bands: list[dict[int, list[tuple[int, str]]]] = [defaultdict(list) for _ in BANDS]

    def add(self, dhash: int, sha256: str) -> None:
        if telling(dhash):
            for bucket in self._buckets(dhash):
                bucket.append((dhash, sha256))

    def near(self, dhash: int) -> list[str]:
        """The images whose hash is near, sorted by their SHA-256."""
        if not telling(dhash):
            return []
        return sorted(
            {
                sha256
                for bucket in self._buckets(dhash)
                for other, sha256 in bucket
                if (dhash ^ other).bit_count() <= RADIUS
            }
        )

    def _buckets(self, dhash: int) -> Iterator[list[tuple[int, str]]]:
        for (start, bits), buckets in zip(BANDS, self._bands, strict=True):
            yield buckets[dhash >> start & (1 << bits) - 1]


def telling(dhash: int) -> bool:
    return FEWEST_BITS <= dhash.bit_count() <= 64 - FEWEST_BITS
