"""Two workers of one training, as processes on this machine that find each other by ``TF_CONFIG``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from detector_trainer.checkpoints import checkpoint_path, read_checkpoint
from detector_trainer.configuration import Configuration
from detector_trainer.training import train

STEPS = 6


@dataclass
class Workers:
    """A chief and a worker, whose outputs are folders of their own."""

    folder: Path
    configuration: Configuration
    data: Path

    @property
    def output(self) -> Path:
        return self.folder / "chief"

    def start(self) -> dict[str, subprocess.Popen[str]]:
        path = self.folder / "given.json"
        self.configuration.write(path)
        sockets = [socket.socket() for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        for each in sockets:
            each.close()
        cluster = {"chief": addresses[:1], "worker": addresses[1:]}
        processes = {}
        for kind in cluster:
            arguments = ["--config", str(path), "--data", str(self.data), "--output", str(self.folder / kind)]
            if checkpoint_path(self.output, "last").is_file():
                arguments += ["--resume", str(self.output)]
            config = {"cluster": cluster, "task": {"type": kind, "index": 0}, "environment": "cloud"}
            processes[kind] = subprocess.Popen(
                [sys.executable, "-m", "detector_trainer", *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TF_CONFIG": json.dumps(config)},
                stdout=(self.folder / f"{kind}.log").open("a"),
                stderr=subprocess.STDOUT,
                text=True,
            )
        return processes

    def log(self) -> str:
        return "\n".join((self.folder / f"{kind}.log").read_text()[-3000:] for kind in ("chief", "worker"))


@pytest.fixture(scope="module")
def workers(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """After a training in which the worker, not the chief, got SIGTERM, and which then was started again."""
    import keras

    folder = tmp_path_factory.mktemp("workers")
    weights = folder / "backbone.weights.h5"
    keras.utils.set_random_seed(1)
    keras.applications.MobileNet((64, 64, 3), alpha=0.1, include_top=False, weights=None).save_weights(weights)
    # A frozen backbone, as after ImageNet: from scratch, rounding grows so fast that there is little to compare.
    configuration = Configuration(
        backbone="mobilenet_v1",
        input_size=64,
        width=0.1,
        weights=str(weights),
        freeze_below=13,
        finest_stride=16,
        steps=STEPS,
        minutes=60,
        batch_size=4,
        warmup_steps=2,
        evaluate_every=3,
        checkpoint_every=1,
        learning_rate=1e-3,
    )
    workers = Workers(folder, configuration, data)
    processes = workers.start()
    try:
        deadline = time.monotonic() + 300
        while not checkpoint_path(workers.output, "last").is_file():
            assert all(process.poll() is None for process in processes.values()), workers.log()
            assert time.monotonic() < deadline, workers.log()
            time.sleep(0.02)
        processes["worker"].send_signal(signal.SIGTERM)
        stopped = {kind: process.wait(120) for kind, process in processes.items()}
        assert stopped == {"chief": 75, "worker": 75}, workers.log()
        processes = workers.start()
        finished = {kind: process.wait(300) for kind, process in processes.items()}
        assert finished == {"chief": 0, "worker": 0}, workers.log()
        yield workers
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


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
