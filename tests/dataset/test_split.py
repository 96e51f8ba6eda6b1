"""Sides: shares kept, groups together, classes on every side, and nothing ever changed."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.dataset.split import Newcomer, Split, allowed_sides, draw
from include.documents import SIDES

SHARES = (0.7, 0.15, 0.15)


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def images(numbers: range, *classes: str, look: int | None = None) -> list[Newcomer]:
    """Images that look different, or all like ``look``."""
    return [
        Newcomer(sha(number), sha((number if look is None else look) + 10**6)[:16], frozenset(classes))
        for number in numbers
    ]


def test_shares() -> None:
    counts = Counter(draw(sha(number), SHARES) for number in range(20_000))
    assert np.allclose([counts[side] / 20_000 for side in SIDES], SHARES, atol=0.01)


@pytest.mark.parametrize(
    ("given_side", "in_batch", "allowed"),
    [
        (None, {"train"}, SIDES),
        ("train", {"train", "validation", "holdout"}, ("train",)),
        ("train", {"train", "holdout"}, ("train", "validation")),
        ("holdout", {"train", "holdout"}, ("holdout",)),
        ("train", {"train"}, SIDES),
    ],
)
def test_a_side_that_is_given_to_nobody_is_taken_from_trains_share(given_side, in_batch, allowed) -> None:  # type: ignore[no-untyped-def]
    assert allowed_sides(given_side, in_batch) == allowed
    for number in range(50):
        assert draw(sha(number), SHARES, allowed) in allowed


batches = st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8), st.sampled_from("abc")), max_size=15))


@given(batches)
def test_later_batches_change_nothing_and_a_record_continues_as_if_never_interrupted(contents) -> None:  # type: ignore[no-untyped-def]
    """Images come again, look like each other and carry few or many classes; every prefix must stand."""
    whole, seen = Split(SHARES), set()
    resumed = Split(SHARES)
    for content in contents:
        batch = [
            each
            for number, look, name in content
            for each in images(range(number, number + 1), name, look=look)
            if each.sha256 not in seen
        ]
        batch = list({each.sha256: each for each in batch}.values())
        seen |= {each.sha256 for each in batch}
        before = dict(whole.assignments)
        whole.add_batch(batch)
        assert before.items() <= whole.assignments.items()
        classes = resumed.images_by_class
        resumed = Split(SHARES, resumed.assignments.values())
        resumed.images_by_class.update(classes)
        resumed.add_batch(batch[::-1])
        assert resumed.assignments == whole.assignments


def test_groups_of_look_alikes_are_shared_out_like_single_images() -> None:
    split = Split(SHARES)
    split.add_batch([image for n in range(0, 6000, 3) for image in images(range(n, n + 3), "cat", look=n)])
    counts = Counter(assignment.side for assignment in split.assignments.values())
    assert np.allclose([counts[side] / 6000 for side in SIDES], SHARES, atol=0.03)


def test_near_duplicates_stay_together_across_batches() -> None:
    split = Split(SHARES)
    split.add_batch(images(range(5), "cat", look=1) + images(range(100, 130), "cat"))
    split.add_batch(images(range(5, 10), "cat", look=1))
    sides = {split.assignments[sha(number)].side for number in range(10)}
    assert len(sides) == 1
    assert split.assignments[sha(7)].why == "near_duplicate"
    assert split.straddling(set(split.assignments)) == 0


def test_a_class_of_ten_is_on_every_side_wherever_its_hashes_fell() -> None:
    for start in range(0, 2000, 10):
        split = Split(SHARES)
        split.add_batch(images(range(start, start + 10), "rare"))
        assert split.classes_lacking_a_side() == []
        assert set(split.images_by_class["rare"]) >= set(SIDES)
        assert split.images_by_class["rare"].total() == 10


def test_only_new_images_fill_a_side() -> None:
    train = [number for number in range(200) if draw(sha(number), SHARES) == "train"]
    split = Split(SHARES)
    split.add_batch([image for number in train[:9] for image in images(range(number, number + 1), "rare")])
    assert {each.side for each in split.assignments.values()} == {"train"}  # nine are too few to be moved
    before = dict(split.assignments)
    split.add_batch(images(range(train[9], train[9] + 1), "rare"))
    assert before.items() <= split.assignments.items()
    assert len(split.classes_lacking_a_side()) == 1  # one newcomer fills one of two sides
    assert split.assignments[sha(train[9])].why == "class_lacked_side"


def test_a_given_split_is_honoured_even_against_looks() -> None:
    split = Split(SHARES)
    one, other = images(range(2), "cat", look=1)
    split.add_batch(
        [
            Newcomer(one.sha256, one.dhash, one.classes, ("train",)),
            Newcomer(other.sha256, other.dhash, other.classes, ("holdout",)),
        ]
    )
    assert [split.assignments[each.sha256].side for each in (one, other)] == ["train", "holdout"]
    assert split.straddling(set(split.assignments)) == 2
