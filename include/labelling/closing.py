"""The end of a round: what was said is frozen as the review, and becomes a batch."""

from __future__ import annotations

from include.labelling.answers import read_answers
from include.labelling.documents import Answer, BoxTally, Pool, ReviewDocument, ReviewedImage, RoundDocument, tally
from include.labelling.labelled_batch import write_labelled_batch
from include.store import Store

UNDECIDED = Answer(image=0, revision=1, decision="undecided", by="")


def close_round(store: Store, round_: RoundDocument, *, by: str, stop: bool) -> ReviewDocument:
    """Freeze the answers of a round and write the batch that comes of them. What is undecided goes back to the pool.

    Can be run again: a round that is closed stays as it is, and its batch is completed.

    Args:
        by: who closed it; empty: nobody did, in time.
        stop: no further round is wanted.
    """
    found = store.newest(ReviewDocument, round_.collection, round_.key)
    review = found[1] if found else _review(store, round_, by, stop)
    if found is None:
        store.put(review)
    write_labelled_batch(store, round_, review)
    return review


def _review(store: Store, round_: RoundDocument, by: str, stop: bool) -> ReviewDocument:
    answers = read_answers(store, round_)
    said = [answers.get(index, UNDECIDED) for index in range(len(round_.images))]
    pairs = list(zip(round_.images, said, strict=True))
    labelled = sum(answer.decision == "labelled" for answer in said)
    skipped = sum(answer.decision == "skipped" for answer in said)
    before = round_.pool
    return ReviewDocument(
        collection=round_.collection,
        key=round_.key,
        round=round_.path,
        images=tuple(
            ReviewedImage(
                sha256=image.sha256, file=image.file, decision=answer.decision, boxes=answer.boxes, by=answer.by
            )
            for image, answer in pairs
        ),
        pool=Pool(
            found=before.found,
            labelled=before.labelled + labelled,
            skipped=before.skipped + skipped,
            set_aside=before.set_aside,
            left=before.left - labelled - skipped,
        ),
        boxes=sum(
            (tally(image, answer.boxes) for image, answer in pairs if answer.decision == "labelled"), start=BoxTally()
        ),
        batch=round_.labelled_batch if labelled else None,
        stop=stop,
        by=by,
    )
