from __future__ import annotations

import doctest

import numpy as np

from include.labelling import choosing, documents
from include.labelling.choosing import NOTHING_FOUND, choose, uncertainty
from include.labelling.labeller import Proposal
from include.labelling.pool import look_of
from tests.dataset.folders import encode


def looks(*seeds: int) -> list[np.ndarray]:
    return [look_of(encode(seed)) for seed in seeds]


def test_the_examples_in_the_documentation() -> None:
    for module in (choosing, documents):
        assert doctest.testmod(module).attempted
        assert doctest.testmod(module).failed == 0


def test_an_image_is_as_uncertain_as_its_most_doubtful_box() -> None:
    sure, doubtful = Proposal("cat", 0.97, 0, 0, 9, 9), Proposal("cat", 0.52, 0, 0, 9, 9)
    assert uncertainty([sure]) < uncertainty([sure, doubtful]) == uncertainty([doubtful])
    assert uncertainty([Proposal("cat", 0.06, 0, 0, 9, 9)]) == NOTHING_FOUND, "noise says nothing"


def test_of_images_that_look_alike_the_most_uncertain_is_taken() -> None:
    assert choose([0.2, 0.9, 0.4], looks(1, 1, 1), 1) == [1]


def test_two_that_look_alike_are_not_both_taken_while_there_are_others() -> None:
    assert set(choose([0.9, 0.9, 0.3, 0.3], looks(1, 1, 2, 3), 3)) == {0, 2, 3}


def test_what_was_labelled_before_is_not_labelled_again_in_another_image() -> None:
    assert choose([0.9, 0.3], looks(1, 2), 1) == [0]
    assert choose([0.9, 0.3], looks(1, 2), 1, seen=looks(1)) == [1]


def test_all_are_taken_once_where_more_are_wanted_than_there_are() -> None:
    assert sorted(choose([0.1, 0.1, 0.1], looks(1, 1, 1), 9)) == [0, 1, 2]
    assert choose([], [], 5) == []


def test_a_look_has_length_one_and_bears_another_encoding() -> None:
    look = look_of(encode(5))
    assert np.isclose(np.linalg.norm(look), 1)
    assert np.linalg.norm(look - look_of(encode(5, quality=40))) < 0.5 < np.linalg.norm(look - look_of(encode(6)))
    assert not look_of(_plain()).any(), "a blank image looks like nothing"


def _plain() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (20, 10), "red").convert("L").save(file, "png")
    return file.getvalue()
