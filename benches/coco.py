"""VOC to COCO JSON, whole, per CPU second, against ``supervision``.

``supervision`` (``DetectionDataset.from_pascal_voc(…).as_coco(…)``) decodes each image to learn its size, with OpenCV,
and looks at nothing else. Ours reads the same from the image's header. In the first row it also reads and hashes all of
the image's bytes (the hash is in the JSON) and checks every annotation, but does not decode the image. In the second
row it does all that a build does: each image is decoded and checked, sides are assigned, TFRecord is written as well.

``supervision`` runs in an environment of its own (``requirements-bench.txt``); importing it is not counted.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from benches import coco_by_supervision
from benches.convert import whole
from benches.measure import Asked, Goal, Row, Timing, main, side_by_side
from benches.pictures import Pictures, described, picture_sets, write_pictures
from include.dataset.box_check import check_boxes, check_size
from include.dataset.coco import encode_instances
from include.dataset.image_check import MAX_BYTES
from include.dataset.quarantine import Notes
from include.dataset.source import list_source, read_inside
from include.dataset.voc_folder import voc_candidates
from include.settings import PROJECT

PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
PHONE = (4000, 3000)  # width and height of a photograph of a telephone
PHONE_IMAGES = 12


def bench(asked: Asked) -> list[Row]:
    if not PYTHON.exists():
        print("supervision is not installed (`make bench` does it, where there is network): VOC → COCO is left out.")
        return []
    with picture_sets(asked.data) as sets, TemporaryDirectory(prefix="lanner-bench-") as scratch:
        large = Path(scratch, "large")
        write_pictures(large, PHONE_IMAGES, PHONE)
        return [row for pictures in (*sets, described("generated, large", large)) for row in compare(pictures)]


def compare(pictures: Pictures) -> list[Row]:
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        output = Path(scratch, "instances.json")
        unchecked, checked = side_by_side(lambda: convert(pictures, output), lambda: whole(pictures))
        theirs = Timing(tuple(by_supervision(pictures, output) for _ in unchecked.seconds))
    works = (("VOC → COCO", unchecked, Goal("≥", 50)), ("VOC → COCO and TFRecord, every image checked", checked, None))
    return [
        Row(
            work=work,
            against="supervision",
            on=pictures.name,
            ours=ours.rate(pictures.count, "images"),
            theirs=theirs.rate(pictures.count, "images"),
            ratio=theirs.times(ours),
            goal=goal,
        )
        for work, ours, goal in works
    ]


def convert(pictures: Pictures, output: Path) -> Path:
    """All images into one COCO JSON."""
    notes = Notes()
    images: list[dict[str, Any]] = []
    for candidate in voc_candidates(list_source(pictures.folder), notes):
        path, annotation = candidate.image, candidate.annotation
        if path is None or annotation is None:
            raise ValueError(f"{candidate.problem}: the benches want sound annotations.")
        data = read_inside(pictures.folder, path, MAX_BYTES)
        width, height = Image.open(io.BytesIO(data), formats=("JPEG", "PNG")).size
        problems = check_size(annotation, width, height, notes)
        boxes, box_problems = check_boxes(annotation, width, height, None, notes)
        if problems or box_problems:
            raise ValueError(f"{[*problems, *box_problems]}: the benches want sound annotations.")
        sha256 = hashlib.sha256(data).hexdigest()
        images.append({"file_name": path, "width": width, "height": height, "sha256": sha256, "boxes": boxes})
    labels = sorted({box.label for image in images for box in image["boxes"]})
    ids = {name: number for number, name in enumerate(labels, start=1)}
    for image in images:
        image["boxes"] = [(ids[box.label], box) for box in image["boxes"]]
    output.write_bytes(encode_instances(images, ((number, name) for name, number in ids.items())))
    return output


def by_supervision(pictures: Pictures, output: Path) -> float:
    """CPU seconds that supervision took for it."""
    arguments = [str(path) for path in (pictures.images, pictures.annotations, output)]
    done = subprocess.run(
        [PYTHON, coco_by_supervision.__file__, *arguments], capture_output=True, text=True, check=True, env={}
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main(__doc__, bench)
