"""What SageMaker may train on: presets by name, and what each takes of an account's quota.

Instance types: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

OWN_DISK = frozenset({"g4dn", "g5", "g6", "g6e", "p4d", "p4de", "p5"})  # families with disks of their own (NVMe)


@dataclass(frozen=True)
class Machine:
    """One kind of machine, and how many of them.

    Attributes:
        instance_type: SageMaker's name of it.
        gpus: in each.
        workers: machines that train together.
    """

    instance_type: str
    gpus: int = 0
    workers: int = 1

    @property
    def has_own_disk(self) -> bool:
        """Its storage is fixed and encrypted in hardware: neither its size nor a key may be asked for."""
        return self.instance_type.split(".")[1] in OWN_DISK

    def quota(self, *, spot: bool) -> str:
        """The quota of which it takes ``workers``, by its name in Service Quotas; spot instances are counted apart.

        >>> Machine("ml.g4dn.xlarge", 1).quota(spot=True)
        'ml.g4dn.xlarge for spot training job usage'
        """
        return f"{self.instance_type} for {'spot ' if spot else ''}training job usage"


PRESETS: Mapping[str, Machine] = MappingProxyType(
    {
        "cpu": Machine("ml.m5.2xlarge"),
        "t4": Machine("ml.g4dn.xlarge", 1),
        "l4": Machine("ml.g6.xlarge", 1),
        "a10g": Machine("ml.g5.xlarge", 1),
        "t4x4": Machine("ml.g4dn.12xlarge", 4),
        "l4x4": Machine("ml.g6.12xlarge", 4),
        "workers": Machine("ml.m5.2xlarge", workers=2),
    }
)
