"""From a trained model in the store to ``result.json``: export, score, report, register.

Everything about one job lies in ``<collection>/models/<job>/``: ``trained/`` (what the trainer wrote), ``exports/``,
``scores.json`` and ``report.html``. Each step can be run again; it writes the same files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.documents import (
    BatchDocument,
    DatasetDocument,
    ExportFormat,
    ExportResult,
    PlanDocument,
    Reason,
    Record,
    ResultDocument,
    State,
    TrainingSummary,
)
from include.settings import Thresholds
from include.store import Store

CALIBRATION_SHARDS = 2  # of training images, for the int8 export
MXNET = "trained/mxnet"  # of a job's folder: the model of SageMaker's built-in detector, as it came


class Scores(Record):
    """``scores.json``: what the hold-out said about every export of a job."""

    training: TrainingSummary
    exports: tuple[ExportResult, ...]


def folder_of(collection: str, job: str) -> str:
    """Where everything about a job lies in the store."""
    return f"{collection}/models/{job}"


def export_model(store: Store, dataset: DatasetDocument, job: str) -> dict[ExportFormat, str]:
    """Export a job's model in every format. Returns where each one lies in the store."""
    from include.export.formats import export_all

    folder = folder_of(dataset.collection, job)
    shards = [shard.path for shard in dataset.sides["train"].shards[:CALIBRATION_SHARDS]]
    with _fetched(store, f"{folder}/trained", *shards) as (trained, *calibration), TemporaryDirectory() as output:
        paths = export_all(trained, Path(output), calibration=calibration)
        return {name: store.copy_in(path, f"{folder}/exports/{path.name}") for name, path in paths.items()}


def score_model(
    store: Store, plan: PlanDocument, dataset: DatasetDocument, job: str, target: str, thresholds: Thresholds
) -> str:
    """Run every export over the hold-out, pass them through the gate, write the report. Returns ``scores.json``'s path.

    Raises:
        ValueError: the hold-out has no image, so nothing can be said about a model.
    """
    from include.export.gate import TOLERANCE
    from include.export.outcome import export_results
    from include.scoring.evaluation import evaluate
    from include.scoring.holdout import HoldOut
    from include.scoring.misses import most_telling
    from include.scoring.predict import limit_tensorflow_to_one_thread
    from include.scoring.report import Report, render_report

    side = dataset.sides["holdout"]
    if not side.images:
        raise ValueError(f"The hold-out of dataset {dataset.id[:8]} has no image. Add images, or raise its share.")
    limit_tensorflow_to_one_thread()
    folder = folder_of(dataset.collection, job)
    locations, answers = _exported(store, folder)
    tolerance = dict.fromkeys(TOLERANCE, thresholds.mAP_loss) | {"tflite_int8": thresholds.mAP_loss_int8}
    shards = [shard.path for shard in side.shards]
    paths = [f"{folder}/trained", side.coco, *locations.values(), *answers, *shards]
    with _fetched(store, *paths) as (trained, coco, *files):
        exports = dict(zip(locations, files, strict=False))
        answered = files[len(exports)] if answers else None
        holdout = HoldOut(files[len(exports) + len(answers) :], coco)
        configuration = json.loads((trained / "configuration.json").read_text())
        evaluations = evaluate(exports, holdout, input_size=configuration.get("input_size", 0), answers=answered)
        scores = Scores(
            training=TrainingSummary.model_validate_json((trained / "summary.json").read_text()),
            exports=export_results(evaluations, locations, tolerance),
        )
        first = next(iter(evaluations.values()))
        worst, typical = most_telling(holdout, first.detections)
        page = render_report(
            Report(
                collection=plan.collection,
                key=plan.key,
                target=target,
                state=State.SUCCEEDED,
                dataset=dataset,
                batches=[store.get(BatchDocument, batch.document) for batch in dataset.batches],
                job=job,
                configuration=configuration,
                training=scores.training,
                history=history_of(trained),
                exports=scores.exports,
                precision=first.score.precision,
                worst=worst,
                typical=typical,
            )
        )
    store.write(f"{folder}/report.html", page.encode())
    return store.write(f"{folder}/scores.json", scores.model_dump_json().encode())


def _exported(store: Store, folder: str) -> tuple[dict[ExportFormat, str], list[str]]:
    """Where each export of a job lies, and what a service answered for the one that cannot be run here, if it did."""
    from include.export.formats import FILE_NAMES
    from include.scoring.answers import FILE_NAME

    answers = f"{folder}/exports/{FILE_NAME}"
    if store.exists(answers):
        return {"mxnet": f"{folder}/{MXNET}"}, [answers]
    return {name: f"{folder}/exports/{file}" for name, file in FILE_NAMES.items()}, []


def assemble(
    store: Store, plan: PlanDocument, target: str, *, scores: str | None = None, **fields: Any
) -> ResultDocument:
    """The result of one target's training of a plan, from what there is.

    Args:
        scores: path of ``scores.json``, if the model got that far.
        fields: the rest of ``ResultDocument``: state, reason, message, job, times …
    """
    if scores is not None:
        found = Scores.model_validate_json(store.read(scores))
        folder = scores.rpartition("/")[0]
        fields |= {"training": found.training, "exports": found.exports}
        fields |= {"model": f"{folder}/trained", "report": f"{folder}/report.html"}
    elif fields["state"] is State.SUCCEEDED:
        fields |= {"state": State.FAILED, "reason": Reason.TRAINER_ERROR}
        fields["message"] = "the training succeeded, but its model could not be exported or scored; see the run's log"
    return ResultDocument(
        collection=plan.collection,
        key=plan.key,
        target=target,
        plan=plan.path,
        dataset_id=plan.dataset_id,
        **fields,
    )


def register_model(store: Store, result: ResultDocument, *, tracking_uri: str, code_version: str) -> str:
    """Register a succeeded result in MLflow, once. Returns ``"<registered model>/<version>"``."""
    from include.registry.mlflow_registry import register

    assert result.model is not None
    with _fetched(store, result.model) as (trained,):
        return register(
            result,
            configuration=json.loads((trained / "configuration.json").read_text()),
            history=history_of(trained),
            store_root=str(store.root),
            code_version=code_version,
            tracking_uri=tracking_uri,
            registered_model=result.collection,
        )


def history_of(trained: Path) -> list[dict[str, Any]]:
    """The lines of a training's ``metrics.jsonl``."""
    return [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines() if line.strip()]


@contextmanager
def _fetched(store: Store, *paths: str) -> Iterator[list[Path]]:
    """Local paths of files and folders of the store: where they are if it is a folder, else copies for a while."""
    with TemporaryDirectory() as scratch:
        if store.is_local:
            yield [Path(str(store.path(path))) for path in paths]
        else:
            yield [store.copy_out(path, Path(scratch) / path) for path in paths]
