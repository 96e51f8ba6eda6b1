"""A trained model of the registry as labeller. Here, because the toy detector that was trained for seconds is here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.documents import ExportFormat, ExportResult, Metrics, ResultDocument, State
from include.export.formats import FILE_NAMES
from include.export.outcome import content_hash
from include.labelling.own_model import ModelAltered, model_in, newest_registered
from include.labelling.pool import survey
from include.registry.mlflow_registry import connect, register
from include.registry.registered import newest_models
from include.scoring.misses import iou
from include.store import Store
from tests.export.conftest import Toy
from tests.toy_collection import COLOURS, make_images

JOB = "lanner-local-1a2b3c4d-5e6f7a8b-g1-a1"
FIGURES = dict.fromkeys(("mAP", "mAP50", "mAP75", "AR_1", "AR_10", "AR_100"), 0.5)
SIZES = dict.fromkeys(("mAP_small", "mAP_medium", "mAP_large", "AR_small", "AR_medium", "AR_large"))
METRICS = Metrics.model_validate({**FIGURES, **SIZES, "per_class": {}, "per_class50": {}})


@pytest.fixture
def store(toy: Toy, exports: dict[ExportFormat, Path], tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    folder = f"toy/models/{JOB}"
    store.copy_in(exports["tflite_fp32"], f"{folder}/exports/{FILE_NAMES['tflite_fp32']}")
    store.copy_in(exports["saved_model"], f"{folder}/exports/{FILE_NAMES['saved_model']}")
    store.copy_in(toy.trained / "label_map.pbtxt", f"{folder}/trained/label_map.pbtxt")
    return store


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/mlflow.db"


def put(registry: str, exports: dict[ExportFormat, Path], job: str = JOB, **refused: str) -> str:
    result = ResultDocument(
        collection="toy",
        key="all:1",
        target="local",
        plan="toy/documents/plan/1.json",
        dataset_id="dd" * 32,
        state=State.SUCCEEDED,
        job=job,
        model=f"toy/models/{job}/trained",
        exports=tuple(
            ExportResult(
                format=name,
                path=f"toy/models/{job}/exports/{FILE_NAMES[name]}",
                sha256=content_hash(path),
                bytes=1,
                metrics=METRICS,
                latency_ms=1.0,
                refused=(refused[name],) if name in refused else (),
            )
            for name, path in exports.items()
            if name in {"tflite_fp32", "saved_model"}
        ),
    )
    return register(
        result,
        configuration={},
        history=[],
        store_root=registry.removeprefix("sqlite:///").removesuffix("/mlflow.db") + "/store",
        code_version="1",
        tracking_uri=registry,
        registered_model="toy",
    )


def test_the_newest_registered_model_suggests_what_is_there(
    registry: str, store: Store, exports: dict[ExportFormat, Path], tmp_path: Path
) -> None:
    with newest_registered(store, registry, "toy") as nobody:
        assert nobody.name == "nobody", "there is no model yet"

    put(registry, exports)
    put(registry, exports, job=f"{JOB}0", tflite_fp32="lost a class", saved_model="constant")
    truth = {image.sha256: image for image in make_images(12, seed=7)}
    (tmp_path / "bare").mkdir()
    for sha256, image in truth.items():
        (tmp_path / "bare" / f"{sha256}.jpg").write_bytes(image.encoded)
    images = survey(tmp_path / "bare").images
    with newest_registered(store, registry, "toy") as labeller:
        assert labeller.name == "toy/1"
        suggested = list(labeller.suggest(images))
    found = wanted = 0
    for image, proposals in zip(images, suggested, strict=True):
        true = truth[image.facts.sha256]
        wanted += len(true.boxes)
        assert [each.score for each in proposals] == sorted((each.score for each in proposals), reverse=True)
        for box, class_id in zip(true.boxes, true.classes, strict=True):
            name = list(COLOURS)[class_id - 1]
            same = [each for each in proposals if each.label == name and each.score > 0.3]
            corners = np.array([[x, y, x2 - x, y2 - y] for _, _, x, y, x2, y2 in same], np.float64).reshape(-1, 4)
            found += bool((iou(np.array([box], np.float64), corners) > 0.5).any())
    assert found > 0.7 * wanted


def test_a_file_that_is_not_the_registered_one_is_not_loaded(
    registry: str, store: Store, exports: dict[ExportFormat, Path]
) -> None:
    put(registry, exports)
    store.write(f"toy/models/{JOB}/exports/{FILE_NAMES['tflite_fp32']}", b"something else")
    with pytest.raises(ModelAltered, match=r"registered as toy/1 was"), newest_registered(store, registry, "toy"):
        pass


def test_where_the_gate_refused_one_format_another_is_taken(
    registry: str, store: Store, exports: dict[ExportFormat, Path]
) -> None:
    put(registry, exports, tflite_fp32="lost a class")
    (model,) = newest_models(registry, "toy")
    assert set(model.exports) == {"saved_model"}
    with newest_registered(store, registry, "toy") as labeller:
        assert labeller.name == "toy/1"


def test_versions_of_others_are_passed_over(registry: str, exports: dict[ExportFormat, Path], tmp_path: Path) -> None:
    put(registry, exports)
    connect(registry).create_model_version("toy", f"{tmp_path}/theirs")
    assert [model.version for model in newest_models(registry, "toy")] == ["toy/1"]
    assert newest_models(registry, "nothing") == []


def test_a_jobs_folder_is_a_labeller_too(store: Store) -> None:
    assert model_in(Path(str(store.path(f"toy/models/{JOB}")))).name == JOB
