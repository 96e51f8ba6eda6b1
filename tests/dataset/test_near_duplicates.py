"""What looks alike is found, and nothing else; also where very many images look alike."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.dataset.near_duplicates import BANDS, RADIUS, NearDuplicates, look_alikes, telling


def flip(dhash: int, *bits: int) -> int:
    for bit in bits:
        dhash ^= 1 << bit
    return dhash


def test_bands_cover_every_bit_once() -> None:
    assert sorted(bit for start, bits in BANDS for bit in range(start, start + bits)) == list(range(64))
    assert len(BANDS) == RADIUS + 1


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=8))
def test_what_is_near_is_found_and_nothing_else(dhash: int, flipped: set[int]) -> None:
    other = flip(dhash, *flipped)
    assume(telling(dhash) and telling(other))
    index = NearDuplicates([dhash])
    assert set(index.near(other).tolist()) == ({0} if len(flipped) <= RADIUS else set())


def test_blank_images_are_nobodys_duplicates() -> None:
    index = NearDuplicates([0])
    assert index.near(0).size == 0
    assert look_alikes([0, 0, 1]) == [[0], [1], [2]]


def by_comparing_all(hashes: list[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for image, dhash in enumerate(hashes):
        like = [g for g in groups if telling(dhash) and any(alike(dhash, hashes[other]) for other in g)]
        groups = [group for group in groups if group not in like] + [sorted(sum(like, [image]))]
    return sorted(groups)


def alike(one: int, other: int) -> bool:
    return telling(other) and (one ^ other).bit_count() <= RADIUS


few = st.integers(0, 2**64 - 1).flatmap(
    lambda seed: st.lists(st.sets(st.integers(0, 20), max_size=9), max_size=20).map(
        lambda sets: [flip(seed, *bits) for bits in sets]
    )
)


@settings(max_examples=200, deadline=None)
@given(few)
def test_groups_are_those_that_comparing_all_with_all_finds(hashes: list[int]) -> None:
    assert look_alikes(hashes) == by_comparing_all(hashes)


@pytest.mark.parametrize("spread", [6, 14, 64], ids=["a fixed camera", "a panning camera", "all different"])
def test_many_images_take_seconds(spread: int) -> None:
    """20,000 frames. Comparing all with all, one by one, would take minutes for those of a fixed camera."""
    draw = random.Random(0)
    scene = draw.getrandbits(64)
    hashes = [flip(scene, *draw.sample(range(64), draw.randint(0, spread))) for _ in range(20_000)]
    begun = time.process_time()
    groups = look_alikes(hashes)
    assert time.process_time() - begun < 20
    assert sum(map(len, groups)) == len(hashes)
