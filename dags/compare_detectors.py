"""
### Compare: all results of one plan side by side

Starts with the trainings and waits, without a worker slot, until every target that the plan asks for has reported or
the plan's deadline has passed; then it goes on with those present, the rest marked as "no report". All were scored on
the same hold-out. The comparison proposes the one with the best mAP among those whose SavedModel passed the gate.
Custom Vision and SageMaker's built-in detector train models of their own kind, and the log of `compare` says so.

A target that succeeds later is compared by triggering this DAG again with the plan's key.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, task

from house.assets import COMPARISON, PLAN, Partition
from house.defaults import Tag, dag_defaults
from house.waiting import WaitForDocuments
from include import settings


@task(multiple_outputs=True)
def expected(dag_run: Any) -> dict[str, Any]:
    """Where the results of this plan will be found, and how long to wait for them."""
    from include.documents import ResultDocument

    partition = Partition.parse(dag_run.partition_key)
    plan, _ = partition.documents(settings.load().open_store())
    pointers = [ResultDocument.pointer_for(plan.collection, f"{plan.key}/{entry.target}") for entry in plan.targets]
    return {"paths": pointers, "hours": plan.deadline_hours}


@task(outlets=[COMPARISON])
def compare(dag_run: Any, outlet_events: Any) -> None:
    from include.scoring.comparison import compare_results
    from include.training_program import other_models

    store = settings.load().open_store()
    plan, _ = Partition.parse(dag_run.partition_key).documents(store)
    comparison = compare_results(store, plan)
    print(f"Proposal: {comparison.proposal or 'none'} ({comparison.why})")
    for line in other_models(row.target for row in comparison.rows):
        print(line)
    outlet_events[COMPARISON].extra = {"document": comparison.path}


with DAG(
    "compare_detectors",
    schedule=PartitionedAssetTimetable(assets=PLAN),
    doc_md=__doc__,
    **dag_defaults(Tag.COMPARISON),
):
    results = expected()
    WaitForDocuments(task_id="wait", paths=results["paths"], hours=results["hours"], fail=False) >> compare()
