"""What the built-in detector's log and the service say of a training, in our trainer's files; its answers as ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.documents import TrainingSummary
from include.results import history_of
from training_services.sagemaker.answers import PredictionFailed, detections, read_answer
from training_services.sagemaker.builtin_history import epochs_of, summary_of, write_history

LINES = """\
[08/27/2018 06:07:55 INFO 140026571642688] Epoch:    0, batches:    100, num_examples:   3200, 115.2 samples/sec
#quality_metric: host=algo-1, epoch=0, batch=100 train cross_entropy <loss>=(1.5)
#quality_metric: host=algo-1, epoch=0, batch=100 train smooth_l1 <loss>=(0.5)
#quality_metric: host=algo-1, epoch=0, batch=110 train cross_entropy <loss>=(1.25)
#quality_metric: host=algo-1, epoch=0, validation mAP <score>=(0.1)
#quality_metric: host=algo-1, epoch=1, batch=100 train smooth_l1 <loss>=(nan)
#quality_metric: host=algo-1, epoch=1, validation mAP <score>=(0.3)
#quality_metric: host=algo-1, epoch=1, validation mAP <score>=(0.4)
#quality_metric: host=algo-1, epoch=2, validation mAP <score>=(0.2)
#throughput_metric: host=algo-1, train throughput=21.5 records/second
""".splitlines()


def job(**fields: Any) -> dict[str, Any]:
    given = {"epochs": "3", "learning_rate": "0.001", "early_stopping": "false", "num_classes": "2", "optimizer": "sgd"}
    return {
        "TrainingJobStatus": "Completed",
        "BillableTimeInSeconds": 600,
        "HyperParameters": given | fields.pop("given", {}),
        **fields,
    }


def test_each_epoch_has_what_was_said_of_it_last() -> None:
    assert epochs_of(LINES) == [
        {"step": 1, "class_loss": 1.25, "box_loss": 0.5, "validation_mAP50": 0.1, "loss": 1.75},
        {"step": 2, "validation_mAP50": 0.4},
        {"step": 3, "validation_mAP50": 0.2},
    ]


def test_the_files_are_those_that_results_and_registry_read(tmp_path: Path) -> None:
    write_history(tmp_path, job(), LINES)
    summary = TrainingSummary.model_validate_json((tmp_path / "summary.json").read_text())
    assert (summary.steps, summary.best_step, summary.validation_mAP50) == (3, 2, 0.4)
    assert (summary.validation_mAP, summary.seconds, summary.warnings) == (None, 600.0, ())
    assert [line["step"] for line in history_of(tmp_path)] == [1, 2, 3]
    assert json.loads((tmp_path / "configuration.json").read_text()) == {
        "early_stopping": False,
        "epochs": 3,
        "learning_rate": 0.001,
        "num_classes": 2,
        "optimizer": "sgd",
    }


def test_without_a_log_what_the_service_kept_is_said(tmp_path: Path) -> None:
    kept = [{"MetricName": "validation:mAP", "Value": 0.35}]
    summary = summary_of(job(FinalMetricDataList=kept), [])
    assert (summary.steps, summary.validation_mAP50) == (3, 0.35)
    assert "says nothing of its validation" in summary.warnings[0]
    assert summary_of(job(), []).validation_mAP50 is None


def test_another_overlap_is_no_mAP50() -> None:
    assert "from an IoU of 0.7" in summary_of(job(given={"overlap_threshold": "0.7"}), epochs_of(LINES)).warnings[0]


def test_an_answer_as_detections() -> None:
    """AWS's example, with one that was suppressed; classes are by the label map, whatever their ids."""
    rows = [[1.0, 0.25, 0.1, 0.2, 0.3, 0.4], [-1.0, 0.9, 0.0, 0.0, 1.0, 1.0], [0.0, 0.75, 0.5, -0.1, 0.9, 1.2]]
    found = detections(rows, [3, 8])
    assert found.classes.tolist() == [3, 8]
    assert found.scores.tolist() == [0.75, 0.25]
    assert found.boxes.tolist() == [pytest.approx([0.0, 0.5, 1.0, 0.9]), pytest.approx([0.2, 0.1, 0.4, 0.3])]
    assert len(detections([], [1])) == 0
    with pytest.raises(PredictionFailed, match="something of class 2; its classes are 0 to 1"):
        detections([[2.0, 0.5, 0, 0, 1, 1]], [1, 2])


@pytest.mark.parametrize("content", ["", "[]", '{"predictions": []}', '{"prediction": [["a"]]}', '{"prediction": 1}'])
def test_what_is_no_answer_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "000001.jpg.out"
    file.write_text(content)
    with pytest.raises(PredictionFailed, match=r"000001.jpg.out is no answer: .* Expected"):
        read_answer(file)
