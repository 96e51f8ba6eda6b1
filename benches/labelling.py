"""How many boxes have to be drawn by hand until a detector is as good as with full annotation.

The labelling loop as assist_labelling runs it, in a store of its own: images chosen, boxes suggested, reviewed by a
simulated reviewer (``include/labelling/simulated.py``), closed, ingested, built into a dataset, trained on. The first
round has no suggestions; from then on the newest model makes them. Every model is scored on the same hold-out, whose
images are never labelled. In the end one is trained on all annotations, with the same configuration and seed.

With some thirty boxes in a hold-out and one seed the mAP of neighbouring rounds says little; the boxes are exact.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches.curve import chart
from benches.datasets import build, holdout, lay_out
from benches.measure import machine, today
from benches.page import write_section
from benches.quality import Quality, train_and_score
from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.documents import DatasetDocument
from include.labelling.documents import BoxTally
from include.labelling.labelled_batch import fetch_labelled_batch
from include.labelling.labeller import Labeller, Nobody
from include.labelling.own_model import model_in
from include.labelling.simulated import Effort
from include.labelling.simulation import COLLECTION, Simulation
from include.scoring.holdout import HoldOut
from include.settings import PROJECT
from include.store import Store

PICTURE = "labelling_curve.svg"  # beside the page
SHARES = (0.7, 0.3, 0.0)
"""Of what is labelled: an image's hash draws the side here that it draws in the full dataset, by 0.7, 0.15, 0.15; those
that draw the hold-out there are not labelled."""


@dataclass(frozen=True)
class Line:
    """What labelling had come to after a round, and how good the model of it is."""

    name: str
    effort: Effort  # of all rounds so far
    quality: Quality | None  # None: too little was labelled to train on (a side is empty); the labeller stays

    def cells(self) -> list[str]:
        boxes, share = self.effort.boxes, self.effort.boxes.accepted_share
        return [
            self.name,
            f"{self.effort.images}",
            f"{self.effort.true_boxes}",
            f"{boxes.drawn}",
            f"{boxes.corrected}",
            f"{boxes.accepted}" + (f" ({share:.0%})" if share is not None else ""),
            f"{boxes.rejected}",
            f"{self.effort.minutes:.1f}",
            f"{self.effort.minutes_by_hand:.1f}",
            f"{self.quality.mAP50:.3f}" if self.quality else "–",
            f"{self.quality.mAP:.3f}" if self.quality else "–",
        ]


HEAD = (
    *("after", "images", "boxes", "drawn", "corrected", "accepted unchanged", "rejected"),
    *("minutes", "by hand", "mAP50", "mAP"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.labelling", description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of images with their annotations")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none or a .weights.h5 file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, default=20, help="in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=0, help="how many (default: until no image is left)")
    parser.add_argument(
        "--config", type=json.loads, default={}, metavar="JSON", help="fields of the trainer that differ"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.weights.endswith(".h5"):
        options.weights = str(Path(options.weights).resolve())
    with tempfile.TemporaryDirectory(prefix="lanner-labelling-") as scratch:
        lines = measure(options, Path(scratch))
    print(describe(lines, options.data.name))
    if options.write:
        (PROJECT / "docs" / PICTURE).write_text(curve(lines))
        write_section("labelling", f"{describe(lines, options.data.name)}\n\n![mAP50 over boxes]({PICTURE})")
    return 0


def measure(options: argparse.Namespace, scratch: Path) -> list[Line]:
    """Label round by round, with a training after each; then train on everything."""
    whole = Store(scratch / "whole")
    full = build(options.data, whole)
    unseen = holdout(whole, full)
    loop = Simulation(
        options.data,
        scratch / "loop",
        images=options.images,
        leave_out={image["sha256"] for image in unseen.coco["images"]},
    )
    classes = [category.name for category in full.label_map]
    labeller: Labeller = Nobody()
    lines: list[Line] = []
    while options.rounds == 0 or len(lines) < options.rounds:
        if loop.step(labeller) is None:
            break
        number = len(loop.rounds)
        dataset = build_labelled(loop, classes)
        job = scratch / f"round-{number}"
        quality = None
        if dataset.sides["train"].images and dataset.sides["validation"].images:
            quality = _train(options, loop.store, dataset, unseen, job, "tflite_fp32")
            labeller = model_in(job)
        lines.append(Line(f"round {number}", loop.effort, quality))
        print(" | ".join(lines[-1].cells()), flush=True)
    effort = Effort(len(loop.truth), BoxTally(drawn=loop.true_boxes), loop.true_boxes)
    lines.append(Line("full annotation", effort, _train(options, whole, full, unseen, scratch / "full")))
    return lines


def build_labelled(loop: Simulation, classes: Sequence[str]) -> DatasetDocument:
    """The dataset of all that is labelled so far, as ingest_images and build_dataset make it."""
    review = loop.rounds[-1][0]
    assert review.batch is not None, "the simulated reviewer labels every image"
    folder = fetch_labelled_batch(loop.store, COLLECTION, review.batch)
    assert folder is not None
    check_batch(folder, store=loop.store, collection=COLLECTION, key=review.batch, classes=classes)
    plan = plan_shards(loop.store, collection=COLLECTION, key=review.batch, shares=SHARES, classes=classes)
    convert_missing(loop.store, plan)
    return loop.store.get(DatasetDocument, publish_dataset(loop.store, plan))


def _train(
    options: argparse.Namespace, store: Store, dataset: DatasetDocument, unseen: HoldOut, job: Path, *also: Any
) -> Quality:
    data = lay_out(store, dataset, job / "data")
    formats = ("saved_model", *also)
    return train_and_score(data, options.weights, options.seed, unseen, job, formats=formats, **options.config)


def describe(lines: Sequence[Line], name: str) -> str:
    """The table, and after which round the mAP of full annotation was reached."""
    *rounds, full = lines
    goal = full.quality.mAP50 if full.quality else 0.0
    rule = ["---"] * len(HEAD)
    table = [" | ".join(cells) for cells in (HEAD, rule, *(line.cells() for line in lines))]
    reached = next((line for line in rounds if line.quality and line.quality.mAP50 >= goal), None)
    verdict = f"No round reached the mAP50 of full annotation, {goal:.3f}."
    if reached is not None:
        share = reached.effort.boxes.drawn / max(full.effort.true_boxes, 1)
        verdict = (
            f"The mAP50 of full annotation, {goal:.3f}, was reached after {reached.name}: "
            f"{reached.effort.boxes.drawn} boxes drawn by hand, {share:.0%} of the {full.effort.true_boxes} that there "
            f"are to draw; {reached.effort.minutes:.1f} minutes, against {full.effort.minutes_by_hand:.1f}."
        )
    return "\n\n".join(
        [f"{name}. Measured on {today()} on {machine()}.", "\n".join(f"| {row} |" for row in table), verdict]
    )


def curve(lines: Sequence[Line]) -> str:
    """The mAP50 over the boxes that a person had to draw, had to draw or correct, or would have drawn by hand."""
    *rounds, full = [(line.effort, line.quality.mAP50) for line in lines if line.quality]
    return chart(
        {
            "every box drawn by hand": [(effort.true_boxes, height) for effort, height in rounds],
            "with suggestions: drawn or corrected": [
                (effort.boxes.drawn + effort.boxes.corrected, height) for effort, height in rounds
            ],
            "with suggestions: drawn": [(effort.boxes.drawn, height) for effort, height in rounds],
        },
        (f"full annotation, {full[0].true_boxes} boxes", full[1]),
        across="boxes",
        height="mAP50 on the hold-out",
    )


if __name__ == "__main__":
    sys.exit(main())
