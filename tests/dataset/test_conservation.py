"""found == used + quarantined, for images and boxes, whatever is wrong with a batch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.dataset.annotation import Box
from include.dataset.source import SIGNATURES
from include.store import Store
from tests.dataset.folders import CAT, Checked, encode, write_coco, write_pair

SOUND, TRUNCATED = encode(1), encode(1)[:-30]

coordinates = st.sampled_from([-5.0, -0.5, 0.0, 3.0, 12.0, 29.5, 30.5, 41.0, 99.0, float("nan"), float("inf")])
boxes = st.builds(Box, st.sampled_from(["cat", "wolf", ""]), coordinates, coordinates, coordinates, coordinates)
sound_or_not = st.lists(st.just(CAT) | boxes, max_size=3)
stems = st.sampled_from(["a", "b", "c", "x/a", "x/b", "y/a", os.fsdecode(b"\xff")])
suffixes = st.sampled_from([".jpg", ".JPG", ".png", ".gif", ""])
contents = st.sampled_from([SOUND, encode(2), encode(3, format="png"), encode(4, format="gif"), TRUNCATED, b""])


class Broken(str):
    """What a VOC file can hold instead of an annotation."""


broken = st.sampled_from([Broken("<annotation>"), Broken("<!DOCTYPE x []><annotation/>"), Broken("<x/>"), Broken("")])
voc_files = st.dictionaries(stems, st.tuples(sound_or_not, st.sampled_from(["a.jpg", "b", "gone.png"])) | broken)
image_files = st.dictionaries(st.tuples(stems, suffixes), contents)


def write_images(folder: Path, images: dict[tuple[str, str], bytes]) -> None:
    for (stem, suffix), content in images.items():
        path = folder / f"{stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(image_files, voc_files)
def test_voc(images: dict[tuple[str, str], bytes], annotations: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "batch")
        folder.mkdir()
        boxes_written = 0
        for stem, content in annotations.items():
            if isinstance(content, Broken):
                (folder / f"{stem}.xml").parent.mkdir(exist_ok=True)
                (folder / f"{stem}.xml").write_text(content)
            else:
                objects, filename = content  # type: ignore[misc]
                write_pair(folder, stem, *objects, filename=filename, suffix=".tmp").unlink()
                boxes_written += len(objects) if stem.isprintable() else 0
        write_images(folder, images)
        recognised = [key for key, data in images.items() if key[1] or data.startswith(SIGNATURES)]
        assume(recognised or annotations)
        checked = Checked(folder, Store(Path(temporary, "store")), classes=["cat"])
        checked.assert_conserved()
        assert checked.document.boxes.found == boxes_written
        assert len(recognised) <= checked.document.images.found <= len(recognised) + len(annotations)
        assert len({image.sha256 for image in checked.images}) == len(checked.images)
        for image in checked.images:
            for box in image.boxes:
                assert 0 <= box.xmin < box.xmax <= image.width and 0 <= box.ymin < box.ymax <= image.height


anything = st.none() | st.integers(-1, 3) | st.text(max_size=3) | st.floats() | st.lists(st.integers(), max_size=2)
bboxes = st.just([1, 2, 3, 4]) | st.lists(anything, max_size=4) | anything
coco_images = st.fixed_dictionaries(
    {"id": st.integers(0, 3) | anything, "file_name": st.sampled_from(["a.jpg", "b.png", "x/a.jpg", "/b"]) | anything},
    optional={"width": st.just(40) | anything, "height": st.just(30) | anything},
)
coco_boxes = st.fixed_dictionaries(
    {"image_id": st.integers(0, 3) | anything, "category_id": st.just(1) | anything, "bbox": bboxes},
    optional={"iscrowd": anything},
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(image_files, st.lists(coco_images | anything, max_size=4), st.lists(coco_boxes | anything, max_size=5))
def test_coco(images: dict[tuple[str, str], bytes], listed: list[object], annotations: list[object]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "batch")
        write_coco(folder / "instances.json", listed, annotations, [{"id": 1, "name": "cat"}, 5])
        write_images(folder, images)
        checked = Checked(folder, Store(Path(temporary, "store")))
        checked.assert_conserved()
        assert checked.document.boxes.found == len(annotations)
