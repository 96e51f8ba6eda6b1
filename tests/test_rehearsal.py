"""`make rehearse`, whole: trained here and on Vertex AI's stand-in by one Airflow, and compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from include.dataset.sample import write_sample
from include.documents import ComparisonDocument, DatasetDocument, ResultDocument, State
from include.laptop.leftovers import processes_of
from include.results import history_of
from include.store import Store
from tests.standins.clouds import BUCKET
from tests.standins.google.gcs import why_not
from tests.standins.rehearse import contains, holdout_hashes
from tests.test_main_job import PROJECT, SECONDS, TINY

COLLECTION = "digits"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of the rehearsal, and what it printed in ``output.txt``."""
    if why := why_not():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("rehearsal")
    write_sample(folder / COLLECTION, images=120)
    (folder / "tiny.json").write_text(json.dumps(TINY))
    arguments = ["--targets", "vertex", "--data", str(folder / COLLECTION), "--config", str(folder / "tiny.json")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.standins.rehearse", *arguments],
        cwd=PROJECT,
        env=os.environ | {"LANNER_HOME": str(folder), "CI": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder / "rehearsal"


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return Store(folder / "store")


def losses(store: Store, result: str) -> list[float]:
    """The losses that a training wrote down."""
    history = history_of(Path(str(store.path(store.get(ResultDocument, result).model or ""))))
    return [line["loss"] for line in history if "loss" in line]


def test_both_rows_are_there_and_agree(folder: Path, store: Store) -> None:
    """The same data, configuration and seed: one of them trained from what came out of the bucket."""
    found = store.newest(ComparisonDocument, COLLECTION, "all:1")
    assert found is not None
    rows = {row.target: row for row in found[1].rows}
    assert set(rows) == {"local", "vertex"}
    assert all(row.state is State.SUCCEEDED for row in rows.values())
    assert rows["vertex"].mAP == pytest.approx(rows["local"].mAP, abs=0.02)
    here, there = (losses(store, rows[target].result or "") for target in ("local", "vertex"))
    assert here
    assert there == pytest.approx(here, rel=0.01)
    assert rows["local"].cost == 0 < rows["vertex"].cost
    assert "Comparison on the hold-out" in (folder.parent / "output.txt").read_text()


def test_the_job_says_where_it_ran_and_what_it_cost(store: Store) -> None:
    found = store.newest(ResultDocument, COLLECTION, "all:1/vertex")
    assert found is not None
    result = found[1]
    assert result.job is not None
    assert result.job.startswith("rehearsal-vertex-")
    assert "/training/" in (result.console_url or "")
    assert result.training is not None
    assert result.training.steps == TINY["steps"]
    ledger = [json.loads(data) for data in store.read_many(store.files(f"{COLLECTION}/ledger"))]
    assert {entry["kind"] for entry in ledger} >= {"estimated", "final"}


def test_no_image_of_the_hold_out_was_sent(folder: Path, store: Store) -> None:
    dataset = store.newest(DatasetDocument, COLLECTION, "all")
    assert dataset is not None
    train = {image["sha256"] for image in json.loads(store.read(dataset[1].sides["train"].coco))["images"]}
    holdout = set(holdout_hashes(store, COLLECTION))
    sent = [file for file in (folder / "standins" / "gcs" / "objects" / BUCKET).rglob("*") if file.is_file()]
    assert holdout
    assert any(contains(file, train) for file in sent), "it would not be found if it were"
    assert not any(contains(file, holdout) for file in sent)


def test_nothing_is_left_running(folder: Path) -> None:
    assert processes_of(folder / "airflow") == []
    left = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert [command for command in left if str(folder) in " ".join(command or ())] == []
