"""``report.html``: one result on one page that needs nothing else, to be kept, mailed, opened anywhere."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.documents import (
    SIDES,
    BatchDocument,
    ClassMeasure,
    DatasetDocument,
    ExportResult,
    Measure,
    State,
    TrainingSummary,
)
from include.scoring import drawing, figures
from include.scoring.misses import CONFIDENT, Verdict

TEMPLATE = "report.html.jinja"

FORMAT_NAMES = {
    "saved_model": "SavedModel",
    "frozen_graph": "Frozen graph",
    "tflite_fp32": "TFLite fp32",
    "tflite_fp16": "TFLite fp16",
    "tflite_int8": "TFLite int8",
    "mxnet": "MXNet",
    "custom_vision": "Prediction API",
    "custom_vision_pb": "Frozen graph",
    "custom_vision_tflite": "TFLite",
}


@dataclass(frozen=True)
class Report:
    """What a report is made of. Of a failed training only the first six need to be there.

    Attributes:
        message: how it ended, in a sentence, where that needs saying.
        configuration: of the training, as run.
        history: the lines of ``metrics.jsonl``.
        measure: of the first export on the hold-out, by the rules of the service that trained it.
        precision: of the first export, ``Score.precision``.
        worst, typical: ``include.scoring.misses.most_telling``.
    """

    collection: str
    key: str
    target: str
    state: State
    dataset: DatasetDocument
    batches: Sequence[BatchDocument]
    message: str = ""
    job: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    training: TrainingSummary | None = None
    history: Sequence[Mapping[str, Any]] = ()
    exports: Sequence[ExportResult] = ()
    measure: Measure | None = None
    precision: Mapping[str, Sequence[float]] = field(default_factory=dict)
    worst: Sequence[Verdict] = ()
    typical: Sequence[Verdict] = ()


@dataclass(frozen=True)
class _MeasuredRow:
    """All classes together, or one of them: as its service measures it, and on the hold-out by the same rules."""

    name: str
    own: Measure | ClassMeasure
    ours: Measure | ClassMeasure
    ap50: float | None


@dataclass(frozen=True)
class _ClassRow:
    name: str
    train: int
    holdout: int
    ap: float | None
    ap50: float | None


def render_report(report: Report) -> str:
    """The page, as HTML. Names of classes and files are escaped, whatever they hold."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = lambda value: "–" if value is None else f"{value:.3f}"
    environment.filters["milliseconds"] = lambda value: "–" if value is None else f"{value:.1f} ms"
    environment.filters["size"] = lambda count: f"{count / 1e6:.1f} MB"
    environment.filters["duration"] = _duration
    history = [line for line in report.history if line.get("step")]  # a service that tells no step has no curve
    label_map = {category.id: category.name for category in report.dataset.label_map}
    template = environment.get_template(TEMPLATE)
    return template.render(
        report=report,
        sides=SIDES,
        format_names=FORMAT_NAMES,
        reference=report.exports[0] if report.exports else None,
        classes=_class_rows(report),
        measured=_measured_rows(report),
        found=sum(batch.images.found for batch in report.batches),
        quarantined=sum(batch.images.quarantined for batch in report.batches),
        faults=sum((Counter(batch.faults) for batch in report.batches), Counter()).most_common(),
        configuration=sorted(_flat(report.configuration)),
        galleries=[
            ("Worst misses", "Hold-out images with the most boxes overlooked or wrongly seen.", report.worst),
            ("Typical images", "Taken evenly from the rest of the hold-out.", report.typical),
        ],
        picture=lambda verdict: base64.b64encode(drawing.draw(verdict, label_map)).decode(),
        colours=drawing,
        confident=CONFIDENT,
        precision_recall=Markup(figures.precision_recall(report.precision)) if report.precision else None,
        training_curves=Markup(figures.training_curves(history)) if history else None,
        plotly_script=Markup(figures.plotly_script()) if report.precision or history else None,
    )


def _class_rows(report: Report) -> list[_ClassRow]:
    metrics = report.exports[0].metrics if report.exports else None
    train, holdout = (report.dataset.sides[side].classes for side in ("train", "holdout"))
    return [
        _ClassRow(
            name=category.name,
            train=train.get(category.name, 0),
            holdout=holdout.get(category.name, 0),
            ap=metrics.per_class.get(category.name) if metrics else None,
            ap50=metrics.per_class50.get(category.name) if metrics else None,
        )
        for category in report.dataset.label_map
    ]


def _measured_rows(report: Report) -> list[_MeasuredRow]:
    """Nothing unless a service measured its own model; classes that it did not train are left out."""
    own, ours = report.training.measure if report.training else None, report.measure
    if own is None or ours is None:
        return []
    metrics = report.exports[0].metrics
    rows = [_MeasuredRow("all classes", own, ours, metrics.mAP50)]
    return rows + [
        _MeasuredRow(name, own.classes[name], measure, metrics.per_class50.get(name))
        for name, measure in ours.classes.items()
        if name in own.classes
    ]


def _flat(configuration: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in configuration.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, value)]
    return rows


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
