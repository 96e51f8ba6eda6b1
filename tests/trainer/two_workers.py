"""A chief and a worker of one training, as processes on this machine that find each other by ``TF_CONFIG``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from detector_trainer.checkpoints import checkpoint_path
from detector_trainer.configuration import Configuration


def small(folder: Path, steps: int) -> Configuration:
    """A network that two processes train in seconds, and starting weights for it in a folder.

    A frozen backbone, as after ImageNet: from scratch, rounding grows so fast that there is little to compare.
    """
    import keras

    weights = folder / "backbone.weights.h5"
    keras.utils.set_random_seed(1)
    keras.applications.MobileNet((64, 64, 3), alpha=0.1, include_top=False, weights=None).save_weights(weights)
    return Configuration(
        backbone="mobilenet_v1",
        input_size=64,
        width=0.1,
        weights=str(weights),
        freeze_below=13,
        finest_stride=16,
        steps=steps,
        minutes=60,
        batch_size=4,
        warmup_steps=2,
        evaluate_every=3,
        checkpoint_every=1,
        learning_rate=1e-3,
    )


@dataclass
class Workers:
    """A chief and a worker, whose outputs are folders of their own."""

    folder: Path
    configuration: Configuration
    data: Path

    @property
    def output(self) -> Path:
        return self.folder / "chief"

    def start(self, *kinds: str, **data: Path) -> dict[str, subprocess.Popen[str]]:
        """Start them, or those that are named.

        Args:
            data: by kind, of one that is to have another folder than ours, and then writes to the chief's output.
        """
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
        for kind in kinds or cluster:
            output = self.output if data else self.folder / kind
            arguments = ["--config", str(path), "--data", str(data.get(kind, self.data)), "--output", str(output)]
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

    def wait_for_checkpoint(self, processes: dict[str, subprocess.Popen[str]]) -> None:
        deadline = time.monotonic() + 300
        while not checkpoint_path(self.output, "last").is_file():
            assert all(process.poll() is None for process in processes.values()), self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def log(self) -> str:
        logs = [self.folder / f"{kind}.log" for kind in ("chief", "worker")]
        return "\n".join(log.read_text()[-3000:] for log in logs if log.exists())


def end(processes: dict[str, subprocess.Popen[str]]) -> None:
    for process in processes.values():
        process.kill()
        process.wait()
