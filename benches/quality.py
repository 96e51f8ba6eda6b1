"""How well the ``default`` preset detects: mAP50 on the hold-out over several seeds, and the minutes a training takes.

The data set is built and split as ever; each seed is a training of its own by the trainer's command line, and what
is scored is its exported SavedModel. With some thirty boxes in a hold-out one seed says little, hence the median; the
split is the same for all seeds, so the median still hangs on which images the hold-out happens to have. With
``--folds`` it does not: each image is held out once, from the training whose seed is the number of its fold.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.datasets import build, holdout, lay_out
from benches.folds import lay_out_fold
from include.documents import DatasetDocument, ExportFormat
from include.export.formats import export_all
from include.scoring.evaluation import evaluate
from include.scoring.holdout import HoldOut
from include.settings import PROJECT
from include.store import Store


@dataclass(frozen=True)
class Quality:
    """What the training of one seed came to."""

    seed: int
    mAP50: float
    mAP: float
    minutes: float  # of the training loop

    def __str__(self) -> str:
        return f"seed {self.seed}: mAP50 {self.mAP50:.3f}, mAP {self.mAP:.3f}, {self.minutes:.1f} min of training"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.quality", description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="+", help="folder of images with their annotations")
    parser.add_argument(
        "--weights", default="imagenet", help="imagenet, none or a .weights.h5 file (default: imagenet)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="a training each (default: 1 2 3)")
    parser.add_argument("--folds", type=int, metavar="N", help="cut each set into N folds; a training holds out each")
    options = parser.parse_args(arguments)
    weights = str(Path(options.weights).resolve()) if options.weights.endswith(".h5") else options.weights
    for folder in options.data:
        with tempfile.TemporaryDirectory(prefix="lanner-quality-") as scratch:
            if options.folds:
                cross_validate(folder, weights, options.folds, Path(scratch))
            else:
                measure(folder, weights, options.seeds, Path(scratch))
    return 0


def measure(folder: Path, weights: str, seeds: Sequence[int], scratch: Path) -> None:
    """Train and score on one folder of images; print a line per seed, and their median."""
    store = Store(scratch / "store")
    dataset = build(folder, store)
    print(f"{folder.name}: {_holdout_size(dataset)}", flush=True)
    data = lay_out(store, dataset, scratch / "data")
    unseen = holdout(store, dataset)
    results = []
    for seed in seeds:
        results.append(train_and_score(data, weights, seed, unseen, scratch / f"seed-{seed}"))
        print(f"  {results[-1]}", flush=True)
    _print_median(results)


def cross_validate(folder: Path, weights: str, folds: int, scratch: Path) -> None:
    """Train with each fold held out in turn, and score on it; print a line per fold, and their median."""
    print(f"{folder.name}, {folds} folds:", flush=True)
    results = []
    for fold in range(1, folds + 1):
        own = scratch / f"fold-{fold}"
        own.mkdir()
        store = Store(own / "store")
        dataset = build(lay_out_fold(folder, own / "images", fold, folds), store, split="given")
        data = lay_out(store, dataset, own / "data")
        results.append(train_and_score(data, weights, fold, holdout(store, dataset), own))
        print(f"  {_holdout_size(dataset)}; {results[-1]}", flush=True)
    _print_median(results)


def _holdout_size(dataset: DatasetDocument) -> str:
    side = dataset.sides["holdout"]
    return f"hold-out of {side.images} images, {side.boxes} boxes"


def _print_median(results: Sequence[Quality]) -> None:
    mAP50, minutes = (statistics.median(getattr(result, name) for result in results) for name in ("mAP50", "minutes"))
    print(f"  median: mAP50 {mAP50:.3f}, {minutes:.1f} min of training", flush=True)


def train_and_score(
    data: Path,
    weights: str,
    seed: int,
    unseen: HoldOut,
    scratch: Path,
    formats: Sequence[ExportFormat] = ("saved_model",),
    **changes: Any,
) -> Quality:
    """One training by the trainer's command line; then its SavedModel on the hold-out.

    Args:
        scratch: afterwards it has ``trained/`` and ``exports/``, as the folder of a job.
        formats: what is exported.
        changes: fields of the trainer's configuration that differ from the preset.
    """
    from detector_trainer.configuration import Configuration

    configuration = Configuration.preset("default").replace(weights=weights, seed=seed, **changes)
    output = scratch / "trained"
    output.mkdir(parents=True)
    configuration.write(scratch / "configuration.json")
    options = ["--config", str(scratch / "configuration.json"), "--data", str(data), "--output", str(output)]
    with (scratch / "log").open("w+") as log:
        done = subprocess.run(
            [sys.executable, "-m", "detector_trainer", *options],
            env={**os.environ, "PYTHONPATH": str(PROJECT / "include" / "trainer" / "src")},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        log.seek(0)
        if done.returncode:
            raise SystemExit(f"The training of seed {seed} ended with exit code {done.returncode}:\n{log.read()}")
    exports = export_all(output, scratch / "exports", formats=formats)
    reference: dict[ExportFormat, Path] = {"saved_model": exports["saved_model"]}
    metrics = evaluate(reference, unseen, input_size=configuration.input_size)["saved_model"].score.metrics
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    return Quality(seed, metrics.mAP50, metrics.mAP, summary["seconds"] / 60)


if __name__ == "__main__":
    sys.exit(main())
