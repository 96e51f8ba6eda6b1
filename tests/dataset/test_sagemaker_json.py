"""SageMaker's annotation files: out of COCO JSON, VOC folders and datasets."""

from __future__ import annotations

import doctest
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from include.dataset import sagemaker_json
from include.dataset.__main__ import main
from include.dataset.annotation import Box
from include.dataset.sagemaker_by_hand import coco_to_sagemaker, voc_to_sagemaker
from include.dataset.sagemaker_channels import (
    SideMismatch,
    encoded_images,
    sagemaker_data,
    with_three_channels,
    write_channels,
)
from include.dataset.sagemaker_json import BoxedImage, dense_classes, encode_annotation, encode_manifest_line
from include.dataset.tfrecord_reading import DamagedRecord
from include.store import Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, build, encode, write_coco, write_pair

DOG = Box("dog", 1, 2, 3, 4)
CLASSES = dense_classes([(1, "cat"), (2, "dog")])
AWS_EXAMPLE: dict[str, Any] = {  # of the documentation's page "Object Detection - MXNet"
    "file": "your_image_directory/sample_image1.jpg",
    "image_size": [{"width": 500, "height": 400, "depth": 3}],
    "annotations": [
        {"class_id": 0, "left": 111, "top": 134, "width": 61, "height": 128},
        {"class_id": 0, "left": 161, "top": 250, "width": 79, "height": 143},
        {"class_id": 1, "left": 101, "top": 185, "width": 42, "height": 130},
    ],
    "categories": [{"class_id": 0, "name": "dog"}, {"class_id": 1, "name": "cat"}],
}


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(sagemaker_json).failed == 0


def test_the_documentations_example_comes_out(tmp_path: Path) -> None:
    boxes = [
        {"id": number, "image_id": 5, "category_id": 3 + 4 * each["class_id"]}
        | {"bbox": [each[side] for side in ("left", "top", "width", "height")]}
        for number, each in enumerate(AWS_EXAMPLE["annotations"], start=1)
    ]
    image = {"id": 5, "file_name": AWS_EXAMPLE["file"], "width": 500, "height": 400}
    categories = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]
    write_coco(tmp_path / "instances.json", [image], boxes, categories)
    made = coco_to_sagemaker(tmp_path / "instances.json")
    [file] = made.files
    assert file.name == "sample_image1.json"
    assert json.loads(file.contents) == AWS_EXAMPLE
    assert (made.classes, made.label_width, made.faults) == (("dog", "cat"), 350, [])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box("cat", 0, 0, WIDTH, HEIGHT), (0, 0, WIDTH, HEIGHT)),
        (Box("cat", 1.4, 2.6, 10.6, 20.4), (1, 3, 10, 17)),
        (Box("cat", 39.7, 29.8, 40, 30), (39, 29, 1, 1)),
        (Box("cat", 5.1, 5.1, 5.3, 5.3), (5, 5, 1, 1)),
    ],
    ids=["whole image", "rounded", "at the edge", "less than a pixel"],
)
def test_boxes_are_whole_pixels_inside_the_image(box: Box, expected: tuple[int, ...]) -> None:
    content = json.loads(encode_annotation(BoxedImage("a.jpg", WIDTH, HEIGHT, [(1, box)]), CLASSES))
    [found] = content["annotations"]
    assert tuple(found[side] for side in ("left", "top", "width", "height")) == expected
    assert found["left"] + found["width"] <= WIDTH
    assert found["top"] + found["height"] <= HEIGHT


def test_a_line_of_an_augmented_manifest() -> None:
    line = encode_manifest_line(BoxedImage("a.jpg", WIDTH, HEIGHT, [(2, DOG)]), CLASSES, "s3://bucket/train")
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "source-ref": "s3://bucket/train/a.jpg",
        "bounding-box": {
            "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
            "annotations": [{"class_id": 1, "left": 1, "top": 2, "width": 2, "height": 2}],
        },
        "bounding-box-metadata": {"class-map": {"1": "dog"}, "type": "groundtruth/object_detection"},
    }


def test_a_folder_of_voc(folder: Path) -> None:
    write_pair(folder, "a", CAT, DOG)
    write_pair(folder, "empty")
    write_pair(folder, "bad", Box("cat", 30, 5, 20, 25))
    made = voc_to_sagemaker(folder)
    assert [(each.name, each.boxes) for each in made.files] == [("a.json", 2)]
    assert json.loads(made.files[0].contents)["categories"] == [
        {"class_id": 0, "name": "cat"},
        {"class_id": 1, "name": "dog"},
    ]
    assert made.without_boxes == 1
    assert [each.code for each in made.faults] == ["inverted_box"]


