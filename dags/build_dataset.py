"""
### Build: all batches of a collection up to a key become `dataset.json`

1. **wait_for_earlier** waits, without a worker slot, until every earlier batch that the source lists is ingested, so
   that the order in which backfilled ingests finish changes nothing.
2. **assign** gives each new image its side (train, validation, hold-out) and each new class its id. What was assigned
   before never changes.
3. **convert** writes the TFRecord shards that are not there yet, one mapped task each. For an unchanged image set
   that is none.
4. **publish** writes COCO JSON, label map and the document; `plan_training` starts by itself.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, task

from house.assets import DATASET, IMAGES, Partition
from house.defaults import Tag, dag_defaults
from house.waiting import WaitForDocuments
from include import settings

WAIT_HOURS = 24.0


@task
def earlier_batches(dag_run: Any) -> list[str]:
    """Where the documents of the earlier batches will be found."""
    from include.documents import BatchDocument
    from include.ingest import earlier_batches
    from include.labelling.labelled_batch import labelled_before

    partition = Partition.parse(dag_run.partition_key)
    current = settings.load()
    keys = earlier_batches(current.collection(partition.collection), partition.key)
    keys += labelled_before(current.open_store(), partition.collection, partition.key)
    return [BatchDocument.pointer_for(partition.collection, key) for key in keys]


@task(max_active_tis_per_dag=1)  # sides and class ids are handed out by one at a time
def assign(dag_run: Any) -> str:
    from include.dataset.build import plan_shards

    partition = Partition.parse(dag_run.partition_key)
    current = settings.load()
    collection = current.collection(partition.collection)
    return plan_shards(
        current.open_store(),
        collection=partition.collection,
        key=partition.key,
        shares=collection.shares.as_tuple(),
        classes=collection.classes,
    )


@task
def missing(shard_plan: str) -> list[int]:
    from include.dataset.build import missing_shards

    return missing_shards(settings.load().open_store(), shard_plan)


@task
def convert(shard: int, shard_plan: str) -> str:
    from include.dataset.build import convert_shard

    return convert_shard(settings.load().open_store(), shard_plan, shard)


@task(outlets=[DATASET], trigger_rule="none_failed")  # with nothing to convert the event must come all the same
def publish(shard_plan: str, outlet_events: Any) -> None:
    from include.dataset.build import publish_dataset

    outlet_events[DATASET].extra = {"document": publish_dataset(settings.load().open_store(), shard_plan)}


with DAG(
    "build_dataset",
    schedule=PartitionedAssetTimetable(assets=IMAGES),
    doc_md=__doc__,
    **dag_defaults(Tag.DATA),
):
    wait = WaitForDocuments(task_id="wait_for_earlier", paths=earlier_batches(), hours=WAIT_HOURS)
    shard_plan = assign()
    wait >> shard_plan
    converted = convert.partial(shard_plan=shard_plan).expand(shard=missing(shard_plan))
    converted >> publish(shard_plan)
