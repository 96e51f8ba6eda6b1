"""Runs the trainer in a container of SageMaker: where things are there, and what SageMaker takes away.

It is started by a script beside the package in AWS's TensorFlow container ("script mode"), or as
``python -m detector_trainer.sagemaker`` in a container of one's own. The environment variables ``SM_…`` are those of
AWS's container; in another the same is read from files.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html

The channels: ``train`` and ``validation`` (shards), ``job`` (configuration.json, label_map.pbtxt), ``weights`` (a file
that the configuration names), ``earlier`` (the output of an attempt before). The trainer's output is the folder of
checkpoints, which SageMaker copies to the bucket as it is written, and back after an interruption; at the end what a
model needs of it becomes ``model.tar.gz``.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from detector_trainer import cli

BASE, BASE_VARIABLE = "/opt/ml", "SAGEMAKER_BASE_DIR"  # as AWS's own toolkit reads it
CHANNEL = "SM_CHANNEL_"
SIDES = ("train", "validation")
PORT = 2222  # of the workers of a job, for one another
FAILURE_CHARACTERS = 1024  # the most that SageMaker shows
NOT_OF_THE_MODEL = shutil.ignore_patterns("last", "tensorboard", "*.part", "failure.json")


@dataclass(frozen=True)
class Container:
    """What SageMaker shows a training.

    Attributes:
        channels: folder by name.
        checkpoints: is copied to the bucket as it is written.
        model: becomes ``model.tar.gz``.
        failure: what is written there is shown with a failed job.
        hosts: names of the machines of the job, in order.
        host: this one.
        addresses: by host, where the names are none: in a rehearsal.
    """

    channels: Mapping[str, Path]
    checkpoints: Path
    model: Path
    failure: Path
    hosts: Sequence[str]
    host: str
    addresses: Mapping[str, str]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Container:
        base = Path(environment.get(BASE_VARIABLE, BASE))
        resources = _read_json(base / "input" / "config" / "resourceconfig.json")
        host = environment.get("SM_CURRENT_HOST") or resources.get("current_host", "algo-1")
        hosts = json.loads(environment.get("SM_HOSTS", "[]")) or resources.get("hosts", [host])
        channels = {path.name: path for path in sorted((base / "input" / "data").glob("*")) if path.is_dir()}
        named = {
            name.removeprefix(CHANNEL).lower(): Path(path)
            for name, path in environment.items()
            if name.startswith(CHANNEL)
        }
        return cls(
            channels=channels | named,
            checkpoints=base / "checkpoints",
            model=Path(environment.get("SM_MODEL_DIR") or base / "model"),
            failure=base / "output" / "failure",
            hosts=sorted(hosts),
            host=host,
            addresses=json.loads(environment.get("SM_HOST_ADDRESSES", "{}")),
        )

    @property
    def is_first(self) -> bool:
        """Whether it is this machine that writes."""
        return self.host == self.hosts[0]

    def arguments(self, scratch: Path) -> list[str]:
        """The trainer's command line; what it reads is put together in a folder.

        Raises:
            KeyError: a channel is missing.
        """
        data = scratch / "data"
        data.mkdir(parents=True)
        for side in SIDES:
            (data / side).symlink_to(self.channels[side])
        (data / "label_map.pbtxt").symlink_to(self.channels["job"] / "label_map.pbtxt")
        configuration = json.loads((self.channels["job"] / "configuration.json").read_text(encoding="utf-8"))
        if "weights" in self.channels:
            configuration["weights"] = str(self.channels["weights"] / configuration["weights"])
        (scratch / "configuration.json").write_text(json.dumps(configuration), encoding="utf-8")
        arguments = ["--config", str(scratch / "configuration.json"), "--data", str(data)]
        arguments += ["--output", str(self.checkpoints)]
        if "earlier" in self.channels:
            arguments += ["--resume", str(self.channels["earlier"])]
        return arguments

    def tf_config(self) -> str:
        """``TF_CONFIG`` of this machine, where there are several: all are workers, and the first of them writes."""
        addresses = [self.addresses.get(host, f"{host}:{PORT}") for host in self.hosts]
        task = {"type": "worker", "index": list(self.hosts).index(self.host)}
        return json.dumps({"cluster": {"worker": addresses}, "task": task})

    def hand_over(self) -> None:
        """Put what a model needs of the output where SageMaker packs it."""
        shutil.copytree(self.checkpoints, self.model, dirs_exist_ok=True, ignore=NOT_OF_THE_MODEL)

    def tell_failure(self, code: int) -> None:
        """Say why it failed where SageMaker looks for it."""
        said = _read_json(self.checkpoints / "failure.json")
        words = f"{said['reason']}: {said['message']}" if said else "The trainer failed; its log says why."
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(f"{words}\nExitCode {code}"[:FAILURE_CHARACTERS], encoding="utf-8")


def main() -> int:
    """Train as SageMaker asks. Returns the trainer's exit code."""
    container = Container.read(os.environ)
    if len(container.hosts) > 1:
        os.environ.setdefault("TF_CONFIG", container.tf_config())
    with tempfile.TemporaryDirectory() as scratch:
        code = cli.main(container.arguments(Path(scratch)))
    if container.is_first:
        if code == cli.DONE:
            container.hand_over()
        else:
            container.tell_failure(code)
    return code


def run() -> NoReturn:
    """Train as SageMaker asks, and end the process with the trainer's exit code."""
    cli.leave(main())


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


if __name__ == "__main__":
    run()
