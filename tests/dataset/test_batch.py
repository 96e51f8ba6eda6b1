"""What is matched, mended, or set aside -- with code, file, field and value."""

import os
from pathlib import Path

import pytest

from include.dataset.annotation import Box
from include.dataset.quarantine import CAUSES
from include.store import Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, encode, write_coco, write_pair

CATEGORIES = [{"id": 7, "name": "cat"}]


def test_a_sound_batch_is_used_whole(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT, Box("dog", 0, 0, 10.25, 9.5, difficult=True))
    write_pair(folder, "empty")
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.faults == [] and checked.document.notes == ()
    assert [image.file for image in checked.images] == ["a.jpg", "empty.jpg"]
    assert checked.images[0].boxes == (CAT, Box("dog", 0, 0, 10.25, 9.5, difficult=True))
    assert checked.images[1].boxes == ()  # a negative
    assert checked.document.classes == {"cat": 1, "dog": 1}


def test_the_outcome_depends_on_the_batch_alone(folder: Path, tmp_path: Path) -> None:
    for stem in "abcde":
        write_pair(folder, stem, CAT)
    one = Checked(folder, Store(tmp_path / "one"))
    two = Checked(folder, Store(tmp_path / "two"))
    assert one.path == two.path


# --- matching


@pytest.mark.parametrize(
    ("image", "xml", "filename"),
    [
        ("a.jpg", "a.xml", "a"),
        ("a.JPG", "a.xml", "a.JPG"),
        ("a.jpeg", "a.xml", "a.jpeg"),
        ("a", "a.xml", "a"),
        ("images/frame.0001", "annotations/frame.0001.xml", "frame.0001"),
        ("images/2/deep/a.jpg", "annotations/a.xml", "a.jpg"),
        ("JPEGImages/a.jpg", "Annotations/a.xml", "C:\\somewhere\\else\\a.jpg"),
        ("re\u0301sume\u0301.jpg", "r\u00e9sum\u00e9.xml", "r\u00e9sum\u00e9.jpg"),
    ],
)
def test_pairs(folder: Path, store: Store, image: str, xml: str, filename: str) -> None:
    written = write_pair(folder, "x", CAT, filename=filename)
    for old, new in ((written, image), (written.with_suffix(".xml"), xml)):
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        old.rename(folder / new)
    checked = Checked(folder, store)
    assert [each.file for each in checked.images] == [image]
    assert checked.document.notes == ()


def test_a_filename_that_lies_is_overruled_and_told(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT, filename="b.jpg")
    write_pair(folder, "b", CAT, Box("dog", 0, 0, 9, 9))
    checked = Checked(folder, store)
    assert {image.file: len(image.boxes) for image in checked.images} == {"a.jpg": 1, "b.jpg": 2}
    assert "a.xml says b.jpg" in checked.document.notes[0]


def test_the_filename_helps_where_names_do_not(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT, filename="a.png")
    (folder / "a.png").write_bytes(encode(2, format="png"))  # the twin that the annotation means
    write_pair(folder, "b", CAT).rename(folder / "renamed.jpg")
    (folder / "b.xml").write_text((folder / "b.xml").read_text().replace("b.jpg", "renamed.jpg"))
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert [image.file for image in checked.images] == ["a.png", "renamed.jpg"]
    assert checked.codes == ["image_without_annotation"]
    assert "2 x annotation matched by the filename" in checked.document.notes[0]


def test_the_same_name_in_two_folders_is_matched_by_folder(folder: Path, store: Store) -> None:
    for name in ("train", "test"):
        write_pair(folder / "images" / name, "a", Box(name, 1, 1, 9, 9), seed=len(name))
        (folder / "xml" / name).mkdir(parents=True)
        (folder / "images" / name / "a.xml").rename(folder / "xml" / name / "a.xml")
    checked = Checked(folder, store)
    assert {image.file: image.boxes[0].label for image in checked.images} == {
        "images/train/a.jpg": "train",
        "images/test/a.jpg": "test",
    }


# --- mending


@pytest.mark.parametrize(
    ("size", "note"), [((0, 0), "size missing or 0"), ((HEIGHT, WIDTH), "width and height swapped")]
)
def test_sizes_that_tools_get_wrong_are_mended(folder: Path, store: Store, size: tuple[int, int], note: str) -> None:
    write_pair(folder, "a", CAT, size=size)
    checked = Checked(folder, store)
    assert (checked.images[0].width, checked.images[0].height) == (WIDTH, HEIGHT)
    assert note in checked.document.notes[0]


