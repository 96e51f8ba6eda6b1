"""Figures of an iteration, reckoned by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.standins.azure.custom_vision_model import held_out
from tests.standins.azure.custom_vision_performance import eleven_point_average, match, performance

LEFT, RIGHT = [0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4]


@pytest.fixture
def iteration(tmp_path: Path) -> Path:
    """Two images. Of the first tag both objects are found, one of them twice; of the second tag none."""
    images = [
        {"truth": [[0, *LEFT], [1, *RIGHT]], "found": [[0.9, 0, *LEFT], [0.8, 0, *LEFT], [0.3, 1, *LEFT]]},
        {"truth": [[0, *RIGHT]], "found": [[0.6, 0, *RIGHT]]},
    ]
    tags = [{"id": "a", "name": "cat"}, {"id": "b", "name": "dog"}]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "performance.json").write_text(json.dumps({"tags": tags, "images": images}))
    return tmp_path


def test_precision_and_recall_count_above_the_threshold(iteration: Path) -> None:
    low, high = performance(iteration, 0.5, 0.5), performance(iteration, 0.85, 0.5)
    assert (low["precision"], low["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (high["precision"], high["recall"]) == (1, pytest.approx(1 / 3))
    cat, dog = low["perTagPerformance"]
    assert (cat["name"], cat["precision"], cat["recall"]) == ("cat", pytest.approx(2 / 3), 1)
    assert (dog["precision"], dog["recall"], dog["averagePrecision"]) == (0, 0, 0)


def test_average_precision_is_the_same_at_each_threshold(iteration: Path) -> None:
    """Recall 0 to 0.5 at precision 1, beyond it at 2/3: six and five of eleven points."""
    for threshold in (0.0, 0.95):
        cat, _ = performance(iteration, threshold, 0.5)["perTagPerformance"]
        assert cat["averagePrecision"] == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_how_much_must_overlap() -> None:
    images = [{"truth": [[0, 0.0, 0.0, 0.4, 0.4]], "found": [[0.9, 0, 0.0, 0.0, 0.4, 0.2]]}]
    assert [match(images, 0, overlap)[0][0][1] for overlap in (0.4, 0.6)] == [True, False]
    assert eleven_point_average([], 3) == 0


def test_of_each_tag_an_image_is_held_out() -> None:
    samples = [
        {"image": str(number), "sha256": f"{number:02}", "boxes": [[1 if number == 13 else 0]]} for number in range(20)
    ]
    assert held_out(samples, 2) == {"0", "5", "10", "15", "13"}
