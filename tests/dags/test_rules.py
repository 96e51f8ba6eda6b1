"""The rules of the house, held for every DAG. Each stands for a trap that cost somebody a job or a bill."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk import DAG, PartitionedAssetTimetable
from airflow.sdk.definitions.asset import Asset

PROJECT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((PROJECT / "dags").glob("*.py"))

SETTINGS = """\
google: {bucket: our-bucket}
collections:
  raccoon: {source: "images/{batch}", schedule: "0 0 * * *", start: "2026-11-01"}
  digits: {source: images, targets: {local: {}, vertex: {machines: [{preset: t4}]}, sagemaker_builtin: {}}}
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    settings = tmp_path_factory.mktemp("settings") / "lanner.yaml"
    settings.write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANNER_SETTINGS", str(settings))
        bag = DagBag(dag_folder=str(PROJECT / "dags"), bundle_path=PROJECT / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_the_pipelines_are_there(dags: dict[str, DAG]) -> None:
    assert set(dags) == {
        "ingest_images",
        "ingest_raccoon",  # it has a schedule; digits has none
        "build_dataset",
        "plan_training",
        "train_local",
        "train_vertex",
        "train_sagemaker_builtin",
        "compare_detectors",
        "setup_google",
        "export_model",
        "assist_labelling",
        "try_endpoint",
    }


def test_every_dag_says_what_it_does_and_whose_it_is(dags: dict[str, DAG]) -> None:
    for name, dag in dags.items():
        assert dag.doc_md, f"{name} has no doc_md"
        assert dag.tags, f"{name} has no tag"
        assert all(task.owner == "lanner" for task in dag.tasks), f"{name} has a task without the house's owner"


def test_every_field_of_a_form_has_a_title_and_help(dags: dict[str, DAG]) -> None:
    for name, dag in dags.items():
        for field, parameter in dag.params.items():
            schema = dag.params.get_param(field).schema
            assert schema.get("title"), f"{name}: field {field} has no title"
            assert schema.get("description_md"), f"{name}: field {field} has no help"
            assert "`" not in schema["description_md"], (
                f"{name}: {field}: the form's boxes around code hide other lines"
            )
            assert parameter is not None


def test_no_dag_has_a_dagrun_timeout(dags: dict[str, DAG]) -> None:
    """It skips teardowns, so a training would run on, billed and unwatched."""
    assert [name for name, dag in dags.items() if dag.dagrun_timeout is not None] == []


def test_nothing_waits_for_an_and_of_assets(dags: dict[str, DAG]) -> None:
    """A paused producer would leave keys pending for ever; enough of them stop every partitioned DAG."""
    for name, dag in dags.items():
        if isinstance(dag.timetable, PartitionedAssetTimetable):
            assert isinstance(dag.timetable.asset_condition, Asset), f"{name} waits for more than one asset"


def test_tasks_are_retried_by_reason(dags: dict[str, DAG]) -> None:
    for name, dag in dags.items():
        for task in dag.tasks:
            assert task.retries >= 3, f"{name}.{task.task_id}: each kill of a worker costs a retry"
            assert task.retry_policy is not None, f"{name}.{task.task_id}: a wrong password would be tried again"


def test_trainings_end_with_teardowns_that_always_run_and_count(dags: dict[str, DAG]) -> None:
    """``report`` stops what runs and says how it ended; ``verdict`` after it is the one leaf, and may fail the run."""
    for name, dag in dags.items():
        if name.startswith("train_"):
            report, verdict = dag.get_task("report"), dag.get_task("verdict")
            assert report.is_teardown and verdict.is_teardown
            assert verdict.on_failure_fail_dagrun
            assert [task.task_id for task in dag.tasks if not task.downstream_task_ids] == ["verdict"]
            work = {task.task_id for task in dag.tasks} - {"report", "verdict"}
            assert report.get_flat_relative_ids(upstream=True) == work


def test_an_endpoint_is_deleted_whatever_happened(dags: dict[str, DAG]) -> None:
    """``delete`` waits for all and is tied to no set-up task, without whose success Airflow would leave it out."""
    dag = dags["try_endpoint"]
    delete, verdict = dag.get_task("delete"), dag.get_task("verdict")
    assert delete.is_teardown and verdict.is_teardown and verdict.on_failure_fail_dagrun
    assert delete.get_flat_relative_ids(upstream=True) == {"set_aside", "create", "in_service", "ask"}
    assert not any(task.is_setup for task in dag.tasks)
    assert [task.task_id for task in dag.tasks if not task.downstream_task_ids] == ["verdict"]
    assert dag.max_active_runs == 1, "two would share one endpoint"


def test_the_event_comes_with_nothing_to_convert(dags: dict[str, DAG]) -> None:
    assert dags["build_dataset"].get_task("publish").trigger_rule == "none_failed"


def test_dags_survive_serialization(dags: dict[str, DAG]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in dags.values():
        DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


@pytest.mark.parametrize("file", DAG_FILES, ids=lambda file: file.name)
def test_dag_files_import_little(file: Path) -> None:
    """A DAG file is read every few seconds: cloud SDKs and TensorFlow belong into the functions that need them."""
    ours = {"house", "include", "labelling_jobs", "training_jobs", "training_services"}
    allowed = {"__future__", "datetime", "typing", "airflow"} | ours
    top = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    assert {module.split(".")[0] for module in modules} <= allowed
    assert {module for module in modules if module.startswith("airflow")} <= {"airflow.sdk", "airflow.sdk.exceptions"}


def test_reading_the_dags_imports_nothing_heavy() -> None:
    heavy = {"tensorflow", "keras", "mlflow", "sklearn", "pandas", "PIL", "boto3", "google.cloud.storage", "azure.core"}
    code = (
        "import runpy, sys\n"
        f"for file in {[str(file) for file in DAG_FILES]!r}: runpy.run_path(file)\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    path = os.pathsep.join(str(PROJECT / part) for part in ("", "plugins", "include/trainer/src"))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stdout + done.stderr
