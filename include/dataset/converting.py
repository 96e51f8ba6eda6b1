"""The commands that convert annotations, and nothing else: ``coco``, ``sagemaker-json`` and ``voc2coco``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.dataset.obtain import FORMS, canonical, obtain
from include.dataset.sagemaker_by_hand import coco_to_sagemaker, voc_to_sagemaker
from include.dataset.sagemaker_channels import TRAINING_SIDES, write_channels
from include.dataset.voc2coco import annotation_paths, read_labels, voc2coco
from include.dataset.voc_to_coco import Converted, voc_to_coco
from include.documents import DatasetDocument, Fault
from include.settings import state_folder
from include.store import NotInStore, Store

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ORDINARY, SET_ASIDE, UNUSABLE = 0, 1, 2  # exit codes


def add_conversions(commands: Commands) -> None:
    coco = commands.add_parser(
        "coco",
        help="convert Pascal VOC XML to one COCO JSON, and nothing else",
        description="Checks every annotation against its image's size and writes what is sound as COCO JSON; the "
        "rest is listed with its reason. Images are not decoded: `check` does that.",
    )
    coco.add_argument("data", help=f"images with their annotations: {FORMS}")
    coco.add_argument("--output", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    coco.set_defaults(run=run_coco)

    sagemaker = commands.add_parser(
        "sagemaker-json",
        help="write one JSON file per image, as SageMaker's built-in object detection reads them",
        description="From a COCO JSON file or a folder with Pascal VOC XML: one annotation file for each image that "
        "has boxes. From a dataset that `build` or Airflow has made (--store): the four channels train, "
        "train_annotation, validation and validation_annotation, with their images; never the hold-out.",
    )
    sagemaker.add_argument("data", nargs="?", help=f"a COCO JSON file, or images with Pascal VOC XML: {FORMS}")
    sagemaker.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    sagemaker.add_argument("--store", help="take a dataset of this store instead: a folder, or gs://, s3:// …")
    sagemaker.add_argument("--collection", default="images", help="of the dataset (default: %(default)s)")
    sagemaker.add_argument("--key", default="all", help="of the dataset's newest batch (default: %(default)s)")
    sagemaker.set_defaults(run=run_sagemaker_json)

    old = commands.add_parser(
        "voc2coco",
        help="as the script voc2coco.py: Pascal VOC XML by a list of names, to COCO JSON",
        description="Takes the options of github.com/yukkyo/voc2coco and writes the same JSON. Images are not looked "
        "at. What is wrong is listed and left out, an image at a time. Differences: docs/from_the_chapter.md.",
    )
    for name, about in (
        ("dir", "folder of the annotations"),
        ("ids", "file that lists their names, one a line, with or without suffix"),
        ("paths-list", "file that lists their paths instead"),
    ):
        _either(old, f"--ann-{name}", type=Path, metavar="FOLDER" if name == "dir" else "FILE", help=about)
    old.add_argument("--labels", type=Path, required=True, metavar="FILE", help="the class names, one a line")
    old.add_argument("--output", type=Path, default=Path("output.json"), help="(default: %(default)s)")
    old.add_argument("--ext", default="", help="suffix of the annotation files, without its dot (default: xml)")
    old.set_defaults(run=run_voc2coco)


def _either(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """An option under its name, and with the underscores of the old script."""
    parser.add_argument(name, f"--{name[2:].replace('-', '_')}", **options)


def run_coco(options: argparse.Namespace) -> int:
    return _write(voc_to_coco(obtain(canonical(options.data), state_folder())), options.output)


def run_voc2coco(options: argparse.Namespace) -> int:
    paths = annotation_paths(options.ann_dir, options.ann_ids, options.ann_paths_list, options.ext)
    return _write(voc2coco(paths, read_labels(options.labels)), options.output)


def run_sagemaker_json(options: argparse.Namespace) -> int:
    if (options.data is None) == (options.store is None):
        raise ValueError("Name either what is to be converted, or the --store of a dataset.")
    if options.store is not None:
        return _write_channels(Store(options.store), options)
    file = Path(options.data)
    is_coco = file.suffix.lower() == ".json"
    made = coco_to_sagemaker(file) if is_coco else voc_to_sagemaker(obtain(canonical(options.data), state_folder()))
    made.write(options.output)
    print(f"{len(made.files)} annotation files with {sum(each.boxes for each in made.files)} boxes in {options.output}")
    _print_data(made.classes, made.without_boxes, made.label_width)
    return _print_faults(made.faults)


def _write_channels(store: Store, options: argparse.Namespace) -> int:
    newest = store.newest(DatasetDocument, options.collection, options.key)
    if newest is None:
        raise NotInStore(f"There is no dataset {options.collection}:{options.key} in {store}. Build it first.")
    data = write_channels(store, newest[1], options.output)
    for side in TRAINING_SIDES:
        print(f"{side:<10} {len(getattr(data, side).annotations):>7} images, {options.output / side}[_annotation]")
    left_out = data.train.without_boxes + data.validation.without_boxes
    _print_data([each.name for each in data.classes], left_out, data.hyperparameters()["label_width"])
    return ORDINARY


def _write(converted: Converted, output: Path) -> int:
    output.write_bytes(converted.instances)
    print(f"{converted.images} images with {converted.boxes} boxes in {output}")
    return _print_faults(converted.faults)


def _print_data(classes: Sequence[str], without_boxes: int, label_width: int) -> None:
    print("  classes: " + ", ".join(f"{number} {name}" for number, name in enumerate(classes)))
    print(f"  hyperparameters: num_classes {len(classes)}, label_width {label_width} or more")
    if without_boxes:
        print(f"  {without_boxes} images without a box have no file: leave them out of the channel, too")


def _print_faults(faults: Sequence[Fault]) -> int:
    for each in faults:
        where = " ".join(filter(None, (each.file, each.field)))
        print(f"  set aside: {where}: {each.message}" + (f" ({each.value})" if each.value else ""))
    return SET_ASIDE if faults else ORDINARY
