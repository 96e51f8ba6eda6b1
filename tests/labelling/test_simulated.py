"""The simulated reviewer, and the loop that it drives."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.dataset.annotation import Box
from include.labelling.__main__ import main
from include.labelling.documents import BoxTally, ReviewedBox, RoundImage, Suggestion, tally
from include.labelling.labeller import Nobody
from include.labelling.simulated import Effort, reviewed
from include.labelling.simulation import Simulation
from tests.dataset.folders import write_pair
from tests.labelling.conftest import Oracle, proposal

TRUE_CAT, TRUE_DOG = Box("cat", 10, 10, 50, 50), Box("dog", 60.4, 10.2, 90, 40)


def image(*suggestions: Suggestion) -> RoundImage:
    return RoundImage(
        sha256="00", file="a.jpg", width=100, height=60, format="jpeg", uncertainty=0.5, suggestions=suggestions
    )


def suggestion(label: str, *corners: int, score: float = 0.9) -> Suggestion:
    return Suggestion(label=label, score=score, **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)))


def test_a_good_suggestion_stands_as_imprecise_as_it_is() -> None:
    close = suggestion("cat", 12, 10, 52, 50)
    boxes = reviewed(image(close), [TRUE_CAT])
    assert boxes == (ReviewedBox(label="cat", xmin=12, ymin=10, xmax=52, ymax=50, suggestion=0),)
    assert tally(image(close), boxes) == BoxTally(accepted=1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (suggestion("cat", 10, 10, 36, 50), BoxTally(corrected=1)),  # IoU 0.65
        (suggestion("dog", 10, 10, 50, 50), BoxTally(corrected=1)),  # the class alone
        (suggestion("cat", 10, 10, 22, 50), BoxTally(rejected=1, drawn=1)),  # IoU 0.3
        (suggestion("cat", 70, 20, 99, 59), BoxTally(rejected=1, drawn=1)),  # nothing there
    ],
)
def test_a_bad_suggestion_is_corrected_or_goes(given: Suggestion, expected: BoxTally) -> None:
    boxes = reviewed(image(given), [TRUE_CAT])
    assert tally(image(given), boxes) == expected
    assert [box.box for box in boxes] == [Box("cat", 10, 10, 50, 50)]


def test_a_second_suggestion_for_the_same_object_goes_and_what_is_missing_is_drawn_outwards() -> None:
    both = image(suggestion("cat", 10, 10, 50, 50), suggestion("cat", 11, 10, 50, 50, score=0.5))
    boxes = reviewed(both, [TRUE_CAT, TRUE_DOG])
    assert tally(both, boxes) == BoxTally(accepted=1, rejected=1, drawn=1)
    assert boxes[-1].box == Box("dog", 60, 10, 90, 40)


def test_minutes_are_the_sum_of_stated_seconds() -> None:
    effort = Effort(images=3, boxes=BoxTally(accepted=2, corrected=1, rejected=1, drawn=1), true_boxes=4)
    assert effort.minutes == pytest.approx((3 * 2 + 4 * 1.6 + 4 + 1 + 7) / 60)
    assert effort.minutes_by_hand == pytest.approx((3 * 2 + 4 * 7) / 60)
    assert "2 accepted unchanged (50%)" in str(effort)


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    for seed in range(7):
        write_pair(tmp_path / "set", f"{seed}", Box("cat", 4, 5, 30, 25), Box("dog", 10, 2, 20, 28), seed=seed)
    return tmp_path / "set"


def test_the_loop_labels_every_image_once(annotated: Path, tmp_path: Path) -> None:
    simulation = Simulation(annotated, tmp_path / "scratch", images=3)
    labeller = Oracle({sha256: [proposal(boxes[0], 0.9)] for sha256, boxes in simulation.truth.items()})
    efforts = []
    while (effort := simulation.step(labeller)) is not None:
        efforts.append(effort)
    assert [effort.images for effort in efforts] == [3, 3, 1]
    assert simulation.effort.boxes == BoxTally(accepted=7, drawn=7)
    last = simulation.rounds[-1][0].pool
    assert (last.found, last.labelled, last.left) == (7, 7, 0)


@pytest.mark.parametrize(("threshold", "accepted"), [(0.5, 7), (0.7, 0)])
def test_only_suggestions_of_a_score_are_shown(
    annotated: Path, tmp_path: Path, threshold: float, accepted: int
) -> None:
    simulation = Simulation(annotated, tmp_path / "scratch", images=9, threshold=threshold)
    simulation.step(Oracle({sha256: [proposal(boxes[0], 0.6)] for sha256, boxes in simulation.truth.items()}))
    assert simulation.effort.boxes == BoxTally(accepted=accepted, drawn=14 - accepted)


def test_a_hold_out_is_left_alone(annotated: Path, tmp_path: Path) -> None:
    whole = Simulation(annotated, tmp_path / "whole", images=9)
    unseen = sorted(whole.truth)[:2]
    simulation = Simulation(annotated, tmp_path / "part", images=9, leave_out=unseen)
    simulation.step(Nobody())
    assert not {each.sha256 for each in simulation.rounds[0][0].images} & set(unseen)


def test_the_command_prints_a_line_for_each_round(
    annotated: Path, lanner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--data", str(annotated), "--images", "4", "--threshold", "0.3", "0.5"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 * 4
    assert told[0] == "7 images, 14 boxes; suggestions by nobody with a score of at least 0.3"
    assert told[4].endswith("0.5")
    assert told[1].startswith("round 1: 4 images, 8 boxes: 0 accepted unchanged, 0 corrected, 0 rejected, 8 drawn;")
    assert told[-1].startswith("all: 7 images, 14 boxes")
    assert main(["simulate", "--data", str(annotated), "--model", str(annotated)]) == 2
    assert "no export that can be run here" in capsys.readouterr().err
