"""What a person has said so far about the images of a round: kept at once, each change a small file of its own."""

from __future__ import annotations

from include.dataset.box_check import check_boxes
from include.dataset.quarantine import Notes, fault
from include.labelling.documents import Answer, ReviewDocument, RoundDocument
from include.labelling.labelled_batch import annotation_of
from include.store import Store


class Refused(ValueError):
    """The answer cannot be used, and why."""


class Overtaken(RuntimeError):
    """Somebody else has answered meanwhile, or the round was closed."""


def save_answer(store: Store, round_: RoundDocument, answer: Answer) -> None:
    """Keep an answer. Two people who answer the same revision do not overwrite each other: the second is told.

    Raises:
        Refused: there is no such image or suggestion, or ingest would set the image aside for one of its boxes.
        Overtaken: it is not the revision after the last one, or the round is closed.
    """
    _check(round_, answer)
    if store.exists(ReviewDocument.pointer_for(round_.collection, round_.key)):
        raise Overtaken(f"Round {round_.title} is closed; its images can be corrected in the batch that came of it.")
    last = read_answers(store, round_).get(answer.image)
    taken = answer.revision != (last.revision if last else 0) + 1
    path = f"{_folder(round_)}/{answer.image:04}-{answer.revision:06}.json"
    if taken or not store.create(path, answer.model_dump_json().encode()):
        who = f"{last.by} has answered" if last else "Somebody else is answering"
        raise Overtaken(f"{who} for image {answer.image + 1} meanwhile. Load the page again to see what was said.")


def read_answers(store: Store, round_: RoundDocument) -> dict[int, Answer]:
    """The last answer for each image that has one."""
    newest: dict[str, str] = {}
    for path in store.files(_folder(round_)):  # sorted, so the highest revision comes last
        newest[path.rpartition("/")[2].partition("-")[0]] = path
    answers = [Answer.model_validate_json(data) for data in store.read_many(list(newest.values()))]
    return {answer.image: answer for answer in answers}


def _folder(round_: RoundDocument) -> str:
    return f"{round_.collection}/labelling/answers/{round_.id}"


def _check(round_: RoundDocument, answer: Answer) -> None:
    """Hold the boxes against the rules by which ingest will."""
    if answer.image >= len(round_.images):
        raise Refused(f"Got image {answer.image}; the round has images 0 to {len(round_.images) - 1}.")
    if answer.boxes and answer.decision != "labelled":
        raise Refused(f"Got boxes with {answer.decision!r}; only an image that is labelled has boxes.")
    image = round_.images[answer.image]
    origins = [box.suggestion for box in answer.boxes if box.suggestion is not None]
    if len(set(origins)) < len(origins) or any(index >= len(image.suggestions) for index in origins):
        raise Refused("Each box may come of one of the image's suggestions, and each suggestion give one box.")
    classes = None if round_.any_class else frozenset(round_.classes)
    boxes, problems = check_boxes(annotation_of(image, answer.boxes), image.width, image.height, classes, Notes())
    if problems or boxes != tuple(box.box for box in answer.boxes):
        told = [f"{each.field}: {fault(each).message} ({each.value})" for each in problems]
        raise Refused("; ".join(told) or "A box reaches beyond its image. Draw it again.")
