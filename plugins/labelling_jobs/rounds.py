"""A round of labelling as tasks of Airflow: from the form to the question, from the answer to what comes next."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from house.addresses import framed
from include.documents import ComparisonDocument
from include.settings import Settings
from labelling_jobs.labellers import NOBODY, open_labeller

if TYPE_CHECKING:
    from include.labelling.documents import ReviewDocument, RoundDocument

DAG = "assist_labelling"


@dataclass(frozen=True)
class OpenRound:
    """A round as its tasks hand it on."""

    collection: str
    path: str  # of its document
    subject: str  # for Airflow's list of required actions; ends with the round's title, by which the page finds it
    body: str  # Markdown


@dataclass(frozen=True)
class ClosedRound:
    """What came of a round."""

    collection: str
    batch: str | None  # that came of it
    wait_for: tuple[str, ...]  # documents that say that a model was trained on it
    wait_hours: float
    next_run: str | None  # id of the run that labels on; None: done


def open_next(settings: Settings, params: dict[str, Any]) -> dict[str, Any]:
    """The round that a person is to review next. Skips the run when there is nothing left of the batch."""
    from include.labelling.next_round import next_round

    collection = params["collection"]
    with open_labeller(settings, collection, params["batch"]) as labeller:
        found = next_round(
            settings.open_store(),
            settings.collection(collection),
            collection,
            params["batch"],
            labeller,
            images=params["images"],
        )
    if found is None:
        raise AirflowSkipException(f"No image of {collection}:{params['batch']} is left to decide about.")
    print(describe(found))
    subject = f"Label {len(found.images)} images: {found.title}"
    return asdict(OpenRound(collection, found.path, subject, question(found)))


def close(settings: Settings, params: dict[str, Any], round_: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Freeze what the person said, write the batch, and say what comes next.

    Args:
        answer: of ``ReviewRound``.
    """
    from include.labelling.closing import close_round
    from include.labelling.documents import RoundDocument

    store = settings.open_store()
    opened = store.get(RoundDocument, round_["path"])
    review = close_round(store, opened, by=answer["by"], stop=answer["stop"])
    why_done = done(review, params["target"])
    print(summary(review), why_done or "Another round follows.", sep="\n")
    trains = review.batch is not None and params["wait_for_model"] and not why_done
    waits = (ComparisonDocument.pointer_for(opened.collection, f"{review.batch}:1"),) if trains else ()
    following = f"labelling__{opened.collection}__{opened.batch}__{opened.number + 1}"
    hours = settings.collection(opened.collection).deadline_hours
    return asdict(ClosedRound(opened.collection, review.batch, waits, hours, None if why_done else following))


def start_next(params: dict[str, Any], closed: dict[str, Any]) -> None:
    """Start the run of the next round, once; skips when labelling is done."""
    if closed["next_run"] is None:
        raise AirflowSkipException("Labelling is done; the log of close says why.")
    raise DagRunTriggerException(
        trigger_dag_id=DAG,
        dag_run_id=closed["next_run"],
        conf=dict(params),
        reset_dag_run=False,
        skip_when_already_exists=True,  # a retry of this task: it was started
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=0,
        deferrable=False,
    )


def done(review: ReviewDocument, target: int) -> str:
    """Why no further round is wanted; empty: one is."""
    if review.stop:
        return f"Done: {review.by or 'nobody answered in time, so the run'} said that it is enough."
    if not review.pool.left:
        return "Done: no image is left to decide about."
    if target and review.pool.labelled >= target:
        return f"Done: {review.pool.labelled} images are labelled; {target} were wanted."
    return ""


def describe(round_: RoundDocument) -> str:
    boxes = sum(len(image.suggestions) for image in round_.images)
    suggested = (
        "no boxes suggested yet" if round_.labeller == NOBODY else f"{boxes} boxes suggested by {round_.labeller}"
    )
    pool = round_.pool
    return (
        f"Round {round_.title}: {len(round_.images)} images, {suggested}. Of "
        f"{pool.found} images without annotation {pool.labelled} are labelled, {pool.skipped} skipped, "
        f"{pool.set_aside} set aside; {pool.left} wait."
    )


def question(round_: RoundDocument) -> str:
    """What Airflow shows with the required action."""
    link = framed("labelling", f"/labelling/?round={quote(round_.title, safe='')}")
    return (
        f"[**Open the labelling page**]({link}) to accept, correct and draw boxes. Finishing the round there answers "
        "this question, too. Answered here, what is decided so far is taken, and the other images wait for another "
        f"round.\n\n{escaped(describe(round_))}"
    )


def summary(review: ReviewDocument) -> str:
    pool, boxes = review.pool, review.boxes
    share = boxes.accepted_share
    return (
        f"Closed by {review.by or 'nobody'}: of {pool.found} images without annotation {pool.labelled} are labelled, "
        f"{pool.skipped} skipped, {pool.set_aside} set aside; {pool.left} wait.\n"
        f"Boxes of this round: {boxes.accepted} accepted unchanged"
        + (f" ({share:.0%} of those suggested)" if share is not None else "")
        + f", {boxes.corrected} corrected, {boxes.rejected} rejected, {boxes.drawn} drawn."
    )


def escaped(text: str) -> str:
    """Text in which Markdown finds no markup: parts of it are names that others chose."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&-])", r"\\\1", text)
