"""
### Train: one DAG for each target, all alike, so that their results stay comparable

`check · submit` finds or submits the job: the same data and configuration are never trained twice.
`wait` costs no worker slot and shows the trainer's log; a job that its service lost goes on from its checkpoint.
`collect · export · score` fetch the model, export it in five formats, and score each on the hold-out. A model that runs
only in its cloud is not exported: the cloud answers for the hold-out's images, and is scored by that.
`register` puts it into MLflow. **`report` always runs**: it stops a job that this run submitted and that still runs,
and writes `result.json`. `verdict` makes the run red unless that says SUCCEEDED.

A target has its DAG as soon as a collection of `lanner.yaml` names it.

To stop a training, mark the run as failed. Clearing a task does not stop it: the job is found again.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, PartitionedAssetTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

from house.assets import PLAN, Partition, result_of
from house.defaults import Tag, dag_defaults
from include import settings
from training_jobs.operators import SubmitTraining, WaitForTraining
from training_jobs.targets import targets_in_use


@task
def read_plan(target: str, dag_run: Any) -> dict[str, Any]:
    """What the plan asks of this target: a training job, and where its plan and dataset are."""
    from training_jobs.planned import planned_job

    job = planned_job(settings.load(), Partition.parse(dag_run.partition_key), target, owner=dag_run.run_id)
    if job is None:
        raise AirflowSkipException(f"The plan does not ask for {target}.")
    return job


@task
def collect(ended: dict[str, Any]) -> str:
    """Fetch the trained model into the store. Returns the job's name."""
    from training_jobs.planned import collect_model

    return collect_model(settings.load().open_store(), ended["job"])


@task
def export(ended: dict[str, Any], dag_run: Any) -> None:
    from training_jobs.predicting import export_or_predict

    current = settings.load()
    _, dataset = Partition.parse(dag_run.partition_key).documents(current.open_store())
    for name, path in export_or_predict(current, dataset, ended["job"]).items():
        print(f"{name}: {path}")


@task
def score(job: str, target: str, dag_run: Any) -> str:
    from include.results import score_model

    current = settings.load()
    partition = Partition.parse(dag_run.partition_key)
    plan, dataset = partition.documents(current.open_store())
    thresholds = current.collection(partition.collection).thresholds
    return score_model(current.open_store(), plan, dataset, job, target, thresholds)


@task
def register(job: str, scores: str, target: str, dag_run: Any) -> str:
    from house.code import code_version
    from include.documents import State
    from include.results import assemble, register_model

    current = settings.load()
    plan, _ = Partition.parse(dag_run.partition_key).documents(current.open_store())
    result = assemble(current.open_store(), plan, target, scores=scores, state=State.SUCCEEDED, job=job)
    return register_model(current.open_store(), result, tracking_uri=current.mlflow_uri, code_version=code_version())


@task(retries=10)
def verdict(job: dict[str, Any] | None, target: str, dag_run: Any) -> None:
    """The leaf by which Airflow judges the run: red unless the result says SUCCEEDED.

    A teardown, because a run that is marked as failed skips everything else, and one that may fail the run, because
    the report alone would turn such a run green.
    """
    from training_jobs.planned import require_success

    if job is None:
        raise AirflowSkipException("Nothing was asked of this target.")
    require_success(settings.load().open_store(), Partition.parse(dag_run.partition_key), target)


for target in targets_in_use(settings.load()):
    with DAG(
        f"train_{target}",
        schedule=PartitionedAssetTimetable(assets=PLAN),
        doc_md=__doc__,
        **dag_defaults(Tag.TRAINING),
    ):

        @task(outlets=[result_of(target)], retries=10)
        def report(
            job: dict[str, Any] | None,
            scores: str | None,
            model_version: str | None,
            target: str,
            dag_run: Any,
            ti: Any,
            outlet_events: Any,
        ) -> None:
            """Stop what this run left running, then say how it ended."""
            from training_jobs.planned import conclude

            if job is None:
                raise AirflowSkipException("Nothing was asked of this target.")
            failure = ti.xcom_pull(task_ids=["submit", "wait"], key="failure")
            partition = Partition.parse(dag_run.partition_key)
            result = conclude(settings.load().open_store(), partition, target, job, failure, scores, model_version)
            outlet_events[result_of(target)].add_partitions([str(partition)])
            outlet_events[result_of(target)].extra = {"document": result.path}
            print(f"{result.state}: {result.message or result.path}")

        job = read_plan(target)
        submitted = SubmitTraining(task_id="submit", job=job)
        ended = WaitForTraining(task_id="wait", submitted=submitted.output)
        name = collect(ended.output)
        exported = export(ended.output)
        scores = score(name, target)
        name >> exported >> scores
        version = register(name, scores, target)
        reported = report(job, scores, version, target).as_teardown()
        version >> reported >> verdict(job, target).as_teardown(on_failure_fail_dagrun=True)
