"""Batches as careless tools and attackers make them: each kind, and the code, mending or note that comes of it.

Archives have a file of their own (test_archive), single images too (test_image_check).
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from include.dataset.annotation import Box
from include.dataset.quarantine import CAUSES
from include.dataset.tfrecord import Floats
from include.documents import SIDES, BatchDocument
from include.ingest import TooMuchQuarantined, ingest_batch
from include.settings import CollectionSettings
from include.store import Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, build, encode, write_pair

HOSTILE = "<script>alert('x')</script>&\"quoted\""


def one(folder: Path, store: Store, **options: Any) -> Checked:
    """The batch with a sound image beside whatever else is in it."""
    write_pair(folder, "sound", CAT, seed=999)
    checked = Checked(folder, store, **options)
    checked.assert_conserved()
    assert "sound.jpg" in [image.file for image in checked.images]
    return checked


def test_every_code_has_a_cause_and_a_remedy() -> None:
    for code, (what, remedy) in CAUSES.items():
        assert code.islower() and what and remedy.endswith(".") and not what.endswith(".")


# --- XML


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + "]><annotation><filename>&a11;</filename></annotation>"
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        LAUGHS.encode("utf-16"),
        f"<?xml version='1.0' encoding='latin-1'?>{LAUGHS}",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><annotation/>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd">%x;]><annotation/>',
    ],
    ids=["billion laughs", "in UTF-16", "in Latin-1", "external entity", "external DTD", "parameter entity"],
)
def test_declarations_in_xml(folder: Path, store: Store, text: str | bytes) -> None:
    write_pair(folder, "a", CAT)
    (folder / "a.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    begun = time.process_time()
    assert one(folder, store).codes == ["forbidden_xml"]
    assert time.process_time() - begun < 5


def test_xml_that_is_too_large_or_too_deep(folder: Path, store: Store) -> None:
    write_pair(folder, "deep", CAT).with_suffix(".xml").write_text("<a>" * 100_000)
    write_pair(folder, "large", CAT).with_suffix(".xml").write_bytes(b"<annotation>" + b" " * (5 << 20))
    assert one(folder, store).codes == ["bad_xml", "file_too_large"]


# --- coordinates

NO_NUMBERS = ["nan", "inf", "-inf", "-nan", "1e999", "", "wide", "0x10", "１２,５"]
OUTSIDE = ["-1e308", "-3", "1e308", "99999999999999999999", "41.5"]


@pytest.mark.parametrize("value", NO_NUMBERS + OUTSIDE)
@pytest.mark.parametrize("corner", ["xmin", "xmax"])
def test_coordinates(folder: Path, store: Store, corner: str, value: str) -> None:
    write_pair(folder, "a", CAT)
    plain = {"xmin": "<xmin>4</xmin>", "xmax": "<xmax>20</xmax>"}[corner]
    xml = folder / "a.xml"
    xml.write_text(xml.read_text().replace(plain, f"<{corner}>{value}</{corner}>"))
    checked = one(folder, store)
    allowed = {"not_a_number"} if value in NO_NUMBERS else {"box_outside", "inverted_box"}
    assert set(checked.codes) <= allowed and len(checked.faults) == 1
    assert checked.faults[0]["boxes"] == 1


# --- images


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def picture(mode: str = "RGB") -> Image.Image:
    return Image.open(io.BytesIO(encode(7, format="png"))).convert("L" if mode == "I;16" else mode).convert(mode)


def with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(7, exif=exif)


FRAMES = {"save_all": True, "append_images": [picture("L").convert("RGB")]}
UNUSABLE = {
    "empty file": (b"", "unsupported_format"),
    "a page": (b"<html>404</html>", "unsupported_format"),
    "animated GIF": (saved(picture(), "gif", **FRAMES), "unsupported_format"),
    "animated WebP": (saved(picture(), "webp", **FRAMES), "unsupported_format"),
    "TIFF": (saved(picture(), "tiff"), "unsupported_format"),
    "bomb": (saved(Image.new("1", (9000, 9000)), "png"), "too_many_pixels"),
    "cut": (encode(7)[:-40], "truncated_image"),
    "cut in its header": (encode(7)[:20], "unsupported_format"),
    **{f"EXIF {turned}": (with_exif(turned), "exif_rotated") for turned in (5, 6, 7, 8)},
}
USABLE = {
    "CMYK": saved(picture("CMYK"), "jpeg"),
    "greyscale": saved(picture("L"), "jpeg"),
    "16 bits": saved(picture("I;16"), "png"),
    "palette": saved(picture("P"), "png"),
    "palette with transparency": saved(picture("P"), "png", transparency=0),
    "alpha": saved(picture("RGBA"), "png"),
    "one bit": saved(picture("1"), "png"),
    "animated PNG": saved(picture(), "png", **FRAMES),
    "EXIF that is nonsense": encode(7, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 30),
    "EXIF cut off": encode(7, exif=b"Exif\0\0II*\0"),
    "EXIF orientation 99": with_exif(99),
    "EXIF mirrored": with_exif(2),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_images_that_are_set_aside(folder: Path, store: Store, kind: str) -> None:
    data, code = UNUSABLE[kind]
    write_pair(folder, "a", CAT, image=data)
    checked = one(folder, store)
    assert checked.codes == [code]
    assert (checked.faults[0]["file"], checked.faults[0]["images"], checked.faults[0]["boxes"]) == ("a.jpg", 1, 1)
    if code == "exif_rotated":
        assert "its boxes may be meant either way" in checked.faults[0]["message"]


@pytest.mark.parametrize("kind", USABLE)
def test_images_that_are_used(folder: Path, store: Store, kind: str) -> None:
    tf = pytest.importorskip("tensorflow")
    write_pair(folder, "a", CAT, image=USABLE[kind], suffix=".png" if USABLE[kind][1:4] == b"PNG" else ".jpg")
    checked = one(folder, store)
    assert checked.faults == [] and len(checked.images) == 2
    decoded = tf.io.decode_image(USABLE[kind], channels=3, expand_animations=False)
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    notes = " ".join(checked.document.notes)
    assert ("animated image" in notes) == (kind == "animated PNG")
    assert ("orientation 2-4" in notes) == (kind == "EXIF mirrored")


# --- names


@pytest.mark.parametrize(
    "stem",
    [
        "two words",
        " lead and trail ",
        "плакат",
        "猫 と 犬",
        "😀",
        "a'b\"c",
        "a%20b",
        "-rf",
        "x" * 251,
        "é" * 125,
        "a\nb",
        "$(id)",
    ],
)
def test_names(folder: Path, store: Store, stem: str) -> None:
    write_pair(folder, stem, CAT, seed=1)
    checked = one(folder, store)
    assert checked.faults == [] and {image.file for image in checked.images} == {f"{stem}.jpg", "sound.jpg"}
    dataset = build(store, "b1", shares=(1, 0, 0))
    listed = json.loads(store.read(dataset.sides["train"].coco))["images"]
    assert {image["file_name"] for image in listed} == {f"{stem}.jpg", "sound.jpg"}


def test_one_annotation_and_the_same_name_in_two_folders(folder: Path, store: Store) -> None:
    for name in ("one", "two"):
        write_pair(folder / name, "a", CAT, seed=len(name) + ord(name[0])).with_suffix(".xml").unlink()
    write_pair(folder / "xml", "a", CAT).unlink()
    checked = one(folder, store)
    assert checked.codes == ["ambiguous_image", "image_without_annotation", "image_without_annotation"]
    assert "one/a.jpg, two/a.jpg" in next(f["value"] for f in checked.faults if f["code"] == "ambiguous_image")


@pytest.mark.parametrize("name", [HOSTILE, "кошка", "a class with spaces", "猫"])
def test_class_names_mean_what_they_say(folder: Path, store: Store, name: str) -> None:
    """Escaping is the business of who shows them: tests/scoring/test_report.py opens a report with such names."""
    write_pair(folder, "a", Box(name, 1, 1, 9, 9))
    checked = one(folder, store)
    assert checked.document.classes == {"cat": 1, name: 1}
    assert {category.name for category in build(store, "b1").label_map} == {"cat", name}
    refused = Checked(folder, store, key="b2", classes=["cat"])
    assert refused.codes == ["unknown_class"] and refused.faults[0]["value"] == name


# --- amounts


def test_ten_thousand_boxes_in_one_image(folder: Path, store: Store) -> None:
    many = [Box("cat", x % 35, x % 25, x % 35 + 2.5, x % 25 + 3) for x in range(10_000)]
    write_pair(folder, "a", *many)
    begun = time.process_time()
    checked = one(folder, store)
    dataset = build(store, "b1", shares=(1, 0, 0))
    assert checked.document.boxes.used == dataset.sides["train"].boxes == 10_001
    assert time.process_time() - begun < 10
    assert len(Floats(box.xmin for box in many)) == 10_000


def test_a_batch_without_an_image_is_empty_and_says_so(folder: Path, store: Store) -> None:
    with pytest.raises(ValueError, match="no images and no annotations"):
        Checked(folder, store)
    assert store.newest(BatchDocument, "tests", "b1") is None


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b""), lambda p: p.unlink(), lambda p: os.truncate(p, 300)])
def test_a_batch_in_which_everything_is_bad(folder: Path, store: Store, spoil: Callable[[Path], object]) -> None:
    for seed in range(5):
        spoil(write_pair(folder, f"{seed}", CAT, seed=seed))
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert checked.images == [] and checked.document.images.quarantined == 5
    dataset = build(store, "b1")
    assert [dataset.sides[side].images for side in SIDES] == [0, 0, 0]
    collection = CollectionSettings.model_validate({"source": str(folder), "thresholds": {"quarantined": 0.99}})
    with pytest.raises(TooMuchQuarantined, match="5 of 5 images of pets:all were set aside"):
        ingest_batch(store, collection, "pets", "all")


# --- near-duplicates


def test_near_duplicates_are_told_and_stay_on_one_side(folder: Path, store: Store) -> None:
    for seed in range(40):
        write_pair(folder, f"{seed:02}-large", CAT, image=encode(seed, (160, 120)), size=(160, 120))
        write_pair(folder, f"{seed:02}-small", CAT, image=encode(seed, (80, 60), "png"), size=(80, 60), suffix=".png")
    checked = Checked(folder, store)
    checked.assert_conserved()
    assert any(
        note.startswith("40 x image looks like another") and "00-small.png like 00-large.jpg" in note
        for note in checked.document.notes
    )
    dataset = build(store, "b1")
    for side in SIDES:
        names = [image["file_name"][:2] for image in json.loads(store.read(dataset.sides[side].coco))["images"]]
        assert names and all(names.count(name) == 2 for name in names)
    assert dataset.warnings == ()
