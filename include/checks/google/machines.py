"""What Vertex AI may train on: presets by name, and what each takes of a project's quota.

Machine types and the accelerators that go with them: https://cloud.google.com/vertex-ai/docs/training/configure-compute
The scale tiers of the service's predecessor map as BASIC → ``cpu``, BASIC_GPU → ``t4``, BASIC_TPU → ``tpu``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

VERTEX = "aiplatform.googleapis.com"
CPUS_OF_AN_A2_GPU = 12  # a2-highgpu-1g, -2g …: the name counts GPUs


@dataclass(frozen=True)
class Machine:
    """One kind of machine, and how many of them.

    Attributes:
        machine_type: of Compute Engine.
        accelerator: Vertex AI's name of it; empty: none.
        accelerators: per machine.
        workers: machines that train together.
    """

    machine_type: str
    accelerator: str = ""
    accelerators: int = 0
    workers: int = 1

    @property
    def is_tpu(self) -> bool:
        return self.machine_type.startswith(("cloud-tpu", "ct"))

    @property
    def cpus(self) -> int:
        """Virtual CPUs of one machine; 0 where they are not counted (TPUs)."""
        family, _, size = self.machine_type.rpartition("-")
        if self.is_tpu:
            return 0
        return CPUS_OF_AN_A2_GPU * int(size.removesuffix("g")) if family.startswith("a2") else int(size)

    @property
    def in_compute_engine(self) -> tuple[str, ...]:
        """Compute Engine's names of what must be offered in a region; none for TPUs, which it does not list.

        >>> Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1).in_compute_engine
        ('n1-standard-8', 'nvidia-tesla-t4')
        """
        if self.is_tpu:
            return ()
        return (self.machine_type, *([self.accelerator.lower().replace("_", "-")] if self.accelerator else []))

    def quota_use(self, *, spot: bool) -> Counter[str]:
        """How much it takes of which quota of custom training; spot machines have quotas of their own.

        The names are those in which the service refuses jobs, as its users report them: of the CPUs of N1, G2 and A2,
        of T4, L4, A100 and TPU v2; for spot, of N1's CPUs, T4, L4 and A100. All others follow the same pattern.

        >>> Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1).quota_use(spot=True).most_common()  # doctest: +ELLIPSIS
        [('aiplatform.googleapis.com/custom_model_training_preemptible_cpus', 8), ...nvidia_t4_gpus', 1)]
        """
        prefix = f"{VERTEX}/custom_model_training_{'preemptible_' if spot else ''}"
        family = self.machine_type.partition("-")[0]
        use: Counter[str] = Counter()
        if self.cpus:
            use[prefix + ("cpus" if family in {"n1", "e2"} else f"{family}_cpus")] = self.workers * self.cpus
        if self.accelerator:
            kind = self.accelerator.lower().replace("nvidia_tesla_", "nvidia_")
            use[prefix + (kind if self.is_tpu else f"{kind}_gpus")] = self.workers * self.accelerators
        return use


PRESETS: Mapping[str, Machine] = MappingProxyType(
    {
        "cpu": Machine("n1-standard-8"),
        "t4": Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1),
        "l4": Machine("g2-standard-8", "NVIDIA_L4", 1),
        "a100": Machine("a2-highgpu-1g", "NVIDIA_TESLA_A100", 1),
        "t4x4": Machine("n1-standard-16", "NVIDIA_TESLA_T4", 4),
        "workers": Machine("n1-standard-8", workers=2),
        "tpu": Machine("cloud-tpu", "TPU_V2", 8),
    }
)


def require_evaluator(name: str) -> None:
    """Make sure that a preset can evaluate beside a training.

    Raises:
        ValueError: it is not one machine, or it is a TPU, which would have nothing to do.
    """
    machine, able = PRESETS[name], [each for each, one in PRESETS.items() if one.workers == 1 and not one.is_tpu]
    if name not in able:
        what = "a TPU" if machine.is_tpu else f"{machine.workers} machines"
        raise ValueError(
            f"evaluator is {name!r}, which is {what}; one machine evaluates, on its CPU or a GPU. Choose one of "
            f"{', '.join(able)}."
        )


@dataclass(frozen=True)
class AskedMachine:
    """A machine as lanner.yaml or a command line asks for it.

    Attributes:
        preset: one of ``PRESETS``.
        region: in which it would run.
        spot: is it taken away when others pay more?
        evaluator: the preset of a machine beside it, of the same job and as much or little spot; empty: none.
    """

    preset: str
    region: str
    spot: bool = False
    evaluator: str = ""

    @property
    def presets(self) -> tuple[str, ...]:
        """Of all machines that it takes."""
        return (self.preset, self.evaluator) if self.evaluator else (self.preset,)

    @property
    def machine(self) -> Machine:
        """That trains."""
        return PRESETS[self.preset]

    @property
    def in_compute_engine(self) -> tuple[str, ...]:
        """As ``Machine.in_compute_engine``, of all machines."""
        return tuple(dict.fromkeys(name for each in self.presets for name in PRESETS[each].in_compute_engine))

    def quota_use(self) -> Counter[str]:
        """As ``Machine.quota_use``, of all machines together."""
        return sum((PRESETS[each].quota_use(spot=self.spot) for each in self.presets), Counter())

    def __str__(self) -> str:
        beside = f" with evaluator {self.evaluator}" if self.evaluator else ""
        return f"{self.preset}{beside}{' (spot)' if self.spot else ''}"
