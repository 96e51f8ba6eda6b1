"""found == used + quarantined, for images and boxes, whatever is wrong with a batch, with all of it mixed."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.dataset.annotation import Annotation, Box
from include.dataset.archive import unpack
from include.dataset.source import SIGNATURES
from include.dataset.voc import write_annotation
from include.store import Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, encode, write_coco, write_pair
from tests.dataset.test_hostile_batches import HOSTILE, LAUGHS, UNUSABLE, USABLE

SOUND, TRUNCATED = encode(1), encode(1)[:-30]

coordinates = st.sampled_from(
    [-1e308, -5.0, -1.0, -0.5, 0.0, 3.0, 12.0, 29.5, 30.5, 41.0, 99.0, 1e308, float("nan"), float("inf"), -float("inf")]
)
labels = st.sampled_from(["cat", "wolf", "", HOSTILE])
boxes = st.builds(Box, labels, coordinates, coordinates, coordinates, coordinates)
sound_or_not = st.lists(st.just(CAT) | boxes, max_size=3) | st.just([CAT] * 300)
stems = st.sampled_from(["a", "b", "c", "x/a", "x/b", "y/a", "two words", "плакат", "n" * 251, os.fsdecode(b"\xff")])
suffixes = st.sampled_from([".jpg", ".JPG", ".png", ".gif", ""])
contents = st.sampled_from(
    [SOUND, encode(1, (80, 60)), encode(2), encode(3, format="png"), encode(4, format="gif"), TRUNCATED, b""]
    + [data for data, _ in UNUSABLE.values()]
    + list(USABLE.values())
)
sizes = st.sampled_from([(WIDTH, HEIGHT), (WIDTH, HEIGHT), (HEIGHT, WIDTH), (0, 0), (7, 7)])


class Broken(str):
    """What a VOC file can hold instead of an annotation."""


broken = st.sampled_from(
    [Broken(text) for text in ("<annotation>", "<!DOCTYPE x []><annotation/>", "<x/>", "", LAUGHS, "<a>" * 1000)]
)
voc_files = st.dictionaries(stems, st.tuples(sound_or_not, st.sampled_from(["a.jpg", "b", "gone.png"]), sizes) | broken)
image_files = st.dictionaries(st.tuples(stems, suffixes), contents)
links = st.sets(st.sampled_from(["l.jpg", "x/l.jpg", "a.xml", "l.txt"]), max_size=2)


def write_images(folder: Path, images: dict[tuple[str, str], bytes]) -> None:
    for (stem, suffix), content in images.items():
        path = folder / f"{stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_link(folder: Path, name: str) -> bool:
    """A link out of the folder, unless a file of that name is there."""
    (folder / name).parent.mkdir(exist_ok=True)
    if (folder / name).exists():
        return False
    (folder / name).symlink_to("/etc/hostname")
    return True


@settings(max_examples=150, deadline=None, derandomize=True)
@given(image_files, voc_files, links)
def test_voc(images: dict[tuple[str, str], bytes], annotations: dict[str, object], links: set[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "batch")
        folder.mkdir()
        boxes_written = 0
        for stem, content in annotations.items():
            if isinstance(content, Broken):
                (folder / f"{stem}.xml").parent.mkdir(exist_ok=True)
                (folder / f"{stem}.xml").write_text(content)
            else:
                objects, filename, size = content  # type: ignore[misc]
                write_pair(folder, stem, *objects, filename=filename, size=size, suffix="").unlink()
                boxes_written += len(objects) if stem.isprintable() else 0
        write_images(folder, images)
        recognised = [key for key, data in images.items() if key[1] or data.startswith(SIGNATURES)]
        assume(recognised or annotations)
        linked = [name for name in sorted(links) if write_link(folder, name)]
        checked = Checked(folder, Store(Path(temporary, "store")), classes=["cat"])
        checked.assert_conserved()
        assert checked.document.boxes.found == boxes_written
        most = len(recognised) + len(annotations) + len(linked)
        assert len(recognised) <= checked.document.images.found <= most
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


names = st.sampled_from(
    ["a.jpg", "b.jpg", "x/a.jpg", "../a.jpg", "/b.jpg", "a.xml", "b.xml", "../c.xml", "l.txt", ".a.jpg"]
)
kinds = st.sampled_from([tarfile.REGTYPE] * 4 + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
members = st.lists(st.tuples(names, kinds, contents, sound_or_not), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(members)
def test_archives(members: list[tuple[str, bytes, bytes, list[Box]]]) -> None:
    """Every member that is an image by its name is found, whatever its kind, place or number."""
    with tempfile.TemporaryDirectory() as temporary:
        archive, folder = Path(temporary, "a.tar"), Path(temporary, "unpacked")
        with tarfile.open(archive, "w") as tar:
            for name, kind, image, objects in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, "a.jpg"
                annotation = write_annotation(Annotation("", "a.jpg", WIDTH, HEIGHT, tuple(objects)))
                data = b"" if kind != tarfile.REGTYPE else annotation if name.endswith("xml") else image
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        unpacked = unpack(archive, folder, say=lambda _line: None)
        assert not any(path.is_symlink() for path in unpacked.rglob("*"))
        images = [name for name, kind, *_ in members if name.endswith(".jpg") and counts(name, kind)]
        annotations = [name for name, kind, *_ in members if name.endswith(".xml") and counts(name, kind)]
        assume(images or annotations)
        checked = Checked(unpacked, Store(Path(temporary, "store")), classes=["cat"])
        checked.assert_conserved()
        assert len(images) <= checked.document.images.found <= len(images) + len(annotations)


def counts(name: str, kind: bytes) -> bool:
    """Is a member somebody's data? Hidden files are not, nor folders, except those that lead out."""
    return not name.startswith(".a") and (kind != tarfile.DIRTYPE or name.startswith(("..", "/")))
