"""From batches to a published dataset: content, names by content, and promises kept as batches come."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from include.dataset.annotation import Box
from include.dataset.build import convert_shard, missing_shards, plan_shards, publish_dataset, read_plan
from include.dataset.label_map import read_label_map
from include.dataset.manifest import read_lines
from include.dataset.shards import MAX_SHARD_IMAGES, SourceChanged, cut
from include.documents import SIDES, DatasetDocument
from include.store import NotInStore, Store
from tests.dataset.folders import CAT, HEIGHT, WIDTH, Checked, build, encode, write_pair


def write_batch(folder: Path, seeds: range, label: str = "dog") -> Path:
    for seed in seeds:
        write_pair(folder, f"{seed:04d}", Box(label, 1, 2, 11 + seed % 20, 12.5), seed=seed)
    return folder


def shards(dataset: DatasetDocument) -> dict[str, str]:
    return {shard.path: shard.crc32c for side in SIDES for shard in dataset.sides[side].shards}


def sides(store: Store, dataset: DatasetDocument) -> dict[str, str]:
    return {line["sha256"]: line["side"] for line in read_lines(store, dataset.assignments)}


def test_contents(folder: Path, store: Store) -> None:
    """Every image and box arrives, under the Object Detection API's keys, bytes copied, nothing off by one."""
    tf = pytest.importorskip("tensorflow")
    write_batch(folder, range(40))
    write_pair(folder, "negative")
    Checked(folder, store, key="b1")
    dataset = build(store, "b1")
    assert read_label_map(store.read(dataset.label_map_pbtxt).decode()) == {1: "dog"}
    originals = {path.name: path.read_bytes() for path in folder.glob("*.jpg")}
    for side in SIDES:
        contents = dataset.sides[side]
        coco = json.loads(store.read(contents.coco))
        paths = [str(store.path(shard.path)) for shard in contents.shards]
        examples = [tf.train.Example.FromString(r) for r in tf.data.TFRecordDataset(paths).as_numpy_iterator()]
        assert len(examples) == contents.images == len(coco["images"])
        assert contents.boxes == len(coco["annotations"]) == contents.classes["dog"]
        assert [each["id"] for each in coco["images"]] == list(range(1, contents.images + 1))
        for example, image in zip(examples, coco["images"], strict=True):
            feature = example.features.feature
            name = feature["image/filename"].bytes_list.value[0].decode()
            assert feature["image/encoded"].bytes_list.value[0] == originals.pop(name)
            assert feature["image/key/sha256"].bytes_list.value[0].decode() == image["sha256"]
            assert feature["image/source_id"].bytes_list.value[0].decode() == image["sha256"][:16]
            assert (image["file_name"], image["width"], image["height"]) == (name, WIDTH, HEIGHT)
            boxes = [each["bbox"] for each in coco["annotations"] if each["image_id"] == image["id"]]
            corners = [
                list(feature[f"image/object/bbox/{corner}"].float_list.value)
                for corner in ("xmin", "ymin", "xmax", "ymax")
            ]
            if name == "negative.jpg":
                assert boxes == [] and corners == [[]] * 4
            else:
                x = 11 + int(name[:4]) % 20
                assert boxes == [[1, 2, x - 1, 10.5]]
                assert corners == [pytest.approx([v]) for v in (1 / WIDTH, 2 / HEIGHT, x / WIDTH, 12.5 / HEIGHT)]
                assert list(feature["image/object/class/label"].int64_list.value) == [1]
                assert list(feature["image/object/class/text"].bytes_list.value) == [b"dog"]
    assert originals == {}


def test_a_later_class_that_sorts_first_leaves_earlier_shards_as_they_are(tmp_path: Path, store: Store) -> None:
    Checked(write_batch(tmp_path / "one", range(40)), store, key="b1")
    first = build(store, "b1")
    before = {path: store.read(path) for path in shards(first)}
    Checked(write_batch(tmp_path / "two", range(100, 130), label="ant"), store, key="b2")
    plan = plan_shards(store, collection="tests", key="b2")
    assert len(missing_shards(store, plan)) == len(read_plan(store, plan).shards) - len(before)
    second = build(store, "b2")
    assert [(each.id, each.name) for each in second.label_map] == [(1, "dog"), (2, "ant")]
    assert shards(first).items() <= shards(second).items()
    assert {path: store.read(path) for path in before} == before
    assert sides(store, first).items() <= sides(store, second).items()
    assert second.warnings == ()


def test_the_same_again_converts_nothing_and_is_the_same_dataset(folder: Path, store: Store) -> None:
    Checked(write_batch(folder, range(30)), store, key="b1")
    first = build(store, "b1")
    Checked(folder, store, key="b1")
    plan = plan_shards(store, collection="tests", key="b1")
    assert missing_shards(store, plan) == []
    assert build(store, "b1").id == first.id


@pytest.mark.parametrize("finished", [["b1", "b2", "b3"], ["b3", "b1", "b2"], ["b2", "b3", "b1"]])
def test_the_order_in_which_ingests_finish_changes_nothing(tmp_path: Path, finished: list[str]) -> None:
    ids = []
    for number, order in enumerate((["b1", "b2", "b3"], finished)):
        store = Store(tmp_path / f"store{number}")
        for key in order:
            batch = int(key[1])
            label = ["dog", "cat", "ant"][batch - 1]
            Checked(write_batch(tmp_path / key, range(batch * 25, batch * 25 + 30), label), store, key=key)
        ids.append([build(store, key).id for key in ("b1", "b2", "b3")])
    assert ids[0] == ids[1]


