"""The DAG ``export_model``: a checkpoint becomes files, whatever became of its run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airflow.sdk import DAG

from include import settings
from include.documents import DatasetDocument
from include.store import Store
from tests.export.conftest import Toy
from tests.training_services import counting_trainer
from training_jobs.exporting import export_checkpoint

DAGS = Path(__file__).resolve().parents[2] / "dags"


@pytest.fixture
def store(lanner: Path) -> Store:
    (lanner / "lanner.yaml").write_text("collections: {toy: {source: images}}")
    return settings.load().open_store()


@pytest.fixture
def job(store: Store, toy: Toy) -> str:
    """A job that was cancelled: its folder is there, its model is not in the store."""
    dataset = store.get(DatasetDocument, counting_trainer.dataset(store))
    store.write(dataset.sides["train"].shards[0].path, toy.train_shards[0].read_bytes())
    name = f"lanner-local-{dataset.id[:8]}-12345678-g1-a1"
    shutil.copytree(toy.trained, settings.load().jobs / name / "output")
    return name


def read_dags() -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS / "export_model.py"), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_a_checkpoint_becomes_five_files(job: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    task = read_dags()["export_model"].get_task("export")
    task.python_callable(params={"collection": "toy", "job": job})  # type: ignore[attr-defined]
    paths = [
        line.partition(": ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith(("tf", "s", "f"))
    ]
    assert len([path for path in paths if path.startswith(f"toy/models/{job}/exports/")]) == 5
    assert all(store.exists(path) for path in paths if path.startswith("toy/"))


def test_without_a_collection_there_is_no_such_dag(lanner: Path) -> None:
    assert read_dags() == {}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("my model", "is no job's name"),
        ("lanner-local-00000000-12345678-g1-a1", "has no dataset 00000000…"),
        ("lanner-mars-{dataset}-12345678-g1-a1", "no such target"),
        ("lanner-local-{dataset}-12345678-g1-a7", "has no checkpoints/best"),
    ],
)
def test_what_cannot_be_exported_is_answered(job: str, wrong: str, why: str) -> None:
    name = wrong.format(dataset=job.split("-")[2])
    with pytest.raises(ValueError, match=why):
        export_checkpoint(settings.load(), "toy", name)
