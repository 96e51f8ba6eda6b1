"""VOC to TFRecord: reading and checking the annotations, and writing shards, per CPU second.

Ours is what a build does with images that were checked before: every annotation is read and all its boxes are checked,
then each image is read, its CRC-32C compared with the one that was recorded, and its record written, with checksum. The
SHA-256 in the record was taken when the image was checked, so it is not counted here, while theirs is. Checking the
images themselves has a row of its own (``image_checks``); the last row here is all of it together.

Theirs is the TF Object Detection API's ``create_pascal_tf_record.py``, written plainly: ElementTree, TensorFlow's
``tf.train.Example`` and ``TFRecordWriter``, the SHA-256 as key. Once as it is, once with each image decoded and encoded
anew, as scripts do that resize or normalise on the way. The copy reads the same images and writes them into one file.
Importing TensorFlow is not counted.
"""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from benches.annotations import read_and_check
from benches.datasets import build
from benches.measure import Asked, Goal, Row, main, side_by_side
from benches.pictures import Pictures, picture_sets
from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, read_plan
from include.store import Store

Conversion = Callable[[], object]


def bench(asked: Asked) -> list[Row]:
    rows = []
    with picture_sets(asked.data) as sets, TemporaryDirectory(prefix="lanner-bench-") as scratch:
        for number, pictures in enumerate(sets):
            rows += compare(pictures, Path(scratch, str(number)))
    return rows


def compare(pictures: Pictures, scratch: Path) -> list[Row]:
    label_map = {name: number for number, name in enumerate(labels(pictures), start=1)}
    ours = lanner(pictures, Store(scratch / "store"))
    ways: list[Conversion] = [
        ours,
        lambda: object_detection_api(pictures, label_map, scratch / "encoded.tfrecord", encode_anew=True),
        lambda: object_detection_api(pictures, label_map, scratch / "plain.tfrecord"),
        lambda: copy(pictures, scratch / "copy"),
        lambda: whole(pictures),
    ]
    mine, encoded, plain, copied, checked = side_by_side(*ways)
    against = (
        ("VOC → TFRecord", "TF OD API's way, images encoded anew", mine, encoded, Goal("≥", 10)),
        ("VOC → TFRecord", "TF OD API's way", mine, plain, Goal("≥", 1.5)),
        ("VOC → TFRecord", "copying the images", mine, copied, Goal("≥", 0.3)),
        (
            "VOC → TFRecord and COCO, every image checked",
            "TF OD API's way, images encoded anew",
            checked,
            encoded,
            None,
        ),
    )
    return [
        Row(
            work=work,
            against=other,
            on=pictures.name,
            ours=us.rate(pictures.count, "images"),
            theirs=them.rate(pictures.count, "images"),
            ratio=them.times(us),
            goal=goal,
        )
        for work, other, us, them, goal in against
    ]


def lanner(pictures: Pictures, store: Store) -> Conversion:
    """Checks the images (now, untimed); the conversion itself is what is returned."""
    check_batch(pictures.folder, store=store, collection="bench", key="all")
    plan = plan_shards(store, collection="bench", key="all", shares=(1.0, 0.0, 0.0))
    shards = [Path(str(store.path(shard.path))) for shard in read_plan(store, plan).shards]

    def convert() -> list[Path]:
        read_and_check(pictures)
        for shard in shards:
            shard.unlink(missing_ok=True)
        convert_missing(store, plan)
        return shards

    return convert


def whole(pictures: Pictures) -> None:
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        build(pictures.folder, Store(scratch))


def object_detection_api(
    pictures: Pictures, label_map: dict[str, int], output: Path, encode_anew: bool = False
) -> Path:
    """https://github.com/tensorflow/models/blob/master/research/object_detection/dataset_tools/create_pascal_tf_record.py"""
    import tensorflow as tf

    def integers(values: list[int]) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def floats(values: list[float]) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def texts(values: list[bytes]) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    images = {path.stem: path.name for path in pictures.images.iterdir()}
    with tf.io.TFRecordWriter(str(output)) as writer:
        for path in sorted(pictures.annotations.glob("*.xml")):
            root: Any = ElementTree.parse(path).getroot()
            name = images[path.stem]
            with tf.io.gfile.GFile(str(pictures.images / name), "rb") as file:
                encoded = file.read()
            if encode_anew:
                again = io.BytesIO()
                Image.open(io.BytesIO(encoded)).convert("RGB").save(again, "JPEG", quality=95)
                encoded = again.getvalue()
            width, height = int(root.findtext("size/width")), int(root.findtext("size/height"))
            objects = root.findall("object")
            boxes = [[float(each.find("bndbox").findtext(corner)) for corner in CORNERS] for each in objects]
            names = [each.findtext("name") for each in objects]
            feature = {
                "image/height": integers([height]),
                "image/width": integers([width]),
                "image/filename": texts([f"images/{name}".encode()]),
                "image/source_id": texts([name.encode()]),
                "image/key/sha256": texts([hashlib.sha256(encoded).hexdigest().encode()]),
                "image/encoded": texts([encoded]),
                "image/format": texts([b"jpeg"]),
                "image/object/bbox/xmin": floats([box[0] / width for box in boxes]),
                "image/object/bbox/xmax": floats([box[2] / width for box in boxes]),
                "image/object/bbox/ymin": floats([box[1] / height for box in boxes]),
                "image/object/bbox/ymax": floats([box[3] / height for box in boxes]),
                "image/object/class/text": texts([label.encode() for label in names]),
                "image/object/class/label": integers([label_map[label] for label in names]),
                "image/object/difficult": integers([int(each.findtext("difficult") or 0) for each in objects]),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return output


CORNERS = ("xmin", "ymin", "xmax", "ymax")


def copy(pictures: Pictures, output: Path) -> None:
    with output.open("wb") as target:
        for path in sorted(pictures.images.iterdir()):
            target.write(path.read_bytes())


def labels(pictures: Pictures) -> list[str]:
    roots: list[Any] = [ElementTree.parse(path).getroot() for path in pictures.annotations.glob("*.xml")]
    return sorted({each.findtext("name") for root in roots for each in root.findall("object")})


if __name__ == "__main__":
    main(__doc__, bench)
