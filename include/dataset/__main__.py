"""Checks a batch of annotated images and builds a dataset from it, by hand, without Airflow."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.dataset.catalog import describe, load_catalog
from include.dataset.converting import ORDINARY, SET_ASIDE, UNUSABLE, add_conversions
from include.dataset.manifest import read_lines
from include.dataset.obtain import FORMS, canonical, obtain
from include.dataset.sample import write_sample
from include.documents import SIDES, BatchDocument, DatasetDocument
from include.settings import state_folder
from include.store import Store

SHOWN_FAULTS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.dataset", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check",
        help="say what is sound in a batch, and what would be set aside and why",
        description="Reads Pascal VOC XML or COCO JSON with their images. Writes nothing. "
        "Exit code 0: all sound; 1: something is set aside; 2: the folder cannot be used at all.",
    )
    check.set_defaults(run=run_check)

    build = commands.add_parser(
        "build",
        help="write TFRecord shards, COCO JSON and a label map from a folder",
        description="Checks the folder as one batch of a collection, then builds the dataset of all of the "
        "collection's batches up to it. Run it again with another folder and a later key to add to the collection.",
    )
    build.add_argument("--store", type=Path, required=True, help="folder to write to")
    build.add_argument("--collection", default="images", help="name of the collection (default: %(default)s)")
    build.add_argument("--key", default="all", help="name of this batch; they are ordered by it (default: %(default)s)")
    build.add_argument(
        "--shares",
        type=float,
        nargs=3,
        default=(0.7, 0.15, 0.15),
        metavar=("TRAIN", "VALIDATION", "HOLDOUT"),
        help="how new images are divided (default: 0.7 0.15 0.15)",
    )
    build.set_defaults(run=run_build)

    add_conversions(commands)

    for command in (check, build):
        command.add_argument("data", help=f"images with their annotations: {FORMS}")
        command.add_argument("--classes", nargs="+", help="the classes that are expected (default: those found)")
        command.add_argument(
            "--split", choices=("hash", "given"), default="hash", help="given: by image sets, or folders train, test …"
        )

    catalog = commands.add_parser(
        "catalog",
        help="list the public image sets that are known by name",
        description="Lists the public image sets that may be given by name, from include/dataset/catalog.yaml.",
    )
    catalog.set_defaults(run=run_catalog)

    sample = commands.add_parser(
        "sample", help="draw the sample collection", description="Handwritten digits on textured pages."
    )
    sample.add_argument("folder", type=Path, help="new folder to write to")
    sample.add_argument("--images", type=int, default=780, help="number of pages (default: %(default)s)")
    sample.add_argument("--seed", type=int, default=20, help="other seeds draw other pages (default: %(default)s)")
    sample.set_defaults(run=run_sample)
    return parser


def run_check(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        batch = check(options, Store(folder), "images", "all")
    return SET_ASIDE if batch.faults else ORDINARY


def run_build(options: argparse.Namespace) -> int:
    store = Store(options.store)
    check(options, store, options.collection, options.key)
    plan = plan_shards(
        store,
        collection=options.collection,
        key=options.key,
        shares=tuple(options.shares),
        classes=options.classes,
    )
    written = convert_missing(store, plan)
    dataset = store.get(DatasetDocument, publish_dataset(store, plan))
    print(f"dataset {dataset.id[:8]} of {len(dataset.batches)} batches: {written} shards written, the others kept")
    for side in SIDES:
        contents = dataset.sides[side]
        print(f"  {side:<10} {contents.images:>7} images {contents.boxes:>8} boxes   {store.path(contents.coco)}")
        for shard in contents.shards:
            print(f"  {'':<10} {shard.images:>7} images {shard.boxes:>8} boxes   {store.path(shard.path)}")
    looks = sum(line["why"] == "near_duplicate" for line in read_lines(store, dataset.assignments))
    print(f"  {looks} images look like others and were put on their side")
    print(f"  label map: {store.path(dataset.label_map_pbtxt)}")
    print(f"  document:  {store.path(dataset.path)}")
    for warning in dataset.warnings:
        print(f"warning: {warning}")
    return ORDINARY


def run_catalog(_options: argparse.Namespace) -> int:
    print(describe(load_catalog()))
    return ORDINARY


def run_sample(options: argparse.Namespace) -> int:
    write_sample(options.folder, seed=options.seed, images=options.images)
    print(f"{options.images} pages in {options.folder}")
    return ORDINARY


def check(options: argparse.Namespace, store: Store, collection: str, key: str) -> BatchDocument:
    """Check the data as a batch and say what was found."""
    folder = obtain(canonical(options.data), state_folder())
    path = check_batch(
        folder, store=store, collection=collection, key=key, classes=options.classes, split=options.split
    )
    batch = store.get(BatchDocument, path)
    for name, count in (("images", batch.images), ("boxes", batch.boxes)):
        print(f"{name:<7} {count.found:>7} found {count.used:>7} used {count.quarantined:>7} set aside")
    for name, boxes in batch.classes.items():
        print(f"  {boxes:>7} {name}")
    for note in batch.notes:
        print(f"note: {note}")
    for code, faults in batch.faults.items():
        print(f"{faults} x {code}")
    for number, fault in enumerate(read_lines(store, batch.quarantine)):
        if number == SHOWN_FAULTS:
            print(f"… and {sum(batch.faults.values()) - SHOWN_FAULTS} more")
            break
        where = " ".join(filter(None, (fault["file"], fault["field"])))
        print(f"  {where}: {fault['message']}" + (f" ({fault['value']})" if fault["value"] else ""))
    return batch


if __name__ == "__main__":
    sys.exit(main())
