"""Precision, recall and eleven-point average precision, against figures that were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest

from include.scoring.detections import Detections
from include.scoring.holdout import HoldOutImage
from include.scoring.measure import eleven_point_average, measure

SIZE = 100  # pixels


class Truth:
    """A hold-out of two images: two cats in one, a cat and a dog in the other."""

    label_map: ClassVar[dict[int, str]] = {1: "cat", 2: "dog", 3: "cow"}

    def __iter__(self) -> Iterator[HoldOutImage]:
        yield self._image(1, [(0, 0, 20, 20), (50, 50, 20, 20)], [1, 1])
        yield self._image(2, [(0, 0, 20, 20), (50, 50, 20, 20)], [1, 2])

    def _image(self, id_: int, boxes: list[tuple[int, ...]], classes: list[int]) -> HoldOutImage:
        return HoldOutImage(id_, f"{id_}.jpg", SIZE, SIZE, b"", np.array(boxes, float), np.array(classes))


def found(*rows: tuple[int, float, int]) -> Detections:
    """Class, score, left and top of boxes of 20 pixels."""
    classes, scores, corners = zip(*rows, strict=True) if rows else ((), (), ())
    boxes = np.array([(at, at, at + 20, at + 20) for at in corners], np.float64).reshape(-1, 4) / SIZE
    return Detections.from_outputs(boxes, np.array(classes), np.array(scores), len(rows), first_class=1)


DETECTIONS = {
    1: found((1, 0.9, 0), (1, 0.6, 30)),  # one cat; nothing at 30
    2: found((1, 0.8, 0), (1, 0.3, 50), (2, 0.7, 52)),  # a cat; a dog taken for a cat; the dog, two pixels off
}


def test_by_hand() -> None:
    measured = measure(Truth(), DETECTIONS, 0.5, 0.5)  # type: ignore[arg-type]
    cat, dog = measured.classes["cat"], measured.classes["dog"]
    assert (cat.precision, cat.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    # Right, right, wrong, wrong of three: precision 1 up to a recall of 2/3, which seven of the eleven reach.
    assert cat.average_precision == pytest.approx(7 / 11)
    assert (dog.precision, dog.recall, dog.average_precision) == (1.0, 1.0, pytest.approx(1.0))
    assert (measured.precision, measured.recall) == (pytest.approx(3 / 4), pytest.approx(3 / 4))
    assert measured.average_precision == pytest.approx((7 / 11 + 1) / 2), "a class without truth does not count"
    assert measured.classes["cow"].average_precision is None


def test_thresholds_count() -> None:
    low = measure(Truth(), DETECTIONS, 0.1, 0.5)  # type: ignore[arg-type]
    assert low.classes["cat"].precision == pytest.approx(2 / 4)
    strict = measure(Truth(), DETECTIONS, 0.5, 0.9)  # type: ignore[arg-type]
    assert strict.classes["dog"].precision == 0.0, "two pixels off is an overlap of 0.68"
    assert strict.classes["cat"].precision == pytest.approx(2 / 3)


def test_nothing_found_and_nothing_there() -> None:
    assert eleven_point_average([], truth=2) == 0.0
    assert eleven_point_average([(0.5, False)], truth=0) is None
