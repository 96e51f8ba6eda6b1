"""``python -m include.export``: turn any checkpoint into files that can be shipped, without training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from include.documents import ExportFormat
from include.export.formats import ALL, export_all


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.export",
        description="Export the best checkpoint of a training as SavedModel, frozen graph and TensorFlow Lite.",
        epilog="With --holdout and --coco every export is also reloaded, scored, timed and passed through the gate; "
        "the exit code is 1 if one is refused.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="DIR",
        help="output folder of a training: configuration.json, label_map.pbtxt and checkpoints/best",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write the exports to")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=ALL,
        default=ALL,
        metavar="FORMAT",
        help=f"which formats to write: {', '.join(ALL)} (default: all)",
    )
    parser.add_argument(
        "--calibration",
        nargs="+",
        type=Path,
        default=(),
        metavar="SHARD",
        help="TFRecord shards of training images; tflite_int8 measures its value ranges on up to 100 of them",
    )
    parser.add_argument("--holdout", nargs="+", type=Path, metavar="SHARD", help="TFRecord shards of the hold-out")
    parser.add_argument("--coco", type=Path, metavar="FILE", help="COCO JSON of the hold-out")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    if "tflite_int8" in options.formats and not options.calibration:
        parser.error("tflite_int8 needs --calibration with shards of training images; or leave it out of --formats.")
    if bool(options.holdout) != bool(options.coco):
        parser.error("--holdout and --coco belong together.")
    if options.holdout and "saved_model" not in options.formats:
        parser.error("the gate compares with saved_model: add it to --formats.")

    from include.scoring.predict import limit_tensorflow_to_one_thread

    if options.holdout:
        limit_tensorflow_to_one_thread()
    from detector_trainer.errors import BadInput

    try:
        paths = export_all(options.checkpoint, options.output, calibration=options.calibration, formats=options.formats)
    except BadInput as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for path in paths.values():
        print(path)
    return _check(options, paths) if options.holdout else 0


def _check(options: argparse.Namespace, paths: Mapping[ExportFormat, Path]) -> int:
    from detector_trainer.configuration import Configuration
    from include.export.outcome import export_results
    from include.scoring.evaluation import evaluate
    from include.scoring.holdout import HoldOut

    configuration = Configuration.read(options.checkpoint / "configuration.json")
    evaluations = evaluate(paths, HoldOut(options.holdout, options.coco), input_size=configuration.input_size)
    results = export_results(evaluations, {format_: str(path) for format_, path in paths.items()})
    print(f"\n{'format':14}{'MB':>8}{'ms':>8}{'mAP':>9}{'mAP50':>9}")
    for result in results:
        metrics, latency = result.metrics, result.latency_ms or 0.0
        print(
            f"{result.format:14}{result.bytes / 1e6:8.2f}{latency:8.1f}{metrics.mAP:9.4f}{metrics.mAP50:9.4f}"
            f"  {'; '.join(result.refused) or 'passed'}"
        )
    return int(any(result.refused for result in results))


if __name__ == "__main__":
    sys.exit(main())
