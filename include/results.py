"""From a trained model in the store to ``result.json``: export, score, report, register.

Everything about one job lies in ``<collection>/models/<job>/``: ``trained/`` (what the trainer wrote), ``exports/``,
``scores.json`` and ``report.html``. Each step can be run again; it writes the same files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from include.documents import (
    BatchDocument,
    DatasetDocument,
    ExportFormat,
    ExportResult,
    Measure,
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
CUSTOM_VISION = "trained/custom_vision"  # that of Custom Vision, in all formats
ANSWERED: Mapping[ExportFormat, str] = MappingProxyType({"mxnet": MXNET, "custom_vision": CUSTOM_VISION})
"""Models that answer where they were trained."""
BESIDE: Mapping[ExportFormat, str] = MappingProxyType(
    {"custom_vision_pb": f"{CUSTOM_VISION}/tensorflow", "custom_vision_tflite": f"{CUSTOM_VISION}/tensorflowlite"}
)
"""What a service exported of them, to be run here."""


class Scores(Record):
    """``scores.json``: what the hold-out said about every export of a job."""

    training: TrainingSummary
    exports: tuple[ExportResult, ...]
    measure: Measure | None = None  # by the rules of the service that trained it, if it has any


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
    from include.scoring.measure import measure
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
        summary = TrainingSummary.model_validate_json((trained / "summary.json").read_text())
        summary = _without_what_cannot_run(exports, holdout.label_map, summary)
        configuration = json.loads((trained / "configuration.json").read_text())
        evaluations = evaluate(exports, holdout, input_size=configuration.get("input_size", 0), answers=answered)
        first = next(iter(evaluations.values()))
        own = summary.measure
        scores = Scores(
            training=summary,
            exports=export_results(evaluations, locations, tolerance),
            measure=own and measure(holdout, first.detections, own.probability_threshold, own.overlap_threshold),
        )
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
                measure=scores.measure,
                precision=first.score.precision,
                worst=worst,
                typical=typical,
            )
        )
    store.write(f"{folder}/report.html", page.encode())
    return store.write(f"{folder}/scores.json", scores.model_dump_json().encode())


def _exported(store: Store, folder: str) -> tuple[dict[ExportFormat, str], list[str]]:
    """Where each export of a job lies, and what a service answered for the one that is not run here, if it did."""
    from include.export.formats import FILE_NAMES
    from include.scoring.answers import FILE_NAME

    answers = f"{folder}/exports/{FILE_NAME}"
    if store.exists(answers):
        return answered_models(store, folder), [answers]
    return {name: f"{folder}/exports/{file}" for name, file in FILE_NAMES.items()}, []


def answered_models(store: Store, folder: str) -> dict[ExportFormat, str]:
    """Where the models of a job lie that was trained by a service which answers for it; the one that does first."""
    places = {name: f"{folder}/{place}" for name, place in {**ANSWERED, **BESIDE}.items()}
    return {name: place for name, place in places.items() if store.exists(place)}


def _without_what_cannot_run(
    exports: dict[ExportFormat, Path], label_map: Mapping[int, str], summary: TrainingSummary
) -> TrainingSummary:
    """Leave out exports that others made and that are not what they should be. Returns the summary, which says so."""
    from include.scoring.predict import load_predictor

    said = []
    for name in BESIDE.keys() & exports.keys():
        try:
            load_predictor(name, exports[name], label_map)
        except ValueError as why:
            said.append(f"The export {name} is kept, but was not scored: {why}")
            del exports[name]
    return summary.model_copy(update={"warnings": (*summary.warnings, *said)})


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
        fields |= {"training": found.training, "exports": found.exports, "measure": found.measure}
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
