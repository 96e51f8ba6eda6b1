"""VOC to SageMaker's JSON, one file per image, per CPU second, against what the chapter's notebook does.

Theirs is two steps: VOC XML to COCO JSON by a script that checks nothing (as github.com/yukkyo/voc2coco: ElementTree,
the size believed that the XML gives), then AWS's notebook object_detection_image_json_format.ipynb: for each image it
goes through the annotations of all images, and for each box through all categories. So its time grows with the square
of the number of images, and the ratio depends on how many there are: the last set has as many as VOC 2007's trainval.
Ours also checks every annotation, and reads each image's size from its header. For COCO → SageMaker JSON both start
from the same file.

The last set is the generated one under many names (links). Both sides end with the same boxes; the notebook's own
``class_id`` of a category is one too large, and it names a category once for each of its boxes.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benches.measure import REPETITIONS, Asked, Goal, Row, main, side_by_side
from benches.pictures import Pictures, described, picture_sets
from include.dataset.sagemaker_by_hand import SageMakerFiles, coco_to_sagemaker, voc_to_sagemaker

LARGE = 5000  # from how many images on it is done fewer times
SIZES = {"VOC 2007's trainval": 5011}
ENOUGH = 3  # repetitions of a large set
GOAL = Goal("≥", 10)


def bench(asked: Asked) -> list[Row]:
    with picture_sets(asked.data) as sets, TemporaryDirectory(prefix="lanner-bench-") as scratch:
        rows = [row for number, pictures in enumerate(sets) for row in compare(pictures, Path(scratch, str(number)))]
        for name, count in SIZES.items():
            larger = multiplied(sets[0], Path(scratch, name), count, name)
            rows += compare(larger, Path(scratch, f"{name} written"))
    return rows


def multiplied(pictures: Pictures, folder: Path, count: int, name: str) -> Pictures:
    """A set of so many images, made of a smaller one's by links."""
    images = sorted(pictures.images.iterdir())
    for kind in ("images", "annotations"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        image = images[number % len(images)]
        os.link(image, folder / "images" / f"copy{number:06}{image.suffix}")
        text = (pictures.annotations / f"{image.stem}.xml").read_text().replace(image.stem, f"copy{number:06}")
        (folder / "annotations" / f"copy{number:06}.xml").write_text(text)
    return described(f"generated, as many as {name}", folder)


def compare(pictures: Pictures, scratch: Path) -> list[Row]:
    scratch.mkdir(parents=True)
    coco = voc2coco(pictures, scratch / "instances.json")
    ways = (
        lambda: whole(pictures, scratch / "ours"),
        lambda: notebook(voc2coco(pictures, scratch / "theirs.json"), scratch / "theirs"),
        lambda: from_coco(coco, scratch / "ours from COCO"),
        lambda: notebook(coco, scratch / "theirs from COCO"),
    )
    large = pictures.count >= LARGE
    timings = side_by_side(*ways, warm=not large, repetitions=ENOUGH if large else REPETITIONS)
    works = (("VOC → SageMaker JSON", timings[:2]), ("COCO → SageMaker JSON", timings[2:]))
    return [
        Row(
            work=work,
            against="the notebook's loop",
            on=pictures.name,
            ours=ours.rate(pictures.count, "images"),
            theirs=theirs.rate(pictures.count, "images"),
            ratio=theirs.times(ours),
            goal=GOAL,
        )
        for work, (ours, theirs) in works
    ]


def whole(pictures: Pictures, output: Path) -> Path:
    return _written(voc_to_sagemaker(pictures.folder), output)


def from_coco(coco: Path, output: Path) -> Path:
    return _written(coco_to_sagemaker(coco), output)


def _written(made: SageMakerFiles, output: Path) -> Path:
    if made.faults:
        raise ValueError(f"{made.faults}: the benches want sound annotations.")
    made.write(output)
    return output


def voc2coco(pictures: Pictures, output: Path) -> Path:
    """As the script does it, but for the pixel that it takes off the corners."""
    labels: dict[str, int] = {}
    content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for path in sorted(pictures.annotations.glob("*.xml")):
        root: Any = ElementTree.parse(path).getroot()
        size = root.find("size")
        width, height = int(size.findtext("width")), int(size.findtext("height"))
        image = {"file_name": f"images/{root.findtext('filename')}", "width": width, "height": height, "id": path.stem}
        content["images"].append(image)
        for each in root.findall("object"):
            box = each.find("bndbox")
            xmin, ymin, xmax, ymax = (int(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax"))
            content["annotations"].append(
                {
                    "image_id": path.stem,
                    "id": len(content["annotations"]) + 1,
                    "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                    "category_id": labels.setdefault(each.findtext("name"), len(labels) + 1),
                }
            )
    content["categories"] = [{"id": number, "name": name} for name, number in labels.items()]
    output.write_text(json.dumps(content))
    return output


def notebook(coco: Path, output: Path) -> Path:
    """As AWS's example notebook does it, and the chapter's after it."""
    output.mkdir(exist_ok=True)
    content = json.loads(coco.read_text())
    for image in content["images"]:
        line: dict[str, Any] = {
            "file": image["file_name"],
            "image_size": [{"width": int(image["width"]), "height": int(image["height"]), "depth": 3}],
            "annotations": [],
            "categories": [],
        }
        for each in content["annotations"]:
            if each["image_id"] == image["id"] and len(each["bbox"]) > 0:
                left, top, width, height = (int(value) for value in each["bbox"])
                class_id = int(each["category_id"]) - 1
                line["annotations"].append(
                    {"class_id": class_id, "top": top, "left": left, "width": width, "height": height}
                )
                for category in content["categories"]:
                    if int(each["category_id"]) == category["id"]:
                        class_name = str(category["name"])
                line["categories"].append({"class_id": int(each["category_id"]), "name": class_name})
        if line["annotations"]:
            name = Path(image["file_name"]).name.split(".")[0]
            with open(f"{output}/{name}.json", "w") as file:  # noqa: PTH123 - as there
                json.dump(line, file)
    return output


if __name__ == "__main__":
    main(__doc__, bench)
