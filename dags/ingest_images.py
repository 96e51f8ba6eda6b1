"""
### Ingest: one batch of annotated images becomes `batch.json`

Every image is decoded once, every annotation checked. What is unsound is set aside with its reason, and counted;
the rest is listed for `build_dataset`, which starts by itself when this run has ended.

- **`ingest_images`** takes any batch of any collection: press *Trigger* and say which.
- **`ingest_<collection>`** exists for each collection with a schedule in `lanner.yaml`; it takes a batch a day and
  can be backfilled (`airflow backfill create --dag-id ingest_<collection> --from-date … --to-date …`).

Running a batch again is harmless: the same images give the same document, and nothing is converted or trained twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, CronPartitionTimetable, Param, PartitionedAtRuntime, task

from house.assets import IMAGES, Partition
from house.defaults import Tag, dag_defaults
from house.form import batch_field
from house.ingesting import ingest, ingest_and_announce
from include import settings


@task(task_id="ingest", outlets=[IMAGES])
def ingest_announced(params: dict[str, Any], outlet_events: Any) -> None:
    ingest_and_announce(Partition(params["collection"], params["batch"]), outlet_events)


@task(task_id="ingest", outlets=[IMAGES])
def ingest_scheduled(dag_run: Any, outlet_events: Any) -> None:
    outlet_events[IMAGES].extra = {"document": ingest(Partition.parse(dag_run.partition_key))}


collections = settings.load().collections

with DAG(
    "ingest_images",
    schedule=PartitionedAtRuntime(),
    doc_md=__doc__,
    params={
        "collection": Param(
            next(iter(collections), "digits"),
            type="string",
            examples=sorted(collections),
            pattern="^[a-z][a-z0-9_]{0,39}$",
            title="Collection",
            description_md="One of the collections of *lanner.yaml*. A new one is added there; it needs no code.",
        ),
        "batch": batch_field(
            "The batch's key. It takes the place of *{batch}* in the collection's source, and batches are ordered by "
            "it. A collection that is a single folder has one batch; *all* is a good name for it."
        ),
    },
    **dag_defaults(Tag.DATA),
):
    ingest_announced()

for name, collection in collections.items():
    if collection.schedule:
        with DAG(
            f"ingest_{name}",
            schedule=CronPartitionTimetable(collection.schedule, timezone="UTC", key_format=f"{name}:%Y-%m-%d"),
            doc_md=__doc__,
            **dag_defaults(Tag.DATA) | {"start_date": datetime.fromisoformat(collection.start)},
        ):
            ingest_scheduled()
