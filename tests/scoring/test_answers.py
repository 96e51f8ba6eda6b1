"""A model that cannot be run here, scored by what its service said of the hold-out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from include.documents import PlanDocument, ResultDocument, State, TargetPlan
from include.results import assemble, folder_of, score_model
from include.scoring.answers import MOST, AnsweredPredictor, decoded, encoded
from include.scoring.comparison import compare_results
from include.scoring.detections import Detections
from include.scoring.picture import Picture
from include.settings import Thresholds
from include.store import Store
from tests.toy_collection import HEIGHT, WIDTH, ToyImage, make_images
from tests.toy_dataset import put_dataset

JOB = "lanner-sagemaker-builtin-11111111-22222222-g1-a1"
IMAGES = make_images(6, seed=4)


def truth(image: ToyImage, score: float = 0.9) -> Detections:
    x, y, width, height = np.array(image.boxes, np.float32).T
    boxes = np.stack([y / HEIGHT, x / WIDTH, (y + height) / HEIGHT, (x + width) / WIDTH], axis=1)
    scores = np.linspace(score, score / 2, len(boxes), dtype=np.float32)
    return Detections(boxes, np.array(image.classes), scores)


def put_model(store: Store) -> None:
    trained = f"{folder_of('toy', JOB)}/trained"
    store.write(f"{trained}/mxnet/model_algo_1-0000.params", b"weights")
    store.write(f"{trained}/configuration.json", json.dumps({"epochs": 2}).encode())
    summary = {"steps": 2, "best_step": 1, "validation_mAP": None, "validation_mAP50": 0.25, "seconds": 60.0}
    store.write(f"{trained}/summary.json", json.dumps(summary).encode())
    lines = [{"step": 1, "validation_mAP50": 0.25}, {"step": 2, "loss": 3.0, "validation_mAP50": 0.2}]
    store.write(f"{trained}/metrics.jsonl", "\n".join(map(json.dumps, lines)).encode())


def scored(store: Store, scratch: Path, answers: dict[str, Detections]) -> ResultDocument:
    dataset = put_dataset(store, scratch, holdout=IMAGES)
    asked = (TargetPlan(target="sagemaker_builtin", configuration={}, max_hours=1),)
    plan = PlanDocument(
        collection="toy",
        key="all:1",
        dataset=dataset.path,
        dataset_id=dataset.id,
        targets=asked,
        deadline_hours=1,
        reason="",
    )
    store.put(plan)
    put_model(store)
    store.write(f"{folder_of('toy', JOB)}/exports/detections.json", encoded(answers))
    scores = score_model(store, plan, dataset, JOB, "sagemaker_builtin", Thresholds())
    result = assemble(store, plan, "sagemaker_builtin", scores=scores, state=State.SUCCEEDED, job=JOB)
    store.put(result)
    (row,) = compare_results(store, plan).rows
    assert result.reference is not None
    assert row.mAP == (None if result.reference.refused else result.reference.metrics.mAP)
    return result


def test_the_truth_is_worth_an_mAP_of_1_without_a_latency(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    result = scored(store, tmp_path, {image.sha256: truth(image, 0.5 + i / 20) for i, image in enumerate(IMAGES)})
    (export,) = result.exports
    assert (export.format, export.path) == ("mxnet", f"{folder_of('toy', JOB)}/trained/mxnet")
    assert export.metrics.mAP == pytest.approx(1.0)
    assert (export.latency_ms, export.refused, export.bytes) == (None, (), len(b"weights"))
    assert result.training is not None and result.training.validation_mAP is None
    page = store.read(result.report or "").decode()
    assert "The model was not run here" in page
    assert page.count('class="plotly-graph-div"') == 2


def test_a_constant_answer_is_refused(tmp_path: Path) -> None:
    result = scored(Store(tmp_path / "store"), tmp_path, {image.sha256: truth(IMAGES[0]) for image in IMAGES})
    assert "returns the same 1 detections for all 6" in result.exports[0].refused[0]


def test_an_image_without_an_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no answer for the hold-out image with sha256 {IMAGES[1].sha256}"):
        scored(Store(tmp_path / "store"), tmp_path, {IMAGES[0].sha256: truth(IMAGES[0])})


def test_what_was_written_is_read_back_best_first_and_no_more_than_the_most(tmp_path: Path) -> None:
    many = Detections(np.tile(truth(IMAGES[0]).boxes, (150, 1)), np.ones(150), np.linspace(1, 0.01, 150))
    file = tmp_path / "detections.json"
    file.write_bytes(encoded({IMAGES[1].sha256: truth(IMAGES[1]), IMAGES[0].sha256: many}))
    predictor = AnsweredPredictor(file)
    assert predictor(Picture(IMAGES[1].encoded)).same_as(truth(IMAGES[1]))
    found = predictor(Picture(IMAGES[0].encoded))
    assert len(found) == MOST
    assert np.array_equal(found.scores, many.scores[:MOST].astype(np.float32))


def test_nothing_is_an_answer_too() -> None:
    assert len(decoded([])) == 0