def test_the_widest_label_decides(folder: Path) -> None:
    write_pair(folder, "a", *[CAT] * 70)
    assert voc_to_sagemaker(folder).label_width == 70 * 5 + 2


IMAGE = {"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 5, 16, 20]}
CATEGORY = {"id": 1, "name": "cat"}


@pytest.mark.parametrize(
    ("image", "box", "code"),
    [
        ({"width": 0}, {}, "no_image_size"),
        ({"file_name": "../a.jpg"}, {}, "leaves_source"),
        ({"file_name": ""}, {}, "annotation_without_image"),
        ({}, {"bbox": [4, 5, 60, 20]}, "box_outside"),
        ({}, {"bbox": [4, "x", 6, 20]}, "not_a_number"),
        ({}, {"category_id": 9}, "bad_class_name"),
        ({}, {"image_id": 9}, "unknown_image_id"),
    ],
)
def test_what_is_wrong_in_coco_is_set_aside(
    tmp_path: Path, image: dict[str, Any], box: dict[str, Any], code: str
) -> None:
    sound = [IMAGE | {"id": 2, "file_name": "b.jpg"}, BOX | {"id": 2, "image_id": 2}]
    write_coco(tmp_path / "a.json", [IMAGE | image, sound[0]], [BOX | box, sound[1]], [CATEGORY])
    made = coco_to_sagemaker(tmp_path / "a.json")
    assert [each.code for each in made.faults] == [code]
    assert "b.json" in [each.name for each in made.files]
    assert ("a.json" in [each.name for each in made.files]) is False


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is no COCO JSON: expected the lists images, annotations, categories"),
        (json.dumps({"images": [], "annotations": [], "categories": [CATEGORY, CATEGORY]}), "each once"),
        (json.dumps({"images": [], "annotations": [], "categories": ["cat"]}), "each once"),
    ],
)
def test_what_is_no_coco_json(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        coco_to_sagemaker(tmp_path / "a.json")


def test_two_images_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    images = [IMAGE, IMAGE | {"id": 2, "file_name": "other/a.png"}]
    write_coco(tmp_path / "a.json", images, [BOX, BOX | {"id": 2, "image_id": 2}], [CATEGORY])
    with pytest.raises(ValueError, match=r"a\.jpg and other/a\.png would both be annotated in a\.json"):
        coco_to_sagemaker(tmp_path / "a.json")


# --- out of a dataset


@pytest.fixture
def dataset_store(store: Store, folder: Path) -> Store:
    for number in range(30):
        write_pair(folder / "animals", f"{number}", CAT if number % 2 else DOG, seed=number)
    write_pair(folder / "animals", "none", seed=99)
    (folder / "animals" / "31.png").write_bytes(encode(31, format="png"))
    (folder / "animals" / "31.xml").write_bytes((folder / "animals" / "1.xml").read_bytes())
    Checked(folder, store, key="2026-01-01")
    return store


def test_a_dataset_becomes_four_channels_without_its_hold_out(dataset_store: Store, tmp_path: Path) -> None:
    dataset = build(dataset_store, "2026-01-01", shares=(0.5, 0.3, 0.2))
    data = write_channels(dataset_store, dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("train", "train_annotation", "validation", "validation_annotation")
    ]
    sent: set[str] = set()
    for side in ("train", "validation"):
        coco = json.loads(dataset_store.read(dataset.sides[side].coco))
        with_boxes = {each["image_id"] for each in coco["annotations"]}
        expected = {each["sha256"]: each for each in coco["images"] if each["id"] in with_boxes}
        images = {path.stem: path for path in (tmp_path / "out" / side).iterdir()}
        annotations = {path.stem: path for path in (tmp_path / "out" / f"{side}_annotation").iterdir()}
        assert images.keys() == annotations.keys() == {sha256[:16] for sha256 in expected}
        for stem, path in images.items():
            content = json.loads(annotations[stem].read_text())
            assert content["file"] == path.name
            assert content["categories"] in ([{"class_id": 0, "name": "cat"}], [{"class_id": 1, "name": "dog"}])
        sent |= images.keys()
    bytes_by_name = {sha256[:16]: encoded for sha256, encoded in encoded_images(dataset_store, dataset, "train")}
    for path in (tmp_path / "out" / "train").iterdir():
        assert path.read_bytes() == bytes_by_name[path.stem]
    holdout = json.loads(dataset_store.read(dataset.sides["holdout"].coco))["images"]
    assert holdout
    assert not sent & {each["sha256"][:16] for each in holdout}
    assert data.hyperparameters() == {
        "num_classes": 2,
        "num_training_samples": len(data.train.annotations),
        "label_width": 350,
    }
    assert data.train.without_boxes + data.validation.without_boxes <= 1


@pytest.mark.parametrize(
    ("mode", "format", "loss"),
    [("L", "jpeg", 4), ("CMYK", "jpeg", 8), ("L", "png", 0), ("LA", "png", 0), ("RGBA", "png", 0), ("P", "png", 0)],
)
def test_images_get_three_channels_and_keep_their_pixels(mode: str, format: str, loss: int) -> None:
    file = io.BytesIO()
    image = Image.open(io.BytesIO(encode(5))).convert(mode)
    image.save(file, format)
    expected = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"), np.int16)
    made = Image.open(io.BytesIO(with_three_channels(file.getvalue())))
    assert (made.mode, made.format, made.size) == ("RGB", format.upper(), (WIDTH, HEIGHT))
    assert np.abs(np.asarray(made, np.int16) - expected).mean() <= loss


def test_sixteen_bits_become_eight() -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(0, 2**16, 64, dtype=np.uint16).reshape(32, 32)).save(file, "png")
    made = np.asarray(Image.open(io.BytesIO(with_three_channels(file.getvalue()))))
    assert made.shape == (32, 32, 3)
    assert made[:, :, 0].flatten().tolist() == [value >> 8 for value in range(0, 2**16, 64)]


