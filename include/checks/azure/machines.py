"""What Azure Machine Learning may train on: presets by name, and what each takes of a subscription's quota.

Sizes: https://learn.microsoft.com/azure/virtual-machines/sizes. Which of them Azure Machine Learning supports, and the
names of their quotas, are from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Machine:
    """One kind of machine, and how many of them.

    Attributes:
        vm_size: Azure's name of it.
        cores: of its CPU, by which quotas count.
        family: the quota that its cores are taken from, as `az ml compute list-usage` names it; low-priority machines
            of all families share one.
        gpus: in each.
        workers: machines that train together.
    """

    vm_size: str
    cores: int
    family: str
    gpus: int = 0
    workers: int = 1


PRESETS: Mapping[str, Machine] = MappingProxyType(
    {
        "cpu": Machine("Standard_D8s_v3", 8, "standardDSv3Family"),
        "t4": Machine("Standard_NC4as_T4_v3", 4, "Standard NCASv3_T4 Family", 1),
        "a10": Machine("Standard_NV36ads_A10_v5", 36, "StandardNVADSA10v5Family", 1),
        "a100": Machine("Standard_NC24ads_A100_v4", 24, "StandardNCADSA100v4Family", 1),
        "t4x4": Machine("Standard_NC64as_T4_v3", 64, "Standard NCASv3_T4 Family", 4),
        "workers": Machine("Standard_D8s_v3", 8, "standardDSv3Family", workers=2),
    }
)
