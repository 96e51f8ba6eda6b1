"""VOC to COCO JSON, whole, per CPU second, against ``supervision``.

``supervision`` (``DetectionDataset.from_pascal_voc(…).as_coco(…)``) decodes each image to learn its size, with OpenCV,
and looks at nothing else. Ours (`python -m include.dataset coco`) reads the same from the image's header, and checks
every annotation: the larger the images, the larger the ratio. In the second row it does all that a build does: each
image is hashed, decoded and checked, sides are assigned, TFRecord is written as well.

``supervision`` runs in an environment of its own (``requirements-bench.txt``); importing it is not counted.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benches import coco_by_supervision
from benches.convert import whole
from benches.measure import Asked, Goal, Row, Timing, main, side_by_side
from benches.pictures import Pictures, described, picture_sets, write_pictures
from include.dataset.voc_to_coco import voc_to_coco
from include.settings import PROJECT

PYTHON = PROJECT / ".venv-bench" / "bin" / "python"
LARGER = {"full HD": (60, (1920, 1080)), "telephone": (12, (4000, 3000))}  # images, width and height of each


def bench(asked: Asked) -> list[Row]:
    if not PYTHON.exists():
        print("supervision is not installed (`make bench` does it, where there is network): VOC → COCO is left out.")
        return []
    with picture_sets(asked.data) as sets, TemporaryDirectory(prefix="lanner-bench-") as scratch:
        for name, (count, size) in LARGER.items():
            write_pictures(Path(scratch, name), count, size)
        larger = [described(f"generated, {name}", Path(scratch, name)) for name in LARGER]
        return [row for pictures in (*sets, *larger) for row in compare(pictures)]


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
    converted = voc_to_coco(pictures.folder)
    if converted.faults:
        raise ValueError(f"{converted.faults}: the benches want sound annotations.")
    output.write_bytes(converted.instances)
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
