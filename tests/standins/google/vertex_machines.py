"""Machines, accelerators and quotas of Vertex AI training, as far as the rehearsals need them.

After https://cloud.google.com/vertex-ai/docs/training/configure-compute (machine types, valid numbers of GPUs),
https://cloud.google.com/vertex-ai/docs/general/locations (where accelerators are; only some regions are here) and
https://cloud.google.com/vertex-ai/docs/quotas. Written down without those pages at hand: not yet compared with them.
The limits are made up, those of a young project.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

_REGIONS = (
    "us-central1 us-east1 us-east4 us-west1 us-west2 us-west4 northamerica-northeast1 southamerica-east1 "
    "europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west9 "
    "asia-east1 asia-northeast1 asia-northeast3 asia-south1 asia-southeast1 australia-southeast1"
)
REGIONS = frozenset(_REGIONS.split())


def _sizes(family: str, sizes: str) -> dict[str, int]:
    return {f"{family}-{size}": int(size) for size in sizes.split()}


VCPUS = {
    **_sizes("n1-standard", "4 8 16 32 64 96"),
    **_sizes("n1-highmem", "2 4 8 16 32 64 96"),
    **_sizes("n1-highcpu", "16 32 64 96"),
    **_sizes("n2-standard", "4 8 16 32 48 64 80"),
    **_sizes("n2-highmem", "2 4 8 16 32 48 64 80"),
    **_sizes("n2-highcpu", "16 32 48 64 80"),
    **_sizes("e2-standard", "4 8 16 32"),
    **_sizes("e2-highmem", "2 4 8 16"),
    **_sizes("e2-highcpu", "16 32"),
    **_sizes("c2-standard", "4 8 16 30 60"),
    **_sizes("g2-standard", "4 8 12 16 24 32 48 96"),
    **{f"a2-highgpu-{gpus}g": 12 * gpus for gpus in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{gpus}g": 12 * gpus for gpus in (1, 2, 4, 8)},
    "a2-megagpu-16g": 96,
    "a3-highgpu-8g": 208,
    "cloud-tpu": 0,
}
_TPUS = frozenset({"TPU_V2", "TPU_V3"})
_GPUS_OF_G2 = {"24": 2, "48": 4, "96": 8}  # all others: 1
_EVERYWHERE = frozenset({"NVIDIA_TESLA_T4", ""})
_WHERE = {
    "NVIDIA_TESLA_P4": "us-central1 us-east4 us-west2 europe-west4 asia-southeast1 australia-southeast1",
    "NVIDIA_TESLA_P100": "us-central1 us-east1 us-west1 europe-west1 europe-west4 asia-east1 australia-southeast1",
    "NVIDIA_TESLA_V100": "us-central1 us-east1 us-west1 europe-west4 asia-east1",
    "NVIDIA_L4": "us-central1 us-east1 us-east4 us-west1 us-west4 europe-west1 europe-west2 europe-west3 europe-west4 "
    "asia-east1 asia-northeast1 asia-south1 asia-southeast1",
    "NVIDIA_TESLA_A100": "us-central1 us-east1 us-west1 us-west4 europe-west4 asia-northeast1 asia-southeast1",
    "NVIDIA_A100_80GB": "us-central1 us-east4 europe-west4 asia-southeast1",
    "NVIDIA_H100_80GB": "us-central1 us-east4 us-west1 europe-west4 asia-southeast1",
    "TPU_V2": "us-central1 europe-west4 asia-east1",
    "TPU_V3": "us-central1 europe-west4",
}

QUOTAS = {
    "custom_model_training_cpus": 42,
    "custom_model_training_n2_cpus": 42,
    "custom_model_training_c2_cpus": 0,
    "custom_model_training_a2_cpus": 0,
    "custom_model_training_a3_cpus": 0,
    "custom_model_training_g2_cpus": 24,
    "custom_model_training_nvidia_t4_gpus": 4,
    "custom_model_training_nvidia_p4_gpus": 1,
    "custom_model_training_nvidia_p100_gpus": 1,
    "custom_model_training_nvidia_v100_gpus": 1,
    "custom_model_training_nvidia_l4_gpus": 2,
    "custom_model_training_nvidia_a100_gpus": 0,
    "custom_model_training_nvidia_a100_80gb_gpus": 0,
    "custom_model_training_nvidia_h100_gpus": 0,
    "custom_model_training_tpu_v2": 8,
    "custom_model_training_tpu_v3": 8,
}


def accelerator_counts(machine: str, accelerator: str) -> frozenset[int]:
    """How many accelerators of a kind may be attached to a machine; empty: that kind may not."""
    family, _, size = machine.partition("-")
    if machine == "cloud-tpu":
        return frozenset({8}) if accelerator in _TPUS else frozenset()
    if family == "g2":
        exact = {"NVIDIA_L4": _GPUS_OF_G2.get(machine.rsplit("-", 1)[1], 1)}
    elif family == "a2":
        kind = "NVIDIA_A100_80GB" if size.startswith("ultragpu") else "NVIDIA_TESLA_A100"
        exact = {kind: int(machine.rsplit("-", 1)[1].removesuffix("g"))}
    elif family == "a3":
        exact = {"NVIDIA_H100_80GB": 8}
    else:
        return _counts_on_n1(VCPUS[machine], accelerator) if family == "n1" else frozenset()
    return frozenset({exact[accelerator]}) if accelerator in exact else frozenset()


def _counts_on_n1(vcpus: int, accelerator: str) -> frozenset[int]:
    """The more virtual CPUs, the more GPUs it must be at least."""
    if accelerator in {"NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100"}:
        least = 1 if vcpus <= 16 else 2 if vcpus <= 32 else 4
        return frozenset(count for count in (1, 2, 4) if count >= least)
    if accelerator == "NVIDIA_TESLA_V100":
        least = 1 if vcpus <= 8 else 2 if vcpus <= 16 else 4 if vcpus <= 32 else 8
        return frozenset(count for count in (1, 2, 4, 8) if count >= least)
    return frozenset()


def needs_accelerator(machine: str) -> bool:
    """Machines that exist only together with their accelerators."""
    return machine.startswith(("a2-", "a3-", "g2-", "cloud-tpu"))


def is_offered(accelerator: str, region: str) -> bool:
    return accelerator in _EVERYWHERE or region in _WHERE.get(accelerator, "").split()


def quota_use(job_spec: dict[str, Any]) -> Counter[str]:
    """What a job takes of which quota metric. Spot machines have metrics of their own, with the same limits here."""
    spot = "preemptible_" if job_spec.get("scheduling", {}).get("strategy") == "SPOT" else ""
    use: Counter[str] = Counter()
    for pool in job_spec["workerPoolSpecs"]:
        replicas = int(pool.get("replicaCount", 0))
        spec = pool.get("machineSpec", {})
        machine, accelerator = spec.get("machineType", ""), spec.get("acceleratorType", "")
        family = machine.partition("-")[0]
        if vcpus := VCPUS.get(machine, 0):
            kind = "" if family in {"n1", "e2"} else f"{family}_"
            use[f"custom_model_training_{spot}{kind}cpus"] += replicas * vcpus
        if accelerator in _TPUS:
            use[f"custom_model_training_{spot}{accelerator.lower()}"] += replicas * spec["acceleratorCount"]
        elif accelerator:
            name = accelerator.lower().replace("nvidia_tesla_", "nvidia_").replace("h100_80gb", "h100")
            use[f"custom_model_training_{spot}{name}_gpus"] += replicas * spec["acceleratorCount"]
    return use


def exceeded(use: Counter[str], limits: dict[str, int]) -> list[str]:
    """Metrics of which more is asked than the project may ever have at once."""
    return sorted(
        metric for metric, amount in use.items() if amount > limits.get(metric.replace("preemptible_", ""), 0)
    )
