"""A detector measured as Custom Vision measures its own: so that its figures and ours can stand side by side.

Precision and recall are those of the detections above a probability threshold, whose boxes overlap the truth by more
than an overlap threshold. Average precision is the mean of the precision at eleven recalls, 0, 0.1 … 1, as PASCAL VOC
had it until 2009 (http://host.robots.ox.ac.uk/pascal/VOC/pubs/everingham10.pdf, 4.2); COCO's takes 101 recalls, and as
mAP ten overlaps from 0.50 to 0.95 besides. That Custom Vision takes eleven is from the book, not from Microsoft.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from include.documents import ClassMeasure, Measure
from include.scoring.detections import Detections
from include.scoring.holdout import HoldOut
from include.scoring.misses import judge

RECALLS = tuple(step / 10 for step in range(11))


def measure(
    holdout: HoldOut, detections: Mapping[int, Detections], probability_threshold: float, overlap_threshold: float
) -> Measure:
    """Measure detections, by image id, against the truth of the hold-out, which is read once."""
    judged: dict[int, list[tuple[float, bool]]] = defaultdict(list)  # by class: score, and is it right?
    truth: dict[int, int] = defaultdict(int)
    for image in holdout:
        verdict = judge(image, detections[image.id], 0.0, overlap_threshold)
        for class_id in image.classes.tolist():
            truth[class_id] += 1
        found = verdict.detections
        for class_id, score, false in zip(found.classes.tolist(), found.scores.tolist(), verdict.false, strict=True):
            judged[class_id].append((score, not false))
    classes, right, said = {}, 0, 0
    for class_id, name in sorted(holdout.label_map.items()):
        above = [is_right for score, is_right in judged[class_id] if score >= probability_threshold]
        right, said = right + sum(above), said + len(above)
        classes[name] = ClassMeasure(
            precision=_share(sum(above), len(above)),
            recall=_share(sum(above), truth[class_id]),
            average_precision=eleven_point_average(judged[class_id], truth[class_id]),
        )
    averages = [each.average_precision for each in classes.values() if each.average_precision is not None]
    return Measure(
        probability_threshold=probability_threshold,
        overlap_threshold=overlap_threshold,
        precision=_share(right, said),
        recall=_share(right, sum(truth.values())),
        average_precision=float(np.mean(averages)) if averages else 0.0,
        classes=classes,
    )


def eleven_point_average(judged: Sequence[tuple[float, bool]], truth: int) -> float | None:
    """The mean, over eleven recalls, of the best precision at that recall or a higher one; None: nothing to be found.

    >>> eleven_point_average([(0.9, True), (0.8, False)], truth=1)
    1.0
    >>> round(eleven_point_average([(0.9, True), (0.8, False), (0.7, True)], truth=4), 4)
    0.4242
    """
    if not truth:
        return None
    right = np.cumsum([is_right for _, is_right in sorted(judged, key=lambda each: -each[0])])
    recall, precision = right / truth, right / np.arange(1, len(right) + 1)
    return float(np.mean([precision[recall >= at].max(initial=0.0) for at in RECALLS]))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
