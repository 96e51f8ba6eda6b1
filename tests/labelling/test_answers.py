from __future__ import annotations

import pytest

from include.labelling.answers import Overtaken, Refused, read_answers, save_answer
from include.labelling.closing import close_round
from include.labelling.documents import Answer, ReviewedBox, RoundDocument
from tests.labelling.conftest import CAT, DOG, Bench, Oracle, box, proposal


@pytest.fixture
def round_(bench: Bench) -> RoundDocument:
    hashes = [bench.put(f"{seed}.jpg", seed) for seed in range(3)]
    opened = bench.open(Oracle(dict.fromkeys(hashes, (proposal(CAT, 0.9), proposal(DOG, 0.6)))))
    assert opened is not None
    return opened


def answer(image: int = 0, revision: int = 1, by: str = "ada", **fields: object) -> Answer:
    return Answer.model_validate({"image": image, "revision": revision, "decision": "labelled", "by": by} | fields)


def test_the_last_answer_for_each_image_counts(bench: Bench, round_: RoundDocument) -> None:
    save_answer(bench.store, round_, answer(boxes=(box(CAT, 0),)))
    save_answer(bench.store, round_, answer(image=2, decision="skipped"))
    save_answer(bench.store, round_, answer(revision=2, boxes=(box(CAT, 0), box(DOG))))
    said = read_answers(bench.store, round_)
    assert {index: (each.decision, len(each.boxes)) for index, each in said.items()} == {
        0: ("labelled", 2),
        2: ("skipped", 0),
    }


def test_of_two_people_at_once_the_second_is_told(bench: Bench, round_: RoundDocument) -> None:
    save_answer(bench.store, round_, answer(by="ada"))
    with pytest.raises(Overtaken, match="ada has answered for image 1 meanwhile"):
        save_answer(bench.store, round_, answer(by="grace", decision="skipped"))
    with pytest.raises(Overtaken):
        save_answer(bench.store, round_, answer(by="grace", revision=3))
    assert read_answers(bench.store, round_)[0].by == "ada"


def test_an_answer_that_is_sent_twice_is_kept_once(bench: Bench, round_: RoundDocument) -> None:
    """The page asks again when the first answer was lost on the way; the file is there, with these very bytes."""
    path = f"pets/labelling/answers/{round_.id}/0000-000001.json"
    assert bench.store.create(path, answer().model_dump_json().encode())
    assert bench.store.create(path, answer().model_dump_json().encode())
    assert not bench.store.create(path, answer(by="grace").model_dump_json().encode())


def test_a_closed_round_takes_no_answers(bench: Bench, round_: RoundDocument) -> None:
    close_round(bench.store, round_, by="ada", stop=False)
    with pytest.raises(Overtaken, match="pets:b1:1 is closed"):
        save_answer(bench.store, round_, answer())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"image": 3}, "Got image 3; the round has images 0 to 2"),
        ({"decision": "skipped", "boxes": [box(CAT)]}, "only an image that is labelled has boxes"),
        ({"boxes": [box(CAT, 2)]}, "one of the image's suggestions"),
        ({"boxes": [box(CAT, 0), box(DOG, 0)]}, "each suggestion give one box"),
        ({"boxes": [ReviewedBox(label="ufo", xmin=1, ymin=1, xmax=9, ymax=9)]}, r"boxes\[0\]: The class is not among"),
        ({"boxes": [ReviewedBox(label="cat", xmin=9, ymin=1, xmax=9, ymax=9)]}, "The box has no area"),
        ({"boxes": [ReviewedBox(label="cat", xmin=9, ymin=1, xmax=2, ymax=9)]}, "Swap the corners"),
        ({"boxes": [ReviewedBox(label="cat", xmin=0, ymin=0, xmax=99, ymax=9)]}, "more than 1 px beyond the image"),
        ({"boxes": [ReviewedBox(label="cat", xmin=0, ymin=0, xmax=81, ymax=9)]}, "beyond its image"),
    ],
)
def test_what_ingest_would_set_aside_is_refused_at_once(
    bench: Bench, round_: RoundDocument, fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        save_answer(bench.store, round_, answer(**fields))
    assert read_answers(bench.store, round_) == {}


def test_new_classes_only_where_the_collection_declares_none(bench: Bench) -> None:
    bench.put("a.jpg", 1)
    free = bench.open(Oracle({}), any_class=True)
    assert free is not None
    new = ReviewedBox(label="ozelot", xmin=1, ymin=1, xmax=9, ymax=9)
    save_answer(bench.store, free, answer(boxes=(new,)))
    with pytest.raises(Refused, match="not printable"):
        save_answer(bench.store, free, answer(revision=2, boxes=(new.model_copy(update={"label": "a\nb"}),)))
