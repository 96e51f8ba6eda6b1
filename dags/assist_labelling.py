"""
### Label: a batch without annotations is labelled in rounds, with suggestions

1. **choose** picks the images of the batch that are worth a person's time, those of which the labeller is unsure and
   that differ from one another, and asks the labeller (the collection's newest model, or Custom Vision) for boxes.
2. **review** waits for a person, without a worker slot. Press **Labelling** in the menu on the left, or follow the link
   in *Required Actions*. Boxes are accepted, corrected, drawn; images may be skipped.
3. **close** writes what was labelled as a batch of its own, **ingest** takes it like any other, and a training starts
   by itself.
4. **wait_for_model** waits until that training has ended, and **next_round** starts the run of the next round, with
   suggestions of the new model: until no image is left, enough are labelled, or the person says that it is enough.

Nothing is lost: every image without an annotation is labelled, skipped, set aside with its reason, or waits. A round
that was begun is found again, with all answers, by the next run for its batch. docs/labelling.md says more.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, PartitionedAtRuntime, task
from airflow.sdk.exceptions import AirflowSkipException

from house.assets import IMAGES, Partition
from house.defaults import Tag, dag_defaults
from house.form import batch_field, collection_field
from house.ingesting import ingest_and_announce
from house.waiting import WaitForDocuments
from include import settings
from labelling_jobs.operators import ReviewRound


@task
def choose(params: dict[str, Any]) -> dict[str, Any]:
    from labelling_jobs.rounds import open_next

    return open_next(settings.load(), params)


@task
def close(round_: dict[str, Any], answer: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    from labelling_jobs.rounds import close

    return close(settings.load(), params, round_, answer)


@task(outlets=[IMAGES])
def ingest(closed: dict[str, Any], outlet_events: Any) -> None:
    if closed["batch"] is None:
        raise AirflowSkipException("No image was labelled in this round.")
    ingest_and_announce(Partition(closed["collection"], closed["batch"]), outlet_events)


@task
def next_round(closed: dict[str, Any], params: dict[str, Any]) -> None:
    from labelling_jobs.rounds import start_next

    start_next(params, closed)


if collections := sorted(settings.load().collections):
    with DAG(
        "assist_labelling",
        schedule=PartitionedAtRuntime(),
        doc_md=__doc__,
        params={
            "collection": collection_field(collections, "Which detection problem the images belong to."),
            "batch": batch_field(
                "The key of the batch whose images without an annotation are to be labelled. It takes the place of "
                "*{batch}* in the source."
            ),
            "images": Param(
                0,
                type="integer",
                minimum=0,
                maximum=200,
                title="Images in a round",
                description_md="0: as *lanner.yaml* says, 20 if it says nothing.",
            ),
            "target": Param(
                100,
                type="integer",
                minimum=0,
                title="Enough",
                description_md="No further round when so many images of the batch are labelled. 0: go on until none "
                "is left.",
            ),
            "wait_for_model": Param(
                True,
                type="boolean",
                title="Wait for the new model",
                description_md="The next round begins when the training on this one has ended, so that its "
                "suggestions are better. Otherwise it begins at once.",
            ),
        },
        **dag_defaults(Tag.LABELLING),
    ):
        round_ = choose()
        answer = ReviewRound(task_id="review", round_=round_)
        closed = close(round_, answer.output)
        wait = WaitForDocuments(
            task_id="wait_for_model",
            paths=closed["wait_for"],
            hours=closed["wait_hours"],
            fail=False,
            trigger_rule="none_failed_min_one_success",
        )
        ingest(closed) >> wait >> next_round.override(trigger_rule="none_failed_min_one_success")(closed)
