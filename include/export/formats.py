"""All formats in which a trained detector is shipped, from any checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from include.documents import ExportFormat

FILE_NAMES: Mapping[ExportFormat, str] = MappingProxyType(
    {
        "saved_model": "saved_model",
        "frozen_graph": "frozen_inference_graph.pb",
        "tflite_fp32": "detector_fp32.tflite",
        "tflite_fp16": "detector_fp16.tflite",
        "tflite_int8": "detector_int8.tflite",
    }
)

ALL: tuple[ExportFormat, ...] = tuple(FILE_NAMES)


def export_all(
    trained: Path, output: Path, *, calibration: Sequence[Path] = (), formats: Collection[ExportFormat] = ALL
) -> dict[ExportFormat, Path]:
    """Export the best checkpoint of a training. The same checkpoint gives the same bytes.

    Args:
        trained: the training's output folder, with ``configuration.json``, ``label_map.pbtxt``, ``checkpoints/``.
        output: where the files of ``FILE_NAMES`` are written; made if need be.
        calibration: TFRecord shards of training images, which ``tflite_int8`` needs.

    Returns:
        The file or folder of each format, in the order of ``ALL``.

    Raises:
        detector_trainer.errors.BadInput: ``trained`` holds no finished training.
        ValueError: ``tflite_int8`` without calibration images.
    """
    from detector_trainer.model import load_detector
    from detector_trainer.serving import write_saved_model
    from include.export.frozen_graph import write_frozen_graph
    from include.export.tflite import Precision, write_tflite

    detector = load_detector(trained, "best")
    output.mkdir(parents=True, exist_ok=True)
    paths = {format_: output / FILE_NAMES[format_] for format_ in ALL if format_ in formats}
    if "saved_model" in paths:
        write_saved_model(detector, paths["saved_model"])
        (paths["saved_model"] / "fingerprint.pb").unlink(missing_ok=True)  # a random number: the only bytes that differ
    if "frozen_graph" in paths:
        write_frozen_graph(detector, paths["frozen_graph"])
    precisions: dict[ExportFormat, Precision] = {"tflite_fp32": "fp32", "tflite_fp16": "fp16", "tflite_int8": "int8"}
    tflite = {precision: paths[format_] for format_, precision in precisions.items() if format_ in paths}
    if tflite:
        write_tflite(detector, tflite, calibration=calibration)
    return paths