def test_an_overhang_of_one_pixel_is_clipped(folder: Path, store: Store) -> None:
    write_pair(folder, "a", Box("cat", -1, 0, WIDTH + 1, HEIGHT + 0.5))
    checked = Checked(folder, store)
    assert checked.images[0].boxes == (Box("cat", 0, 0, WIDTH, HEIGHT),)
    assert "clipped" in checked.document.notes[0]


# --- setting aside

BAD_BOXES = {
    "empty_box": Box("cat", 5, 5, 5, 9),
    "inverted_box": Box("cat", 9, 5, 5, 9),
    "box_outside": Box("cat", 5, 5, WIDTH + 1.5, 9),
    "not_a_number": Box("cat", 5, 5, float("inf"), 9),
    "unknown_class": Box("wolf", 5, 5, 8, 9),
    "bad_class_name": Box("", 5, 5, 8, 9),
}


@pytest.mark.parametrize("code", BAD_BOXES)
def test_a_bad_box_sets_its_whole_image_aside(folder: Path, store: Store, code: str) -> None:
    (folder / "a.jpg").write_bytes(encode(1))
    corners = "<xmin>{0.xmin}</xmin><ymin>{0.ymin}</ymin><xmax>{0.xmax}</xmax><ymax>{0.ymax}</ymax>"
    objects = "".join(
        f"<object><name>{box.label}</name><bndbox>{corners.format(box)}</bndbox></object>"
        for box in (CAT, BAD_BOXES[code])
    )
    (folder / "a.xml").write_text(f"<annotation>{objects}</annotation>")
    write_pair(folder, "b", CAT)
    checked = Checked(folder, store, classes=["cat"])
    checked.assert_conserved()
    assert checked.codes == [code]
    fault = checked.faults[0]
    assert (fault["file"], fault["images"], fault["boxes"]) == ("a.xml", 1, 2)
    assert fault["field"].startswith("object[1]/bndbox") and CAUSES[code].remedy in fault["message"]
    assert [image.file for image in checked.images] == ["b.jpg"]


def test_every_bad_box_of_an_image_is_told(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT, BAD_BOXES["empty_box"], BAD_BOXES["inverted_box"], size=(9, 9))
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.codes == ["empty_box", "inverted_box", "size_mismatch"]
    assert sum(fault["images"] for fault in checked.faults) == 1
    assert sum(fault["boxes"] for fault in checked.faults) == 3


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (lambda f: (f / "a.jpg").write_bytes(encode(1)[:-20]), ["truncated_image"]),
        (lambda f: (f / "a.jpg").write_bytes(b"<html>not found</html>"), ["unsupported_format"]),
        (lambda f: (f / "a.jpg").unlink(), ["annotation_without_image"]),
        (lambda f: (f / "a.xml").unlink(), ["image_without_annotation"]),
        (lambda f: (f / "a.xml").write_bytes(b"<annotation>"), ["bad_xml"]),
        (lambda f: (f / "a.xml").write_bytes(b"<!DOCTYPE x []><annotation/>"), ["forbidden_xml"]),
        (lambda f: write_pair(f, "b", CAT, image=(f / "a.jpg").read_bytes()), ["duplicate_image"]),
        (lambda f: write_pair(f / "again", "a", CAT).unlink(), ["several_annotations"]),
        (lambda f: (f / "a.png").write_bytes(encode(2, format="png")), ["image_without_annotation"]),
    ],
)
def test_a_batch_with_one_fault(folder: Path, store: Store, make, codes: list[str]) -> None:  # type: ignore[no-untyped-def]
    write_pair(folder, "a", CAT)
    write_pair(folder, "sound", CAT)
    make(folder)
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.codes == codes
    assert "sound.jpg" in [image.file for image in checked.images]


def test_links_are_not_followed_out_of_the_batch(folder: Path, tmp_path: Path, store: Store) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encode(1))
    write_pair(folder, "a", CAT).unlink()
    (folder / "a.jpg").symlink_to(secret)
    write_pair(folder, "b", CAT).unlink()
    (folder / "b.jpg").symlink_to(folder / "c.jpg")
    write_pair(folder, "c", CAT).with_suffix(".xml").unlink()
    write_pair(folder, "loop", CAT).unlink()
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.codes == ["image_without_annotation", "leaves_source", "unreadable_file"]
    assert [image.file for image in checked.images] == ["b.jpg"]


def test_a_pipe_does_not_block(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT).unlink()
    os.mkfifo(folder / "a.jpg")
    assert Checked(folder, store).codes == ["unreadable_file"]


