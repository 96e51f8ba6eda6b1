"""Both sides of each bench do the same work: on a small input they end with the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benches import (
    annotations,
    clients,
    coco,
    convert,
    exports,
    image_checks,
    parsing,
    sagemaker_json,
    scoring,
    staging,
    staging_s3,
    training,
    upload_custom_vision,
    waiting,
    waiting_aws,
)
from benches.datasets import build
from benches.pictures import Pictures, described, picture_sets, write_pictures
from detector_trainer.configuration import Configuration
from include.store import Store
from tests.standins.google.gcs import why_not
from training_services.bucket import crc32c_of
from training_services.checksums import crc32_of

IMAGES = 6


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    write_pictures(tmp_path / "pictures", IMAGES)
    return described("generated", tmp_path / "pictures")


def test_generated_pictures_are_as_large_as_photographs(pictures: Pictures) -> None:
    sizes = [path.stat().st_size for path in pictures.images.iterdir()]
    assert len(sizes) == IMAGES
    assert all(60_000 < size < 100_000 for size in sizes)


def test_of_a_folder_that_is_given_the_sound_images_are_measured(pictures: Pictures) -> None:
    image_checks.add_broken(pictures)
    with picture_sets([pictures.folder], images=1) as (_, given):
        assert given.count == IMAGES
        assert annotations.read_and_check(given).keys() == {path.stem for path in given.images.iterdir()}


def test_annotations(pictures: Pictures) -> None:
    assert annotations.read_and_check(pictures) == annotations.read_plainly(pictures)


def test_image_checks_find_the_same_of_every_kind(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_checks, "ONE_BROKEN_IN", 1)
    image_checks.add_broken(pictures)
    found = image_checks.check(pictures)
    assert found == image_checks.check_plainly(pictures)
    assert set(found.values()) >= {"truncated_image", "too_many_pixels", "unsupported_format"}


def test_conversion_writes_the_same_examples(pictures: Pictures, tmp_path: Path) -> None:
    labels = {name: number for number, name in enumerate(convert.labels(pictures), start=1)}
    shards = convert.lanner(pictures, Store(tmp_path / "store"))()
    plain = convert.object_detection_api(pictures, labels, tmp_path / "plain.tfrecord")
    again = convert.object_detection_api(pictures, labels, tmp_path / "again.tfrecord", encode_anew=True)
    ours = examples(shards)
    assert ours == examples([plain])
    anew = examples([again])
    for name, features in anew.items():
        assert features.pop("image/encoded") != ours[name].pop("image/encoded")
        assert features.pop("image/key/sha256") != ours[name].pop("image/key/sha256")
    assert anew == ours


def examples(shards: list[Path]) -> dict[bytes, dict[str, list]]:
    """By file name, the features of each record but ``source_id``, which everybody chooses for himself."""
    import tensorflow as tf

    read = {}
    for record in tf.data.TFRecordDataset([str(path) for path in shards]).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        features = {name: list(getattr(value, value.WhichOneof("kind")).value) for name, value in feature.items()}
        features.pop("image/source_id")
        read[features["image/filename"][0]] = features
    return read


def test_coco(pictures: Pictures, tmp_path: Path) -> None:
    if not coco.PYTHON.exists():
        pytest.skip("supervision is not installed (make bench does it)")
    ours = json.loads(coco.convert(pictures, tmp_path / "ours.json").read_text())
    coco.by_supervision(pictures, tmp_path / "theirs.json")
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    # supervision reads VOC's corners as counted from 1, ours as written: its boxes begin a pixel earlier.
    assert boxes_of(ours, shift=1) == boxes_of(theirs)


def test_sagemaker_json(pictures: Pictures, tmp_path: Path) -> None:
    larger = sagemaker_json.multiplied(pictures, tmp_path / "larger", 2 * IMAGES + 1, "larger")
    for each in (pictures, larger):
        scratch = tmp_path / f"{each.count}"
        scratch.mkdir()
        coco = sagemaker_json.voc2coco(each, scratch / "instances.json")
        ways = [
            sagemaker_json.whole(each, scratch / "ours"),
            sagemaker_json.from_coco(coco, scratch / "ours from COCO"),
            sagemaker_json.notebook(coco, scratch / "theirs"),
        ]
        ours, from_coco, theirs = ({path.name: sagemaker_boxes(path) for path in way.iterdir()} for way in ways)
        assert len(ours) == each.count
        assert ours == from_coco == theirs


def sagemaker_boxes(file: Path) -> tuple:
    """What an annotation file says, with names in the place of class ids, which each side hands out differently."""
    content = json.loads(file.read_text())
    first = 1 if file.parent.name == "theirs" else 0  # the notebook's categories count from 1, its boxes from 0
    names = {each["class_id"]: each["name"] for each in content["categories"]}
    labels = [names[each["class_id"] + first] for each in content["annotations"]]
    boxes = [tuple(each[side] for side in ("left", "top", "width", "height")) for each in content["annotations"]]
    return content["file"], content["image_size"], sorted(zip(labels, boxes, strict=True))


def boxes_of(content: dict, shift: int = 0) -> set:
    files = {
        image["id"]: (Path(image["file_name"]).name, image["width"], image["height"]) for image in content["images"]
    }
    names = {category["id"]: category["name"] for category in content["categories"]}
    return {
        (*files[each["image_id"]], names[each["category_id"]], x - shift, y - shift, width + shift, height + shift)
        for each in content["annotations"]
        for x, y, width, height in [each["bbox"]]
    }


def test_scoring() -> None:
    truth, detections = scoring.make_set(images=20, classes=3)
    plain = scoring.score_with_pycocotools(truth, scoring.as_rows(detections))
    assert scoring.score_with_lanner(truth, detections) == plain
    assert scoring.score_with_lanner(truth, detections, refereed_up_to=0) == plain


STILL = {"mirror": False, "crop": 1.0, "zoom_out": 1.0, "stretch": 1.0, "mosaic": 0.0}
STILL |= {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


def test_training_sees_the_same_batches(pictures: Pictures, tmp_path: Path) -> None:
    from detector_trainer.batches import training_batches
    from detector_trainer.model import build_detector

    configuration = Configuration.preset("sample").replace(
        input_size=64, width=0.35, batch_size=IMAGES, steps=1, augmentation=STILL
    )
    given = training.training_set(pictures, Store(tmp_path / "store"), configuration)
    detector = build_detector(configuration, given.label_map)
    anchors = detector.anchors
    ours, targets = next(iter(training_batches(given.shards, given.annotations, configuration, anchors)))
    theirs, their_targets = next(iter(training.plain_batches(given, anchors)))
    order, their_order = (np.argsort(images.numpy().sum((1, 2, 3))) for images in (ours, theirs))
    np.testing.assert_allclose(ours.numpy()[order], theirs.numpy()[their_order], atol=1e-3)
    for mine, plain in zip(targets, their_targets, strict=True):
        np.testing.assert_allclose(mine.numpy()[order], plain.numpy()[their_order], atol=1e-5)

    loss = training.plain_model(detector.model).compute_loss(ours, targets, detector.model(ours, training=True))
    assert np.isfinite(loss)


def test_exports_are_found_in_a_state_folder_of_which_there_is_none(tmp_path: Path) -> None:
    assert list(exports.finished(Store(tmp_path))) == []


def test_parsing_runs_what_it_says(tmp_path: Path) -> None:
    parsing.fresh_process(tmp_path, "import sys; assert sys.argv[1:] == ['a.py']", "a.py")()
    with pytest.raises(RuntimeError, match="did not run"):
        parsing.fresh_process(tmp_path, "import nothing_of_that_name")()


def test_staging_brings_the_same_objects(tmp_path: Path) -> None:
    if why := why_not():
        pytest.skip(why)
    folder = staging.write_files(tmp_path / "files", count=3, size=1000, large=10_000_000)
    files = {f"data/{file.name}": crc32c_of(file) for file in folder.iterdir()}
    sides = [side for side in staging.SIDES if side != "gcloud" or shutil.which("gcloud")]
    assert [staging.stage(folder, side).objects for side in sides] == [files] * len(sides)


def test_staging_to_s3_brings_the_same_objects(tmp_path: Path) -> None:
    """Where awscli is not installed, without it."""
    folder = staging.write_files(tmp_path / "files", count=3, size=1000, large=10_000_000)
    files = {f"data/{file.name}": crc32_of(file) for file in folder.iterdir()}
    sides = staging_s3.available()
    assert [staging_s3.stage(folder, side, read=True).objects for side in sides] == [files] * len(sides)


@pytest.mark.parametrize(
    ("cloud", "side"),
    [(waiting.VERTEX, side) for side in waiting.SIDES] + [(waiting_aws.SAGEMAKER, side) for side in waiting_aws.SIDES],
    ids=[*waiting.SIDES, *(f"sagemaker_{side}" for side in waiting_aws.SIDES)],
)
def test_waiting_notices_every_end_and_no_other(cloud: waiting.Cloud, side: str) -> None:
    waited = waiting.wait(cloud, side, count=60, ending=6, interval=1.0, window=3.0)
    assert len(waited.delays) == 6
    assert waited.delays[0] >= 0, "none before its job had ended"
    polls = 60 * 60 * (1 if side != "ours" else 0)  # a minute: of each job one a second
    assert waited.calls == pytest.approx(polls, rel=0.7) if polls else waited.calls < 60 * 10


@pytest.mark.parametrize("way", clients.WAYS)
def test_clients_are_made(way: str) -> None:
    assert clients.fresh(clients.WAYS[way]) > 10


def test_upload_to_custom_vision(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 70)
    dataset = build(tmp_path / "pictures", Store(tmp_path / "store"), shares=upload_custom_vision.SHARES)
    ours, sample = (upload_custom_vision.upload(tmp_path, dataset, side) for side in upload_custom_vision.SIDES)
    assert ours.regions == sample.regions
    assert len(ours.regions) == 70
    assert (ours.refused, sample.refused) == (0, 0)
