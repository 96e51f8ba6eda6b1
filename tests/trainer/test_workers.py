"""Two workers of one training, as processes on this machine that find each other by ``TF_CONFIG``."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detector_trainer.checkpoints import read_checkpoint
from detector_trainer.training import train
from tests.trainer.two_workers import Workers, end, small

STEPS = 6


@pytest.fixture(scope="module")
def workers(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """After a training in which the worker, not the chief, got SIGTERM, and which then was started again."""
    folder = tmp_path_factory.mktemp("workers")
    workers = Workers(folder, small(folder, STEPS), data)
    processes = workers.start()
    try:
        workers.wait_for_checkpoint(processes)
        processes["worker"].send_signal(signal.SIGTERM)
        stopped = {kind: process.wait(120) for kind, process in processes.items()}
        assert stopped == {"chief": 75, "worker": 75}, workers.log()
        processes = workers.start()
        finished = {kind: process.wait(300) for kind, process in processes.items()}
        assert finished == {"chief": 0, "worker": 0}, workers.log()
        yield workers
    finally:
        end(processes)


def test_the_chief_alone_writes(workers: Workers) -> None:
    assert not (workers.folder / "worker").exists()
    names = {path.name for path in workers.output.iterdir()}
    assert names == {
        *("checkpoints", "saved_model", "tensorboard"),
        *("configuration.json", "label_map.pbtxt", "metrics.jsonl", "summary.json"),
    }
    assert json.loads((workers.output / "summary.json").read_text())["steps"] == STEPS
    lines = [json.loads(line) for line in (workers.output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, STEPS + 1))
    assert [line["step"] for line in lines if "validation_mAP" in line] == [3, 6]


def test_a_signal_to_one_stops_all_and_all_go_on(workers: Workers) -> None:
    for kind in ("chief", "worker"):
        assert "Going on from step" in (workers.folder / f"{kind}.log").read_text()


def test_they_end_with_the_same_weights(workers: Workers) -> None:
    """Each says the sum of its own at the end."""
    sums = [
        [
            line.rpartition(" ")[2]
            for line in (workers.folder / f"{kind}.log").read_text().splitlines()
            if "add up to" in line
        ]
        for kind in ("chief", "worker")
    ]
    assert len(sums[0]) == 1
    assert sums[0] == sums[1]


def test_two_workers_do_what_one_would(workers: Workers, tmp_path: Path) -> None:
    """The same batches, augmentation and mosaic included, and so the same losses but for rounding."""
    train(workers.configuration, workers.data, tmp_path)
    alone, together = (
        [
            line["loss"]
            for line in map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
            if "loss" in line
        ]
        for output in (tmp_path, workers.output)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    ours, theirs = (read_checkpoint(output, "last")["average"] for output in (workers.output, tmp_path))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