def test_a_dataset_built_again_after_later_ones_is_the_same(tmp_path: Path, store: Store) -> None:
    for batch in (1, 2, 3):
        label = ["dog", "cat", "ant"][batch - 1]
        folder = write_batch(tmp_path / str(batch), range(batch * 40, batch * 40 + 30), label)
        Checked(folder, store, key=f"b{batch}")
    ids = [build(store, f"b{batch}").id for batch in (1, 2, 3)]
    assert [build(store, f"b{batch}").id for batch in (1, 2, 3)] == ids


def test_a_late_batch_changes_no_side_and_no_class_id(tmp_path: Path, store: Store) -> None:
    Checked(write_batch(tmp_path / "one", range(30)), store, key="b1")
    Checked(write_batch(tmp_path / "three", range(60, 90), label="cat"), store, key="b3")
    before = build(store, "b3")
    Checked(write_batch(tmp_path / "two", range(30, 60), label="ant"), store, key="b2")
    after = build(store, "b3")
    assert sides(store, before).items() <= sides(store, after).items()
    assert [each.name for each in after.label_map] == ["dog", "cat", "ant"]
    assert shards(before).items() <= shards(after).items()
    assert [each.id for each in build(store, "b2").label_map] == [1, 2, 3]  # without a gap


def test_declared_classes_come_first_in_their_order(folder: Path, store: Store) -> None:
    Checked(write_batch(folder, range(5)), store, key="b1")
    dataset = build(store, "b1", classes=["wolf", "dog"])
    assert [each.name for each in dataset.label_map] == ["wolf", "dog"]


def test_bytes_of_an_earlier_batch_are_left_out_and_counted(tmp_path: Path, store: Store) -> None:
    Checked(write_batch(tmp_path / "one", range(20)), store, key="b1")
    Checked(write_batch(tmp_path / "two", range(15, 35)), store, key="b2")
    dataset = build(store, "b2")
    assert dataset.duplicates == 5
    assert sum(dataset.sides[side].images for side in SIDES) == 35
    hashes = [image["sha256"] for side in SIDES for image in json.loads(store.read(dataset.sides[side].coco))["images"]]
    assert len(set(hashes)) == 35


def test_the_same_picture_at_another_size_is_on_the_same_side(tmp_path: Path, store: Store) -> None:
    Checked(write_batch(tmp_path / "one", range(40)), store, key="b1")
    build(store, "b1")
    for path in (tmp_path / "one").glob("*.jpg"):
        file = io.BytesIO()
        Image.open(path).resize((WIDTH * 2, HEIGHT * 2)).save(file, "png")
        write_pair(tmp_path / "two", path.stem, image=file.getvalue(), size=(WIDTH * 2, HEIGHT * 2), suffix=".png")
    Checked(tmp_path / "two", store, key="b2")
    assignments = list(read_lines(store, build(store, "b2").assignments))
    assert sum(each["why"] == "near_duplicate" for each in assignments) == 40
    assert len({each["side"] for each in assignments}) == 3


def test_a_given_split_is_honoured(folder: Path, store: Store) -> None:
    write_batch(folder / "train", range(60))
    write_batch(folder / "test", range(60, 70))
    Checked(folder, store, key="b1", split="given")
    dataset = build(store, "b1")
    holdout = json.loads(store.read(dataset.sides["holdout"].coco))["images"]
    assert {image["file_name"].split("/")[0] for image in holdout} == {"test"} and len(holdout) == 10
    assert dataset.sides["train"].images + dataset.sides["validation"].images == 60
    assert dataset.sides["validation"].images > 0


def test_an_image_changed_after_its_check_is_noticed(folder: Path, store: Store) -> None:
    Checked(write_batch(folder, range(3)), store, key="b1")
    plan = plan_shards(store, collection="tests", key="b1", shares=(1, 0, 0))
    (folder / "0001.jpg").write_bytes(encode(99))
    with pytest.raises(SourceChanged, match=r"0001\.jpg .* changed after"):
        convert_shard(store, plan, 0)
    (folder / "0001.jpg").unlink()
    with pytest.raises(SourceChanged, match=r"0001\.jpg .* cannot be read any more"):
        convert_shard(store, plan, 0)
    assert missing_shards(store, plan) == [0]
    with pytest.raises(NotInStore, match=r"1 of 1 shards .* not written"):
        publish_dataset(store, plan)


def test_a_key_that_was_not_ingested(folder: Path, store: Store) -> None:
    Checked(write_batch(folder, range(3)), store, key="b1")
    with pytest.raises(NotInStore, match="Batch b2 of tests is not in"):
        plan_shards(store, collection="tests", key="b2")


def test_what_makes_a_dataset_less_useful_is_told(folder: Path, store: Store) -> None:
    write_pair(folder, "a", CAT)
    Checked(folder, store, key="b1")
    assert len(build(store, "b1").warnings) == 2  # two sides without an image


def test_shards_are_cut_by_count_and_bytes() -> None:
    class OfBytes:
        def __init__(self, size: int) -> None:
            self.bytes = size

    assert [len(run) for run in cut(map(OfBytes, [1] * 1030))] == [MAX_SHARD_IMAGES, MAX_SHARD_IMAGES, 6]  # type: ignore[arg-type]
    assert [len(run) for run in cut(map(OfBytes, [40 << 20] * 3))] == [1, 1, 1]  # type: ignore[arg-type]
    assert list(cut([])) == []
