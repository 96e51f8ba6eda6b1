"""A dataset as Custom Vision takes it: nothing lost, none of the hold-out, boxes whole whatever the pixels become."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from include.dataset import custom_vision_images
from include.dataset.custom_vision_images import (
    BATCH_IMAGES,
    TRAINING_BYTES,
    Region,
    batches,
    custom_vision_data,
    within_limits,
)
from include.documents import DatasetDocument
from include.store import Store
from tests.toy_collection import HEIGHT, WIDTH, make_images
from tests.toy_dataset import put_dataset


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def dataset(store: Store, tmp_path: Path) -> DatasetDocument:
    return put_dataset(store, tmp_path)


def altered(store: Store, dataset: DatasetDocument, change: dict[str, int], boxes: int | None = None) -> str:
    """The dataset with its first training image changed: its size, or that many copies of its first box."""
    path = dataset.sides["train"].coco
    content = json.loads(store.read(path))
    first = content["images"][0]
    first |= change
    if boxes is not None:
        own = [each for each in content["annotations"] if each["image_id"] == first["id"]]
        others = [each for each in content["annotations"] if each["image_id"] != first["id"]]
        content["annotations"] = others + own[:1] * boxes
    store.write(path, json.dumps(content).encode())
    return str(first["file_name"])


def test_boxes_are_fractions_of_train_and_validation_alone(store: Store, dataset: DatasetDocument) -> None:
    data = custom_vision_data(store, dataset)
    images = [*make_images(16, seed=1), *make_images(8, seed=2)]
    assert data.images.keys() == {image.sha256 for image in images}
    assert not data.images.keys() & {image.sha256 for image in make_images(6, seed=4)}
    first = images[0]
    (x, y, width, height), *_ = first.boxes
    expected = Region(first.classes[0], x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT)
    assert data.images[first.sha256].regions[0] == pytest.approx(expected)
    assert (data.found, data.set_aside, data.without_boxes) == (24, (), 0)


def test_images_of_each_class(store: Store, dataset: DatasetDocument) -> None:
    data = custom_vision_data(store, dataset)
    images = [*make_images(16, seed=1), *make_images(8, seed=2)]
    counted = {class_id: sum(class_id in image.classes for image in images) for class_id in (1, 2, 3)}
    assert data.images_of_each_class() == counted
    gone = next(image for image in images if 1 in image.classes)
    assert data.images_of_each_class([gone.sha256])[1] == counted[1] - 1


@pytest.mark.parametrize(
    ("change", "boxes", "code"),
    [({}, 301, "too_many_regions"), ({"width": 2600, "height": 100}, None, "too_long")],
)
def test_what_the_service_would_not_take_is_set_aside_and_counted(
    store: Store, dataset: DatasetDocument, change: dict[str, int], boxes: int | None, code: str
) -> None:
    file = altered(store, dataset, change, boxes)
    data = custom_vision_data(store, dataset)
    (fault,) = data.set_aside
    assert (fault.code, fault.file, fault.images) == (code, file, 1)
    assert data.found == 24 == len(data.images) + len(data.set_aside) + data.without_boxes


def test_the_same_box_twice_is_one_region(store: Store, dataset: DatasetDocument) -> None:
    file = altered(store, dataset, {}, 3)
    (image,) = [each for each in custom_vision_data(store, dataset).images.values() if each.file == file]
    assert len(image.regions) == 1


def test_images_without_boxes_are_left_out_and_counted(store: Store, dataset: DatasetDocument) -> None:
    altered(store, dataset, {}, 0)
    data = custom_vision_data(store, dataset)
    assert (len(data.images), data.without_boxes, data.found) == (23, 1, 24)


def test_batches_keep_to_the_services_limits(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = put_dataset(store, tmp_path, train=make_images(70, seed=1))
    data = custom_vision_data(store, dataset)
    sizes = [len(batch) for batch in batches(store, dataset, data.images)]
    assert sizes == [BATCH_IMAGES, 78 - BATCH_IMAGES]
    monkeypatch.setattr(custom_vision_images, "BATCH_BYTES", 40_000)
    limited = list(batches(store, dataset, data.images))
    assert max(sum(len(encoded) for _, encoded in batch) for batch in limited) <= 40_000
    brought = [image.sha256 for batch in limited for image, _ in batch]
    assert sorted(brought) == sorted(data.images)
    some = dict(list(data.images.items())[:5])
    assert [len(batch) for batch in batches(store, dataset, some)] == [5]


def test_an_image_that_is_in_no_shard_is_named(store: Store, dataset: DatasetDocument) -> None:
    data = custom_vision_data(store, dataset)
    stray = next(iter(data.images.values()))._replace(sha256="0" * 64)
    with pytest.raises(ValueError, match="1 images with boxes are in no shard"):
        list(batches(store, dataset, {"0" * 64: stray}))


# --- the pixels


def picture(width: int, height: int, format_: str = "JPEG", **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, format_, **options)
    return written.getvalue()


def test_an_image_that_fits_is_left_as_it_is() -> None:
    for encoded in (picture(300, 200), picture(300, 200, "PNG")):
        assert within_limits(encoded, TRAINING_BYTES) is encoded


@pytest.mark.parametrize(("most_bytes", "most_side"), [(20_000, 10_240), (6_000_000, 150), (20_000, 150)])
def test_one_that_does_not_is_shrunk_in_its_own_form(most_bytes: int, most_side: int) -> None:
    shrunk = within_limits(picture(400, 200, "PNG"), most_bytes, most_side)
    image = Image.open(io.BytesIO(shrunk))
    assert len(shrunk) <= most_bytes
    assert max(image.size) <= most_side
    assert image.width / image.height == pytest.approx(2, abs=0.05)
    assert shrunk == within_limits(picture(400, 200, "PNG"), most_bytes, most_side), "again the same"


def test_the_mark_of_a_turned_camera_is_dropped_and_the_pixels_stay() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = picture(64, 48, exif=exif, quality=95)
    sent = Image.open(io.BytesIO(within_limits(upside_down, TRAINING_BYTES)))
    assert sent.getexif().get(0x0112, 1) == 1
    before = np.asarray(Image.open(io.BytesIO(upside_down)), np.int16)
    assert np.abs(np.asarray(sent, np.int16) - before).mean() < 12, "not turned"
