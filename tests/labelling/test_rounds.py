"""From images without annotations to a batch that ingest takes: nothing lost, nothing asked twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.dataset.annotation import Annotation, Box
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.dataset.manifest import read_lines, read_manifest
from include.dataset.voc import write_annotation
from include.documents import BatchDocument, DatasetDocument
from include.ingest import ingest_batch
from include.labelling.answers import save_answer
from include.labelling.closing import close_round
from include.labelling.documents import Answer, Decision, ReviewDocument, ReviewedBox, RoundDocument
from include.labelling.labelled_batch import fetch_labelled_batch, labelled_before
from include.labelling.labeller import Nobody
from include.labelling.next_round import next_round
from include.labelling.rounds import open_rounds
from include.settings import CollectionSettings
from include.store import Store
from tests.dataset.folders import encode, write_pair
from tests.labelling.conftest import CAT, DOG, SIZE, Bench, Oracle, box, proposal


def say(
    bench: Bench, round_: RoundDocument, image: int, decision: Decision, *boxes: ReviewedBox, revision: int = 1
) -> None:
    save_answer(bench.store, round_, Answer(image=image, revision=revision, decision=decision, boxes=boxes, by="ada"))


def assert_conserved(document: RoundDocument | ReviewDocument, found: int) -> None:
    pool = document.pool
    assert pool.found == found == pool.labelled + pool.skipped + pool.set_aside + pool.left


def test_only_images_without_annotation_are_asked_about(bench: Bench) -> None:
    bench.put("new/a.jpg", 1)
    write_pair(bench.folder, "annotated", Box("cat", 1, 1, 9, 9), seed=2)
    round_ = bench.open(Nobody())
    assert round_ is not None
    assert [image.file for image in round_.images] == ["new/a.jpg"]
    assert_conserved(round_, found=1)


def test_what_is_unusable_is_set_aside_with_its_reason(bench: Bench) -> None:
    bench.put("a.jpg", 1)
    bench.put("same.jpg", 1)
    (bench.folder / "broken.jpg").write_bytes(encode(3)[:200])
    (bench.folder / "drawing.gif").write_bytes(b"GIF89a")
    round_ = bench.open(Nobody())
    assert round_ is not None
    assert_conserved(round_, found=4)
    faults = {fault["file"]: fault for fault in read_lines(bench.store, round_.quarantine)}
    assert {file: fault["code"] for file, fault in faults.items()} == {
        "same.jpg": "duplicate_image",
        "broken.jpg": "truncated_image",
        "drawing.gif": "unsupported_format",
    }
    assert faults["same.jpg"]["value"] == "same as a.jpg"


def test_an_image_that_another_batch_has_is_not_labelled_again(bench: Bench, lanner: Path) -> None:
    write_pair(lanner / "before", "known", CAT, seed=1, size=SIZE, image=encode(1, SIZE))
    ingest_batch(bench.store, CollectionSettings(source=str(lanner / "before")), "pets", "a")
    bench.put("again.jpg", 1)
    bench.put("new.jpg", 2)
    round_ = bench.open(Nobody())
    assert round_ is not None
    assert [image.file for image in round_.images] == ["new.jpg"]
    assert [fault["code"] for fault in read_lines(bench.store, round_.quarantine)] == ["duplicate_image"]


def test_suggestions_are_whole_pixels_inside_the_image_of_known_classes(bench: Bench) -> None:
    sha256 = bench.put("a.jpg", 1)
    outside = Box("cat", -6, 2, 90, 70)
    proposals = [proposal(DOG, 0.9), proposal(outside, 0.8), proposal(Box("ufo", 1, 1, 9, 9), 0.7), proposal(CAT, 0.2)]
    round_ = bench.open(Oracle({sha256: proposals}))
    assert round_ is not None
    shown = [tuple(each.box[:5]) for each in round_.images[0].suggestions]
    assert shown == [("dog", 35, 11, 70, 50), ("cat", 0, 2, 80, 60)], "the cat of score 0.2 is below the threshold"
    assert round_.labeller == "oracle/1"


def test_a_round_that_is_open_is_found_again_with_what_was_said(bench: Bench) -> None:
    for seed in range(5):
        bench.put(f"{seed}.jpg", seed)
    first = bench.open(Nobody())
    assert first is not None
    bench.put("late.jpg", 9)
    labeller = Oracle({})
    assert bench.open(labeller) == first
    assert labeller.asked == [], "nothing is done twice"
    assert [each.title for each in open_rounds(bench.store, "pets")] == ["pets:b1:1"]


def test_rounds_go_on_until_none_is_left_and_every_image_is_accounted_for(bench: Bench) -> None:
    hashes = {bench.put(f"{seed}.jpg", seed) for seed in range(5)}
    (bench.folder / "broken.jpg").write_bytes(b"")
    first = bench.open(Nobody())
    assert first is not None
    say(bench, first, 0, "labelled", box(CAT))
    say(bench, first, 1, "skipped")
    review = close_round(bench.store, first, by="ada", stop=False)  # the third is undecided
    assert (review.pool.labelled, review.pool.skipped, review.pool.left) == (1, 1, 3)
    assert_conserved(review, found=6)

    second = bench.open(Nobody())
    assert second is not None
    assert second.key == "b1:2"
    undecided = first.images[2].sha256
    assert undecided in {image.sha256 for image in second.images}
    decided = {image.sha256 for image in first.images[:2]}
    assert {image.sha256 for image in second.images} == hashes - decided
    for index in range(3):
        say(bench, second, index, "labelled")
    last = close_round(bench.store, second, by="ada", stop=False)
    assert_conserved(last, found=6)
    assert (last.pool.labelled, last.pool.left) == (4, 0)
    assert bench.open(Nobody()) is None


def test_images_that_went_from_the_source_stay_counted(bench: Bench) -> None:
    for seed in range(4):
        bench.put(f"{seed}.jpg", seed)
    first = bench.open(Nobody())
    assert first is not None
    say(bench, first, 0, "labelled", box(CAT))
    close_round(bench.store, first, by="ada", stop=False)
    (bench.folder / first.images[0].file).unlink()
    second = bench.open(Nobody())
    assert second is not None
    assert_conserved(second, found=4)


def test_the_batch_is_taken_by_ingest_as_any_other(bench: Bench, lanner: Path) -> None:
    for seed in range(3):
        bench.put(f"deep/no {seed} & <b>.jpg", seed)
    settings = CollectionSettings(source=f"{lanner}/nowhere/{{batch}}", classes=("cat", "dog"))
    round_ = bench.open(Nobody())
    assert round_ is not None
    say(bench, round_, 0, "labelled", box(CAT), box(DOG))
    say(bench, round_, 1, "labelled")  # nothing to be seen on it
    say(bench, round_, 2, "skipped")
    review = close_round(bench.store, round_, by="ada", stop=True)
    assert review.batch == "b1.labelled-001"
    _, batch = ingest_batch(bench.store, settings, "pets", review.batch)
    assert (batch.images.found, batch.images.used, batch.boxes.used, batch.notes) == (2, 2, 2, ())
    found = {image.sha256: image.boxes for image in read_manifest(bench.store, batch.manifest)}
    assert found[round_.images[0].sha256] == (box(CAT).box, box(DOG).box)
    assert found[round_.images[1].sha256] == ()
    assert labelled_before(bench.store, "pets", "b2") == ["b1.labelled-001"]
    assert labelled_before(bench.store, "pets", "b1.labelled-001") == []


def test_closing_again_changes_nothing_and_completes_the_batch(bench: Bench) -> None:
    for seed in range(3):
        bench.put(f"{seed}.jpg", seed)
    round_ = bench.open(Nobody())
    assert round_ is not None
    say(bench, round_, 0, "labelled", box(CAT))
    review = close_round(bench.store, round_, by="ada", stop=False)
    folder = fetch_labelled_batch(bench.store, "pets", "b1.labelled-001")
    assert folder is not None
    next(folder.glob("*.xml")).unlink()  # as if the worker had been killed between two files
    assert close_round(bench.store, round_, by="grace", stop=True) == review
    assert len(list(folder.glob("*.xml"))) == 1


def test_nothing_labelled_makes_no_batch(bench: Bench) -> None:
    bench.put("a.jpg", 1)
    round_ = bench.open(Nobody())
    assert round_ is not None
    say(bench, round_, 0, "skipped")
    review = close_round(bench.store, round_, by="ada", stop=False)
    assert review.batch is None
    assert fetch_labelled_batch(bench.store, "pets", round_.labelled_batch) is None


def test_the_review_says_what_became_of_the_suggestions(bench: Bench) -> None:
    sha256 = bench.put("a.jpg", 1)
    round_ = bench.open(
        Oracle({sha256: [proposal(CAT, 0.9), proposal(DOG, 0.8), proposal(Box("cat", 1, 1, 9, 9), 0.5)]})
    )
    assert round_ is not None
    moved = box(Box("dog", 36, 11, 70, 50), suggestion=1)
    say(bench, round_, 0, "labelled", box(CAT, suggestion=0), moved, box(Box("dog", 2, 2, 8, 8)))
    boxes = close_round(bench.store, round_, by="ada", stop=False).boxes
    assert (boxes.accepted, boxes.corrected, boxes.rejected, boxes.drawn) == (1, 1, 1, 1)


def test_a_batch_of_the_source_itself_is_made_known_so_that_nobody_waits_for_it(bench: Bench, lanner: Path) -> None:
    bench.put("a.jpg", 1)
    settings = CollectionSettings(source=str(bench.folder), classes=("cat",))
    round_ = next_round(bench.store, settings, "pets", "all", Nobody(), images=1)
    assert round_ is not None
    known = bench.store.newest(BatchDocument, "pets", "all")
    assert known is not None
    assert known[1].faults == {"image_without_annotation": 1}
    say(bench, round_, 0, "labelled", box(CAT))
    review = close_round(bench.store, round_, by="ada", stop=True)
    assert review.batch is not None
    ingest_batch(bench.store, settings, "pets", review.batch)
    plan = plan_shards(bench.store, collection="pets", key=review.batch, classes=settings.classes)
    convert_missing(bench.store, plan)
    dataset = bench.store.get(DatasetDocument, publish_dataset(bench.store, plan))
    assert sum(side.images for side in dataset.sides.values()) == 1


def test_images_may_come_from_elsewhere_than_the_annotated_ones(bench: Bench, lanner: Path) -> None:
    bench.put("a.jpg", 1)
    settings = CollectionSettings.model_validate(
        {"source": f"{lanner}/annotated/{{batch}}", "labelling": {"source": str(bench.folder)}}
    )
    round_ = next_round(bench.store, settings, "pets", "2026-11-20", Nobody())
    assert round_ is not None
    assert round_.any_class, "the collection declares no classes"
    assert bench.store.newest(BatchDocument, "pets", "2026-11-20") is None


@pytest.mark.parametrize("key", ["a b", "../x", "b:1", ""])
def test_a_key_that_can_be_none_is_refused(bench: Bench, lanner: Path, key: str) -> None:
    with pytest.raises(ValueError, match="as batch key"):
        next_round(bench.store, CollectionSettings(source=str(bench.folder)), "pets", key, Nobody())


def test_coco_annotations_count_as_annotations(bench: Bench) -> None:
    bench.put("a.jpg", 1)
    bench.put("b.jpg", 2)
    images = [{"id": 1, "file_name": "a.jpg", "width": 80, "height": 60}]
    (bench.folder / "instances.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    round_ = bench.open(Nobody())
    assert round_ is not None
    assert [image.file for image in round_.images] == ["b.jpg"]


def test_names_of_others_become_harmless_file_names(bench: Bench) -> None:
    bench.put("a/b\n*|c.v2.jpg", 1)
    round_ = bench.open(Nobody())
    assert round_ is not None
    assert round_.images[0].name == f"b_c_v2-{round_.images[0].sha256[:12]}.jpg"
    assert write_annotation(Annotation("", round_.images[0].name, 1, 1, ())).startswith(b"<annotation>")


def test_another_store_gives_the_same_document(bench: Bench, tmp_path: Path) -> None:
    for seed in range(6):
        bench.put(f"{seed}.jpg", seed)
    first = bench.open(Nobody())
    bench.store = Store(tmp_path / "other store")
    assert bench.open(Nobody()) == first
