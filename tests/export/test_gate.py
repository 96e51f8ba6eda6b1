from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.documents import Metrics
from include.export.gate import constant_output, gate
from include.scoring.coco_metrics import Score
from include.scoring.detections import Detections
from include.scoring.evaluation import Evaluation


def detections(*scores: float, shift: float = 0.0) -> Detections:
    boxes = np.tile(np.array([[0.1, 0.1, 0.5, 0.5]], np.float32) + np.float32(shift), (len(scores), 1))
    return Detections(boxes, np.ones(len(scores), np.int64), np.array(scores, np.float32))


VARIED = {1: detections(0.9, 0.3), 2: detections(0.8, shift=0.1), 3: detections()}


def evaluation(format_, mAP: float, found=VARIED, **ap50: float | None) -> Evaluation:
    eleven = ("mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")
    recalls = ("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large")
    figures = dict.fromkeys((*eleven, *recalls), 0.5)
    metrics = Metrics.model_validate({"mAP": mAP, **figures, "per_class": ap50, "per_class50": ap50})
    return Evaluation(format_, Path(format_), Score(metrics, {}), 1.0, found)


def refused(*exports: Evaluation) -> tuple[str, ...]:
    """The reasons against the last one."""
    return gate({export.format: export for export in exports})[exports[-1].format]


@pytest.mark.parametrize(
    ("format_", "mAP", "passes"),
    [
        ("tflite_fp32", 0.5951, True),
        ("tflite_fp32", 0.5949, False),
        ("tflite_int8", 0.581, True),
        ("tflite_int8", 0.57, False),
    ],
)
def test_an_export_may_lose_no_more_than_its_tolerance(format_, mAP, passes):
    assert (refused(evaluation("saved_model", 0.6), evaluation(format_, mAP)) == ()) is passes


def test_reasons_have_figures():
    (reason,) = refused(evaluation("saved_model", 0.6), evaluation("tflite_int8", 0.5))
    assert reason == "loses 0.1000 mAP against the SavedModel (0.5000 instead of 0.6000); at most 0.02 is allowed"


def test_a_better_export_passes():
    assert refused(evaluation("saved_model", 0.6), evaluation("tflite_fp16", 0.61)) == ()


def test_a_lost_class_is_refused_even_if_the_mean_hardly_suffers():
    reference = evaluation("saved_model", 0.6, cat=0.9, dog=0.8, eel=0.05, fox=None)
    export = evaluation("tflite_fp32", 0.599, cat=0.9, dog=0.0, eel=0.0, fox=None)
    assert refused(reference, export) == ("loses the class 'dog': AP50 0 instead of 0.800",)


def test_without_the_saved_model_there_is_nothing_to_compare_with():
    with pytest.raises(ValueError, match="without one of saved_model, mxnet, custom_vision nothing can be compared"):
        gate({"tflite_fp32": evaluation("tflite_fp32", 0.6)})


def test_the_saved_model_itself_must_not_be_constant():
    same = {1: detections(0.9, 0.3), 2: detections(0.9, 0.3)}
    assert refused(evaluation("saved_model", 0.6, same)) == ("returns the same 2 detections for all 2 hold-out images",)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([detections(), detections()], "detects nothing in any of the 2 hold-out images"),
        ([detections(0.5, 0.5), detections(0.5, shift=0.1)], "gives all 3 detections the same score, 0.5000"),
    ],
)
def test_other_signs_of_constant_output(found, reason):
    assert constant_output(found) == (reason,)


def test_a_hold_out_of_one_image_cannot_show_the_same_output_twice():
    assert constant_output([detections(0.9, 0.3)]) == ()
