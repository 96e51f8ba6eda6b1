"""The DAG ``setup_google`` through an Airflow connection, against a project on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from tests.checks.conftest import BUCKET, EUROPE_BUCKET, ID, TRAINER, sound
from tests.standins.google.setup import SERVICES, Project, key_file, serving

DAGS = Path(__file__).resolve().parents[2] / "dags"
FORM = {"create_bucket": False, "machine": "as in lanner.yaml", "spot": False}


def read_dags(lanner: Path, settings: str) -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    (lanner / "lanner.yaml").write_text(settings)
    bag = DagBag(dag_folder=str(DAGS / "setup_google.py"), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture
def project(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A sound project, and the connection to it."""
    project = sound()
    with serving(project) as url:
        extra = {
            "project": ID,
            "keyfile_dict": json.loads(key_file(lanner, url, ID).read_text()),
            "endpoints": dict.fromkeys(SERVICES, url),
        }
        connection = {"conn_type": "google_cloud_platform", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
        yield project


@pytest.fixture
def dag(lanner: Path) -> DAG:
    return read_dags(lanner, f"google: {{bucket: {BUCKET}, service_account: {TRAINER}}}")["setup_google"]


def run(dag: DAG, task: str, **form: Any) -> None:
    """One task of it, as Airflow calls it, with a form filled in."""
    dag.get_task(task).python_callable(params=FORM | form)  # type: ignore[attr-defined]


def test_it_is_there_only_for_those_who_use_google(lanner: Path) -> None:
    assert read_dags(lanner, "collections: {}") == {}


def test_a_sound_project_is_green(dag: DAG, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    run(dag, "check", machine="t4")
    assert "Nothing is missing." in capsys.readouterr().out
    with pytest.raises(AirflowSkipException):
        run(dag, "bucket")


def test_what_is_missing_makes_it_red_and_is_not_tried_again(
    dag: DAG, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.apis.remove("aiplatform.googleapis.com")
    project.quotas = dict.fromkeys(project.quotas, 0)
    with pytest.raises(ValueError, match="Not ready for trainings: API_DISABLED, QUOTA"):
        run(dag, "check")
    assert f"gcloud services enable aiplatform.googleapis.com --project={ID}" in capsys.readouterr().out


def test_the_bucket_is_made_once(dag: DAG, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.permissions.add("storage.buckets.create")
    project.buckets.clear()
    run(dag, "bucket", create_bucket=True)
    assert list(project.buckets) == [BUCKET]
    run(dag, "bucket", create_bucket=True)
    assert "nothing was made" in capsys.readouterr().out


def test_the_bucket_of_each_region_is_made(lanner: Path, project: Project) -> None:
    project.permissions.add("storage.buckets.create")
    dag = read_dags(lanner, f"google: {{bucket: {BUCKET}, buckets: {{europe-west4: {EUROPE_BUCKET}}}}}")["setup_google"]
    run(dag, "bucket", create_bucket=True)
    assert {name: each["location"] for name, each in project.buckets.items()} == {
        BUCKET: "US-CENTRAL1",
        EUROPE_BUCKET: "EUROPE-WEST4",
    }


def test_when_it_cannot_be_known_whether_there_is_a_bucket_none_is_made(dag: DAG, project: Project) -> None:
    project.permissions.remove("storage.buckets.get")
    project.permissions.add("storage.buckets.create")
    with pytest.raises(RuntimeError, match=f"the bucket gs://{BUCKET}: "):
        run(dag, "bucket", create_bucket=True)


def test_a_form_that_contradicts_itself(dag: DAG, project: Project) -> None:
    with pytest.raises(ValueError, match="Spot needs a machine"):
        run(dag, "check", spot=True)
