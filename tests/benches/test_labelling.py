from __future__ import annotations

from xml.etree import ElementTree

from benches.labelling import Line, curve, describe
from benches.quality import Quality
from include.labelling.documents import BoxTally
from include.labelling.simulated import Effort


def line(name: str, mAP50: float, images: int, drawn: int, accepted: int = 0) -> Line:
    effort = Effort(images, BoxTally(drawn=drawn, accepted=accepted), true_boxes=drawn + accepted)
    return Line(name, effort, Quality(1, mAP50, mAP50 / 2, 1.0))


def test_says_how_many_boxes_were_drawn_until_it_was_as_good_as_full_annotation() -> None:
    full = Line("full annotation", Effort(40, true_boxes=40), Quality(1, 0.8, 0.4, 1.0))
    text = describe([line("round 1", 0.5, 10, 10), line("round 2", 0.8, 20, 14, 6), full], "raccoon")
    assert "| round 2 | 20 | 20 | 14 | 0 | 6 (100%) | 0 |" in text
    assert "was reached after round 2: 14 boxes drawn by hand, 35% of the 40 that there are to draw;" in text
    untrained = Line("round 1", Effort(10, BoxTally(drawn=10), true_boxes=10), None)
    never = describe([untrained, line("round 2", 0.5, 10, 10), full], "raccoon")
    assert "| – | – |" in never
    assert "No round reached the mAP50 of full annotation, 0.800." in never


def test_the_curve_is_drawn_of_the_rounds_and_the_level_of_full_annotation() -> None:
    full = Line("full annotation", Effort(40, true_boxes=40), Quality(1, 0.8, 0.4, 1.0))
    rounds = [line("round 1", 0.5, 10, 10), line("round 2", 0.8, 20, 14, 6)]
    svg = curve([*rounds, full])
    texts = [each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"full annotation, 40 boxes", "every box drawn by hand", "boxes"} <= set(texts)
    assert curve([*rounds, full]) == svg, "the same figures, the same bytes"
    assert curve([rounds[0], full]) != svg