def test_names_that_are_no_text(folder: Path, store: Store) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_pair(folder, "a", CAT).rename(folder / name)
    (folder / "a.xml").rename(folder / name.replace(".jpg", ".xml"))
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.codes == ["bad_file_name"]


def test_an_empty_folder_is_an_error_that_says_what_was_expected(folder: Path, store: Store) -> None:
    with pytest.raises(ValueError, match="no images and no annotations"):
        Checked(folder, store)
    with pytest.raises(NotADirectoryError, match="not a folder"):
        Checked(folder / "nowhere", store)


# --- COCO


def test_coco(folder: Path, store: Store) -> None:
    for number, path in enumerate(("images/a.jpg", "images/b.jpg", "deep/er/c.jpg")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(encode(number))
    size = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": n, "file_name": f, **size} for n, f in enumerate(("a.jpg", "images/b.jpg", "c.jpg"))]
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 7, "bbox": [1.5, 2, 10, 11.25]},
        {"id": 2, "image_id": 2, "category_id": 7, "bbox": [0, 0, 40, 30], "iscrowd": 1},
    ]
    write_coco(folder / "instances.json", images, annotations, CATEGORIES)
    (folder / "other.json").write_text("[1, 2]")
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.document.format == "coco" and checked.faults == []
    assert {image.file: image.boxes for image in checked.images} == {
        "deep/er/c.jpg": (Box("cat", 0, 0, 40, 30, difficult=True),),
        "images/a.jpg": (Box("cat", 1.5, 2, 11.5, 13.25),),
        "images/b.jpg": (),
    }


def test_coco_faults(folder: Path, store: Store) -> None:
    for name in ("a", "b", "twice", "alone"):
        (folder / f"{name}.jpg").write_bytes(encode(sum(name.encode())))
    images = [
        {"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 2, "file_name": "../../etc/passwd"},
        {"id": 3, "file_name": "gone.jpg"},
        {"id": 4, "file_name": "twice.jpg"},
        {"id": 5, "file_name": "twice.jpg"},
        {"id": 6, "file_name": "b.jpg", "width": 10**400, "height": None},
        "nonsense",
    ]
    annotations = [
        {"image_id": 1, "category_id": 8, "bbox": [1, 1, 5, 5]},
        {"image_id": 1, "category_id": 7, "bbox": [1, 1, 5, "5"]},
        {"image_id": 1, "category_id": 7, "bbox": [1, 1, -5, 5]},
        {"image_id": 4, "category_id": 7, "bbox": [1, 1, 5, 5]},
        {"image_id": 99, "category_id": 7, "bbox": [1, 1, 5, 5]},
        {"image_id": 6, "category_id": 7, "bbox": [1, 1, 10**400, 5]},
        None,
    ]
    write_coco(folder / "instances.json", images, annotations, CATEGORIES)
    (folder / "broken.json").write_text('{"images": [')
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.images == []
    assert set(checked.codes) == {
        "annotation_without_image",
        "bad_class_name",
        "bad_json",
        "image_without_annotation",
        "inverted_box",
        "leaves_source",
        "not_a_number",
        "several_annotations",
        "unknown_image_id",
    }
    assert checked.document.boxes.found == 7


# --- given splits


def test_given_sides_from_folders(folder: Path, store: Store) -> None:
    for name in ("train", "valid", "test", "other"):
        write_pair(folder / name, name, CAT)
    checked = Checked(folder, store, split="given")
    assert {image.file.split("/")[0]: image.given_side for image in checked.images} == {
        "train": "train",
        "valid": "validation",
        "test": "holdout",
        "other": None,
    }
    assert "without a given side" in checked.document.notes[0]
    assert all(image.given_side is None for image in Checked(folder, store).images)


def test_given_sides_from_image_sets(folder: Path, store: Store) -> None:
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for name in "abcd":
        write_pair(folder / "JPEGImages", name, CAT)
    (sets / "trainval.txt").write_text("a\nb\nd\n")
    (sets / "train.txt").write_text("a\nd\n")
    (sets / "val.txt").write_text("b\n")
    (sets / "test.txt").write_text("c\nd  1\n")  # d is in both: what is tested on is never trained on
    (sets / "cat_train.txt").write_text("c  1\n")
    checked = Checked(folder, store, split="given")
    assert [image.given_side for image in checked.images] == ["train", "validation", "holdout", "holdout"]


def test_progress_reaches_its_end(folder: Path, store: Store) -> None:
    for stem in "abc":
        write_pair(folder, stem, CAT)
    (folder / "b.xml").unlink()
    seen: list[tuple[int, int]] = []
    Checked(folder, store, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
