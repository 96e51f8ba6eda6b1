"""The machines of ``include.checks.azure.machines`` as resources of a command job, and what the trainer runs in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from include.checks.azure import machines as azure_machines
from include.costs.prices import WorkerPool

# What Azure builds an image of, once for each version: none of its own is known to have a TensorFlow of 2.17 or newer.
# https://github.com/Azure/AzureML-Containers; that the CUDA image of this name is there is from memory.
BASE_IMAGES = MappingProxyType(
    {
        "cpu": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
        "gpu": "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04:latest",
    }
)
PACKAGES = MappingProxyType({"cpu": ("tensorflow-cpu==2.21.0",), "gpu": ("tensorflow[and-cuda]==2.21.0",)})
OTHER_PACKAGES = ("numpy", "pycocotools>=2.0.7")  # as the trainer's own pyproject.toml has them


@dataclass(frozen=True)
class AzureMachine(azure_machines.Machine):
    """One kind of machine, and how many of them."""

    @property
    def priced(self) -> list[WorkerPool]:
        """These machines as the price list knows them."""
        return [WorkerPool(self.vm_size, self.workers)]

    @property
    def resources(self) -> dict[str, Any]:
        """``resources`` and, for several machines, ``distribution`` of a command job.

        With it Azure sets ``TF_CONFIG``: all are workers, and the first of them writes.
        https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu#tensorflow
        """
        asked: dict[str, Any] = {"resources": {"instanceCount": self.workers}}
        if self.workers > 1:
            workers = {"distributionType": "TensorFlow", "workerCount": self.workers, "parameterServerCount": 0}
            asked["distribution"] = workers
        return asked


@dataclass(frozen=True)
class Environment:
    """An environment of the workspace, by a name and a version that say what is in it."""

    name: str
    properties: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The beginning of the SHA-256 of its contents: an environment's version never changes."""
        return hashlib.sha256(json.dumps(dict(self.properties), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> str:
        """Below the workspace."""
        return f"environments/{self.name}/versions/{self.version}"


PRESETS: Mapping[str, AzureMachine] = MappingProxyType(
    {name: AzureMachine(**vars(machine)) for name, machine in azure_machines.PRESETS.items()}
)


def preset(name: str) -> AzureMachine:
    """A preset by its name; ``ValueError`` with the known ones if there is none."""
    if name not in PRESETS:
        raise ValueError(f"Azure ML: there is no machine preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def environment(namespace: str, *, gpu: bool, container: str = "") -> Environment:
    """What the trainer runs in.

    Args:
        container: an image that holds the trainer; empty: one that Azure builds.
    """
    if container:
        return Environment(f"{namespace}-own", {"image": container, "osType": "Linux"})
    kind = "gpu" if gpu else "cpu"
    packages = [*PACKAGES[kind], *OTHER_PACKAGES]
    conda = {"name": "trainer", "channels": ["conda-forge"], "dependencies": ["python=3.12", "pip", {"pip": packages}]}
    properties = {"image": BASE_IMAGES[kind], "condaFile": json.dumps(conda), "osType": "Linux"}
    return Environment(f"{namespace}-trainer-{kind}", properties)
