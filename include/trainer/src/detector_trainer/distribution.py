"""On what a training spreads, by what it finds: one device, several GPUs, several workers, or a TPU.

Read from the environment: ``TF_CONFIG``, which Vertex AI, Kubeflow and others set for a job of several machines
(https://www.tensorflow.org/guide/distributed_training#TF_CONFIG,
https://cloud.google.com/vertex-ai/docs/training/distributed-training), and ``TPU_NAME`` or
``KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS``, which name a TPU over the network. Importing this needs no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from detector_trainer.errors import BadInput

TRAINING_TASKS = ("chief", "worker")
EVALUATOR = "evaluator"
OTHER_TASKS = ("ps", EVALUATOR)  # of a cluster; neither takes part in training
LOCAL = "local"  # a TPU of this machine itself

_TPU_DEVICES = ("/dev/accel0", "/dev/vfio/0")
_TPU_LIBRARIES = ("/lib/libtpu.so", "/usr/lib/libtpu.so")


@dataclass(frozen=True)
class Task:
    """What this process is in a job of several machines; the only one, where there is no ``TF_CONFIG``.

    Attributes:
        kind: "chief", "worker", "ps" or "evaluator".
        index: among those of its kind.
        cluster: addresses of the training tasks by their kind, in TensorFlow's order; empty: this is the only one.
    """

    kind: str = "chief"
    index: int = 0
    cluster: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """How many processes train together, the chief among them."""
        return max(1, sum(len(addresses) for addresses in self.cluster.values()))

    @property
    def number(self) -> int:
        """Of this one among them, from 0."""
        return self.index + (len(self.cluster.get("chief", [])) if self.kind == "worker" else 0)

    @property
    def is_chief(self) -> bool:
        """Whether it is this process that writes: the chief, or the first worker where none is named so."""
        return self.kind in TRAINING_TASKS and self.number == 0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Task:
        """From ``TF_CONFIG``.

        Raises:
            BadInput: it is there, and no such description or not of this process.
        """
        text = environment.get("TF_CONFIG", "").strip()
        if not text:
            return cls()
        try:
            described = json.loads(text)
            cluster, task = described.get("cluster") or {}, described.get("task") or {}
            kind, index = str(task.get("type", "chief")), int(task.get("index", 0))
            addresses = {name: list(cluster.get(name, [])) for name in (*TRAINING_TASKS, *OTHER_TASKS)}
        except (AttributeError, TypeError, ValueError) as error:
            raise _not_understood(text, "expected JSON with cluster and task") from error
        if kind not in addresses:
            raise _not_understood(text, f"its task is {kind!r}; expected {', '.join(addresses)}")
        training = {name: addresses[name] for name in TRAINING_TASKS if addresses[name]}
        if kind in training and not 0 <= index < len(training[kind]):
            raise _not_understood(text, f"there is no {kind} {index} in its cluster")
        if kind in TRAINING_TASKS and training and kind not in training:
            raise _not_understood(text, f"there is no {kind} in its cluster")
        if len(training.get("chief", [])) > 1:
            raise _not_understood(text, "its cluster has more than one chief")
        return cls(kind, index, training)


@dataclass(frozen=True)
class Found:
    """What a training will run on.

    Attributes:
        strategy: of ``tf.distribute``; "default" is TensorFlow without any.
        task: this process among those that train together.
        tpu: the TPU's name for the resolver; "local": of this machine; None: as the environment says.
    """

    strategy: Literal["default", "mirrored", "workers", "tpu"]
    task: Task = field(default_factory=Task)
    tpu: str | None = None


def choose(environment: Mapping[str, str], *, gpus: int, has_tpu: bool) -> Found:
    """The strategy for what there is. The first that applies: TPU, several workers, several GPUs, one device.

    Args:
        gpus: visible to this process.
        has_tpu: this machine has a TPU itself, see ``has_local_tpu``.

    Raises:
        BadInput: ``TF_CONFIG`` cannot be understood, or this process is none that trains.
    """
    task = Task.read(environment)
    if task.kind not in TRAINING_TASKS:
        raise BadInput(
            f"TF_CONFIG: this process is {task.kind!r}, which takes no part in training, and the trainer has no "
            "parameter servers: its workers agree among themselves. Ask for a chief, workers and an evaluator alone."
        )
    if environment.get("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"):
        return Found("tpu", task)
    if has_tpu or environment.get("TPU_NAME"):
        return Found("tpu", task, environment.get("TPU_NAME") or LOCAL)
    if task.workers > 1:
        return Found("workers", task)
    return Found("mirrored" if gpus > 1 else "default", task)


def has_local_tpu(environment: Mapping[str, str]) -> bool:
    """Whether this machine has a TPU and the library that drives it (a TPU VM, as Vertex AI's jobs run on)."""
    libraries = [environment.get("TPU_LIBRARY_PATH", ""), *_TPU_LIBRARIES]
    has_library = any(path and Path(path).is_file() for path in libraries) or find_spec("libtpu") is not None
    return has_library and any(Path(device).exists() for device in _TPU_DEVICES)


def _not_understood(text: str, why: Any) -> BadInput:
    return BadInput(f"TF_CONFIG cannot be understood: {why}. It is {text[:500]!r}.")
