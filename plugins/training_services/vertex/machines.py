"""The machines of ``include.checks.google.machines`` as the worker pools of a custom job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from include.checks.google import machines as google_machines
from include.costs.prices import WorkerPool

MODULE = "detector_trainer"
EVALUATORS = 3  # place of their pool in the list
BOOT_DISK = MappingProxyType({"bootDiskType": "pd-ssd", "bootDiskSizeGb": 100})  # the least that the service allows

# Prebuilt containers by what they drive. The trainer wants TensorFlow 2.17, which was the newest of them when it ceased
# to be guaranteed (2026-07-11); there was none of it for TPUs. Whoever depends on this names a container of their own.
# https://cloud.google.com/vertex-ai/docs/training/pre-built-containers
PREBUILT = MappingProxyType({"cpu": "tf-cpu.2-17.py310", "gpu": "tf-gpu.2-17.py310"})


@dataclass(frozen=True)
class VertexMachine(google_machines.Machine):
    """One kind of machine, and how many of them."""

    @property
    def priced(self) -> list[WorkerPool]:
        """These machines as the price list knows them."""
        return [WorkerPool(self.machine_type, self.workers, self.accelerator or None, self.accelerators)]

    def pools(
        self,
        region: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        sdist: str,
        container: str,
        evaluator: VertexMachine | None = None,
    ) -> list[dict[str, Any]]:
        """``workerPoolSpecs``: a chief, the other workers, and the machine that evaluates.

        The service tells each its part by the pool's place in the list, where a pool of nothing keeps a place free:
        https://cloud.google.com/vertex-ai/docs/training/distributed-training

        Args:
            arguments: of the trainer.
            environment: of the trainer, besides what the service sets.
            sdist: the trainer's, in a bucket; for the prebuilt containers.
            container: an image that holds the trainer; empty: a prebuilt one.
            evaluator: a machine for the same trainer; None: the chief alone evaluates.
        """
        given = {"sdist": sdist, "container": container}
        chief = self._pool(region, arguments, environment, **given)
        pools = [{**chief, "replicaCount": "1"}]
        if self.workers > 1:
            pools.append({**chief, "replicaCount": str(self.workers - 1)})
        if evaluator is not None:
            pools += [{}] * (EVALUATORS - len(pools))
            pools.append({**evaluator._pool(region, arguments, environment, **given), "replicaCount": "1"})
        return pools

    def _pool(
        self, region: str, arguments: Sequence[str], environment: Mapping[str, str], *, sdist: str, container: str
    ) -> dict[str, Any]:
        machine: dict[str, Any] = {"machineType": self.machine_type}
        if self.accelerator:
            machine |= {"acceleratorType": self.accelerator, "acceleratorCount": self.accelerators}
        pool: dict[str, Any] = {"machineSpec": machine, "diskSpec": dict(BOOT_DISK)}
        if container:
            command = ["python", "-m", MODULE]
            pool["containerSpec"] = {"imageUri": container, "command": command}
        else:
            pool["pythonPackageSpec"] = {
                "executorImageUri": prebuilt_container(region, gpu=bool(self.accelerator)),
                "packageUris": [sdist],
                "pythonModule": MODULE,
            }
        spec = pool["containerSpec" if container else "pythonPackageSpec"]
        spec["args"] = list(arguments)
        spec["env"] = [{"name": name, "value": value} for name, value in environment.items()]
        return pool


PRESETS: Mapping[str, VertexMachine] = MappingProxyType(
    {name: VertexMachine(**vars(machine)) for name, machine in google_machines.PRESETS.items()}
)


def preset(name: str) -> VertexMachine:
    """A preset by its name; ``ValueError`` with the known ones if there is none."""
    if name not in PRESETS:
        raise ValueError(f"Vertex AI: there is no machine preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def prebuilt_container(region: str, *, gpu: bool) -> str:
    """The image of the repository nearest to a region; each of the three holds the same."""
    place = region.partition("-")[0]
    repository = place if place in {"us", "europe", "asia"} else "us"
    return f"{repository}-docker.pkg.dev/vertex-ai/training/{PREBUILT['gpu' if gpu else 'cpu']}:latest"
