"""`make run`, whole: a real Airflow, a real training, real exports -- of a collection small enough for a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.dataset.sample import write_sample
from include.documents import (
    BatchDocument,
    ComparisonDocument,
    DatasetDocument,
    PlanDocument,
    Reason,
    ResultDocument,
    State,
)
from include.laptop.leftovers import processes_of
from include.planning import newest_plan
from include.store import Store

PROJECT = Path(__file__).resolve().parents[1]
TINY = {
    "input_size": 96,
    "width": 0.35,
    "weights": "none",
    "steps": 12,
    "batch_size": 8,
    "evaluate_every": 6,
    "checkpoint_every": 4,
    "augmentation": {"mirror": False},
}
SECONDS = 420  # for a whole cascade, on two busy cores


def make_run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make run` runs, without a terminal: it stops everything at the end."""
    return subprocess.run(
        [sys.executable, "-m", "include.laptop", *arguments],
        cwd=PROJECT,
        env=os.environ | {"LANNER_HOME": str(home / "state"), "LANNER_SETTINGS": str(home / "lanner.yaml"), "CI": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("main-job")
    write_sample(home / "digits pages", images=120)
    images = sorted((home / "digits pages").rglob("*.jpg"))
    images[0].write_bytes(images[0].read_bytes()[:500])  # truncated
    images[1].with_suffix(".xml").write_text("<annotation") if images[1].with_suffix(".xml").exists() else None
    (home / "tiny.json").write_text(json.dumps(TINY))
    return home


@pytest.fixture(scope="module")
def first(home: Path) -> subprocess.CompletedProcess[str]:
    return make_run(home, "--data", str(home / "digits pages"), "--config", str(home / "tiny.json"))


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return Store(home / "state" / "store")


def left_running(home: Path) -> list[str]:
    return [" ".join(process.cmdline()) for process in processes_of(home / "state" / "airflow")]


def test_ends_green_and_shows_its_results(first: subprocess.CompletedProcess[str], home: Path) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    for word in ("train_local.wait: success", "quarantined", "truncated_image", "mAP50", "tflite_int8", "report.html"):
        assert word in first.stdout, first.stdout
    assert re.search(r"training: step \d+ of 12, loss", first.stdout) or "train_local.submit: success" in first.stdout
    assert left_running(home) == []


def test_leaves_every_document(first: subprocess.CompletedProcess[str], store: Store) -> None:
    batch = store.newest(BatchDocument, "digits_pages", "all")
    dataset = store.newest(DatasetDocument, "digits_pages", "all")
    plan = store.newest(PlanDocument, "digits_pages", "all:1")
    result = store.newest(ResultDocument, "digits_pages", "all:1/local")
    comparison = store.newest(ComparisonDocument, "digits_pages", "all:1")
    assert batch and dataset and plan and result and comparison
    for count in (batch[1].images, batch[1].boxes):
        assert count.found == count.used + count.quarantined
    assert batch[1].images.found == 120
    assert batch[1].faults["truncated_image"] == 1
    assert sum(side.images for side in dataset[1].sides.values()) == batch[1].images.used - dataset[1].duplicates
    assert result[1].state is State.SUCCEEDED
    assert result[1].training is not None
    assert result[1].training.steps == TINY["steps"]
    assert [export.format for export in result[1].exports] == [
        "saved_model",
        "frozen_graph",
        "tflite_fp32",
        "tflite_fp16",
        "tflite_int8",
    ]
    for export in result[1].exports:
        assert store.exists(export.path)
    assert result[1].model_version == "digits_pages/1"
    assert result[1].report is not None
    assert store.read(result[1].report).lower().startswith(b"<!doctype html>")


def test_the_training_received_no_image_of_the_hold_out(
    first: subprocess.CompletedProcess[str], store: Store, home: Path
) -> None:
    found = store.newest(DatasetDocument, "digits_pages", "all")
    assert found is not None
    coco = json.loads(store.read(found[1].sides["holdout"].coco))
    hashes = [image["sha256"].encode() for image in coco["images"]]
    assert hashes
    sent = list((home / "state" / "jobs").rglob("*.tfrecord"))
    assert sent
    for shard in sent:
        content = shard.read_bytes()
        assert not any(hash_ in content for hash_ in hashes), shard


def test_a_second_run_trains_nothing_and_says_so(
    first: subprocess.CompletedProcess[str], home: Path, store: Store
) -> None:
    jobs = sorted((home / "state" / "jobs").iterdir())
    second = make_run(home, "--data", str(home / "digits pages"), "--config", str(home / "tiny.json"))
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Nothing was trained" in second.stdout
    assert "mAP50" in second.stdout, "the results of before are shown"
    assert sorted((home / "state" / "jobs").iterdir()) == jobs
    assert newest_plan(store, "digits_pages", "all")[0] == 1
    assert left_running(home) == []


def test_a_failed_training_is_told_with_its_reason(
    first: subprocess.CompletedProcess[str], home: Path, store: Store
) -> None:
    (home / "broken.weights.h5").write_bytes(b"no weights at all")
    failed = make_run(home, "--data", str(home / "digits pages"), "--weights", str(home / "broken.weights.h5"))
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "train_local failed" in failed.stdout
    assert "broken" in failed.stdout or "weights" in failed.stdout.partition("train_local failed")[2]
    result = store.newest(ResultDocument, "digits_pages", "all:2/local")
    assert result is not None
    assert (result[1].state, result[1].reason) == (State.FAILED, Reason.BAD_INPUT)
    assert left_running(home) == []


def test_wrong_data_is_answered_before_anything_starts(home: Path) -> None:
    refused = make_run(home, "--data", str(home / "nowhere"))
    assert refused.returncode == 2
    assert "nowhere cannot be used" in refused.stdout.replace("\n", "")
