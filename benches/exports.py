"""The int8 export against the fp32 one: how much faster on one thread, and what it costs in mAP50.

Both run on LiteRT, one image at a time, over the same images at the model's input size, in turns; CPU seconds, which on
one thread are those of the clock without what else the machine does. mAP50 is that of the whole hold-out.

Measured on the models of finished runs (``--homes``, the ``LANNER_HOME`` of each). Without one, a detector is trained
here for a few minutes on handwritten digits at 128 px; so small a network gains less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.datasets import build, holdout, lay_out, shards
from benches.measure import Asked, Goal, Ratio, Row, main, side_by_side
from detector_trainer.configuration import Configuration
from include.documents import DatasetDocument, ExportFormat, ResultDocument, State
from include.scoring.coco_metrics import coco_score
from include.scoring.holdout import HoldOut
from include.scoring.picture import Picture
from include.scoring.predict import load_predictor
from include.store import Store

FORMATS: tuple[ExportFormat, ...] = ("tflite_fp32", "tflite_int8")
TIMED_IMAGES = 30
STEPS = 300  # of the training, where none is given
PAGES = 400  # of digits


@dataclass(frozen=True)
class Model:
    """Two exports of one training and the hold-out that neither has seen."""

    name: str
    exports: dict[ExportFormat, Path]
    holdout: HoldOut
    input_size: int


def bench(asked: Asked) -> list[Row]:
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        models = [model for home in asked.homes for model in finished(Store(home / "store"))]
        return [row for model in models or [trained_here(Path(scratch))] for row in compare(model)]


def compare(model: Model) -> list[Row]:
    pictures = [Picture(image.encoded) for image in model.holdout]
    ids = [image.id for image in model.holdout]
    predictors = {format_: load_predictor(format_, path) for format_, path in model.exports.items()}
    mAP50 = {}
    for format_, predictor in predictors.items():
        detections = {id_: predictor(picture) for id_, picture in zip(ids, pictures, strict=True)}
        mAP50[format_] = coco_score(model.holdout.coco, detections).metrics.mAP50
    timed = [picture.at_input_size(model.input_size) for picture in pictures[:TIMED_IMAGES]]
    fp32, int8 = side_by_side(
        *(lambda predictor=predictors[format_]: [predictor(picture) for picture in timed] for format_ in FORMATS)
    )
    lost = mAP50["tflite_fp32"] - mAP50["tflite_int8"]
    return [
        Row(
            work="TFLite int8, one thread",
            against="TFLite fp32",
            on=f"{model.name}, {model.input_size} px",
            ours=f"{int8.median / len(timed) * 1000:.2f} ms an image",
            theirs=f"{fp32.median / len(timed) * 1000:.2f} ms an image",
            ratio=fp32.times(int8),
            goal=Goal("≥", 1.6),
        ),
        Row(
            work="mAP50 that int8 loses",
            against="TFLite fp32",
            on=f"{model.name}, {len(ids)} hold-out images",
            ours=f"{mAP50['tflite_int8']:.3f}",
            theirs=f"{mAP50['tflite_fp32']:.3f}",
            ratio=Ratio(lost, lost, lost),
            goal=Goal("≤", 0.015),
        ),
    ]


def finished(store: Store) -> Iterator[Model]:
    """The model of the newest result of each collection of a store."""
    newest: dict[str, tuple[float, ResultDocument]] = {}
    for path in Path(str(store.root)).glob("*/documents/result/*.json"):
        result = ResultDocument.model_validate_json(path.read_text())
        written = path.stat().st_mtime
        if result.state is State.SUCCEEDED and written > newest.get(result.collection, (0.0, result))[0]:
            newest[result.collection] = (written, result)
    for _, result in newest.values():
        dataset = store.get(DatasetDocument, f"{result.collection}/documents/dataset/{result.dataset_id}.json")
        places = {export.format: export.path for export in result.exports}
        yield Model(
            name=result.collection,
            exports={format_: Path(str(store.path(places[format_]))) for format_ in FORMATS},
            holdout=holdout(store, dataset),
            input_size=Configuration.read(Path(str(store.path(f"{result.model}/configuration.json")))).input_size,
        )


def trained_here(scratch: Path, pages: int = PAGES, steps: int = STEPS) -> Model:
    """A detector for digits, trained in this process."""
    from detector_trainer.training import train
    from include.dataset.sample import write_sample
    from include.export.formats import export_all

    store = Store(scratch / "store")
    write_sample(scratch / "sample", images=pages)
    dataset = build(scratch / "sample", store, "digits")
    configuration = Configuration.preset("sample").replace(steps=steps)
    train(configuration, lay_out(store, dataset, scratch / "data"), scratch / "trained")
    calibration = shards(store, dataset, "train")
    return Model(
        name=f"digits, {steps} steps",
        exports=export_all(scratch / "trained", scratch / "exports", calibration=calibration, formats=FORMATS),
        holdout=holdout(store, dataset),
        input_size=configuration.input_size,
    )


if __name__ == "__main__":
    main(__doc__, bench)