def test_what_has_three_channels_is_left_as_it_is() -> None:
    for format in ("jpeg", "png"):
        assert with_three_channels(encode(3, format=format)) == encode(3, format=format)


def test_class_ids_stay_when_a_later_batch_brings_a_class(dataset_store: Store, tmp_path: Path) -> None:
    first = sagemaker_data(dataset_store, build(dataset_store, "2026-01-01"))
    for number in range(20):
        write_pair(tmp_path / "later", f"{number}", Box("ant", 1, 1, 9, 9), seed=100 + number)
    Checked(tmp_path / "later", dataset_store, key="2026-01-02")
    later = sagemaker_data(dataset_store, build(dataset_store, "2026-01-02"))
    assert [each.name for each in first.classes] == ["cat", "dog"]
    assert [each.name for each in later.classes] == ["cat", "dog", "ant"]
    contents = {each.name: each.contents for each in later.train.annotations}
    assert {each.name: each.contents for each in first.train.annotations}.items() <= contents.items()


def test_a_damaged_shard_is_noticed(dataset_store: Store, tmp_path: Path) -> None:
    dataset = build(dataset_store, "2026-01-01")
    path = dataset_store.path(dataset.sides["train"].shards[0].path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedRecord, match=r"record \d+: its contents were altered"):
        write_channels(dataset_store, dataset, tmp_path / "out")


def test_an_image_that_no_shard_has_is_noticed(dataset_store: Store, tmp_path: Path) -> None:
    dataset = build(dataset_store, "2026-01-01")
    dataset_store.path(dataset.sides["train"].shards[0].path).write_bytes(b"")
    with pytest.raises(SideMismatch, match="annotated images of train are in none of its shards"):
        write_channels(dataset_store, dataset, tmp_path / "out")


# --- by hand


def test_by_hand_from_coco_and_from_a_folder(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coco(tmp_path / "a.json", [IMAGE], [BOX], [CATEGORY])
    assert main(["sagemaker-json", str(tmp_path / "a.json"), "--output", str(tmp_path / "one")]) == 0
    assert "num_classes 1, label_width 350 or more" in capsys.readouterr().out
    write_pair(folder, "a", CAT)
    write_pair(folder, "b", Box("cat", 30, 5, 20, 25))
    assert main(["sagemaker-json", str(folder), "--output", str(tmp_path / "two")]) == 1
    assert "set aside: b.xml" in capsys.readouterr().out
    one, two = ((tmp_path / name / "a.json").read_text() for name in ("one", "two"))
    assert one == two


def test_by_hand_from_a_dataset(dataset_store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build(dataset_store, "2026-01-01")
    command = ["sagemaker-json", "--store", str(dataset_store.root), "--collection", "tests", "--output"]
    assert main([*command, str(tmp_path / "out"), "--key", "2026-01-01"]) == 0
    assert "classes: 0 cat, 1 dog" in capsys.readouterr().out
    assert list((tmp_path / "out" / "validation_annotation").iterdir())
    assert main([*command, str(tmp_path / "out"), "--key", "2026-01-02"]) == 2
    assert "There is no dataset tests:2026-01-02" in capsys.readouterr().err
    assert main(["sagemaker-json", "--output", str(tmp_path / "out")]) == 2
    assert "Name either" in capsys.readouterr().err
