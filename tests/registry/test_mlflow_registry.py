from __future__ import annotations

import json
import shutil
import traceback
from pathlib import Path

import pytest

from include.documents import ExportResult, Metrics, ResultDocument, State
from include.laptop.environment import free_port
from include.registry.mlflow_registry import ALIAS, RegistryAway, connect, register
from tests.mlflow_server import mlflow_server

METRICS = Metrics(
    **dict.fromkeys(
        ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
        0.5,
    ),
    **dict.fromkeys(("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"), 0.6),
    per_class={"cat": 0.5},
    per_class50={"cat": 0.7},
)


def result(job: str = "lanner-local-1-a1", sha256: str = "aa" * 32, state: State = State.SUCCEEDED) -> ResultDocument:
    return ResultDocument(
        collection="pets",
        key="2026-11-20:1",
        target="local",
        plan="pets/documents/plan/1.json",
        dataset_id="dd" * 32,
        state=state,
        job=job,
        model="pets/models/1",
        exports=(
            ExportResult(
                format="saved_model",
                path="pets/models/1/saved_model",
                sha256=sha256,
                bytes=9,
                metrics=METRICS,
                latency_ms=4.0,
            ),
        ),
    )


@pytest.fixture(scope="module")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once: its migrations take seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def client(new_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(new_database, tmp_path / "mlflow.db")
    return connect(f"sqlite:///{tmp_path}/mlflow.db")


def registered(client, document: ResultDocument) -> str:
    return register(
        document,
        configuration={"input_size": 160, "augmentation": {"mirror": False}},
        history=[
            {"time": 1.0, "step": 1, "steps": 2, "loss": 3.0},
            {"time": 2.0, "step": 2, "steps": 2, "loss": 2.0},
            {"time": 2.5, "step": 2, "validation_mAP": 0.4, "best": True},
        ],
        store_root="file:///store",
        code_version="abc1234",
        tracking_uri=client.tracking_uri,
        registered_model="pets",
    )


def test_a_result_becomes_a_version_with_its_origin_and_a_run_with_its_curves(client):
    assert registered(client, result()) == "pets/1"

    version = client.get_model_version_by_alias("pets", ALIAS)
    assert version.source == "file:///store/pets/models/1"
    assert version.tags["lanner.dataset_id"] == "dd" * 32
    assert version.tags["lanner.code_version"] == "abc1234"
    assert version.tags["lanner.saved_model.sha256"] == "aa" * 32

    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"input_size": "160", "augmentation.mirror": "False"}
    assert run.data.metrics["saved_model/mAP"] == 0.5
    assert [m.value for m in client.get_metric_history(version.run_id, "training/loss")] == [3.0, 2.0]
    assert "training/best" not in run.data.metrics


def test_the_same_result_twice_is_one_version_and_one_run(client):
    assert registered(client, result()) == registered(client, result()) == "pets/1"
    (experiment,) = [e for e in client.search_experiments() if e.name == "pets"]
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_other_files_of_the_same_job_are_another_version_and_the_candidate_never_moves_back(client):
    registered(client, result())
    assert registered(client, result(sha256="bb" * 32)) == "pets/2"
    assert registered(client, result()) == "pets/1"
    assert int(client.get_model_version_by_alias("pets", ALIAS).version) == 2


def test_an_interrupted_registration_is_completed(client, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(type(client), "create_model_version", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registered(client, result())
    assert registered(client, result()) == "pets/1"
    (experiment,) = [e for e in client.search_experiments() if e.name == "pets"]
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_nothing_is_written_beside_the_database(client, tmp_path):
    registered(client, result())
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db"}


def test_a_server_takes_a_model_that_lies_in_a_folder(new_database: Path, tmp_path: Path) -> None:
    """A real server: it refuses a local path as a version's source unless it is one of the run's artifacts."""
    shutil.copyfile(new_database, tmp_path / "mlflow.db")
    with mlflow_server(tmp_path / "mlflow.db", free_port(18600)) as url:
        version = register(
            result(),
            configuration={},
            history=[],
            store_root=str(tmp_path / "store"),
            code_version="1",
            tracking_uri=url,
            registered_model="pets",
        )
    assert version == "pets/1"
    (where,) = (tmp_path / "store").rglob("where.json")
    assert json.loads(where.read_text())["model"] == f"{tmp_path}/store/pets/models/1"


def test_a_failed_result_is_refused(client):
    with pytest.raises(ValueError, match="FAILED"):
        registered(client, result(state=State.FAILED))


def test_without_an_answer_it_says_what_to_do_and_keeps_the_password(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RegistryAway, match=r"MLflow at http://127.0.0.1:9 does not answer .*clear this task") as caught:
        register(
            result(),
            configuration={},
            history=[],
            store_root="/store",
            code_version="1",
            tracking_uri="http://somebody:secret@127.0.0.1:9",
            registered_model="pets",
        )
    assert "secret" not in "".join(traceback.format_exception(caught.value)) + caplog.text
