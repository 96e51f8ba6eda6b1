"""
### Plan: is a new dataset worth training? If so `plan.json` says where and with what configuration

A plan asks for every target of the collection, with the presets of `lanner.yaml`. When the plan before says the same
and all its targets have succeeded there is nothing to do: the run ends, and no training starts.

To train again although nothing changed, trigger this DAG with the key and tick **Train again**.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

from house.assets import DATASET, PLAN, Partition
from house.defaults import Tag, dag_defaults
from include import settings


@task(outlets=[PLAN])
def plan(params: dict[str, Any], dag_run: Any, outlet_events: Any) -> None:
    from include.planning import plan_training

    partition = Partition.parse(dag_run.partition_key)
    current = settings.load()
    plan, needed = plan_training(
        current.open_store(),
        current.collection(partition.collection),
        partition.collection,
        partition.key,
        retrain=params["retrain"],
    )
    key = f"{plan.collection}:{plan.key}"
    if not needed:
        raise AirflowSkipException(f"Nothing to train: plan {key} says the same and has succeeded.")
    print(f"Plan {key}: {', '.join(target.target for target in plan.targets)} ({plan.reason}).")
    outlet_events[PLAN].add_partitions([key])
    outlet_events[PLAN].extra = {"document": plan.path}


with DAG(
    "plan_training",
    schedule=PartitionedAssetTimetable(assets=DATASET),
    doc_md=__doc__,
    params={
        "retrain": Param(
            False,
            type="boolean",
            title="Train again",
            description_md="Make new jobs although neither dataset nor configuration changed (a new *generation*). "
            "Of what, says **Partition Key** under *Advanced Options*: *collection:batch*, such as *digits:all*.",
        ),
    },
    **dag_defaults(Tag.TRAINING) | {"max_active_runs": 1},
):
    plan()
