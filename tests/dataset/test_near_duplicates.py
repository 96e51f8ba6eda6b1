from hypothesis import assume, given
from hypothesis import strategies as st

from include.dataset.near_duplicates import BANDS, RADIUS, NearDuplicates, telling


def test_bands_cover_every_bit_once() -> None:
    assert sorted(bit for start, bits in BANDS for bit in range(start, start + bits)) == list(range(64))
    assert len(BANDS) == RADIUS + 1


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=8))
def test_what_is_near_is_found_and_nothing_else(dhash: int, flipped: set[int]) -> None:
    other = dhash
    for bit in flipped:
        other ^= 1 << bit
    assume(telling(dhash) and telling(other))
    index = NearDuplicates()
    index.add(dhash, "image")
    assert index.near(other) == (["image"] if len(flipped) <= RADIUS else [])


def test_blank_images_are_nobodys_duplicates() -> None:
    index = NearDuplicates()
    index.add(0, "blank")
    assert index.near(0) == []
