"""SageMaker's instances: how many GPUs they have, and an account's quotas for them.

https://aws.amazon.com/ec2/instance-types/, https://docs.aws.amazon.com/general/latest/gr/sagemaker.html. A new account
has some CPU instances and no GPU; the numbers here are for rehearsals, each is an option of the stand-in.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

from tests.standins.aws.errors import LIMIT, Refusal

TRAINING, SPOT, TRANSFORM = "training job usage", "spot training job usage", "transform job usage"
ENDPOINT = "endpoint usage"
CPU_QUOTA, GPU_QUOTA = 4, 0  # instances, of each type
_GPU = re.compile(r"ml\.(p\d|g\d)")
_SEVERAL = {
    "p2": {"8xlarge": 8, "16xlarge": 16},
    "p3": {"8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "g4dn": {"12xlarge": 4},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p4de": {"24xlarge": 8},
    "p5": {"48xlarge": 8},
}


def gpus(instance: str) -> int:
    """How many GPUs an instance has."""
    if not _GPU.match(instance):
        return 0
    _, family, size = instance.split(".")
    return _SEVERAL.get(family, {}).get(size, 1)


def quota_name(instance: str, usage: str) -> str:
    """A quota's name, as Service Quotas and refusals have it."""
    return f"{instance} for {usage}"


def quota(name: str, given: Mapping[str, int]) -> int:
    """An account's quota, in instances."""
    return given.get(name, GPU_QUOTA if gpus(name.split(" ", 1)[0]) else CPU_QUOTA)


def quota_code(name: str) -> str:
    """A code such as the service has, the same for the same name."""
    return f"L-{zlib.crc32(name.encode()):08X}"


def exceeded(name: str, limit: int, used: int, asked: int) -> Refusal:
    """The refusal of a job for which an account has too few instances.

    The words are those of https://github.com/aws/amazon-sagemaker-examples/issues/1543 up to their last sentences,
    which are from memory (older reports end in "Please contact AWS support").
    """
    return Refusal(
        LIMIT,
        f"The account-level service limit '{name}' is {limit} Instances, with current utilization of {used} Instances "
        f"and a request delta of {asked} Instances. Please use AWS Service Quotas to request an increase for this "
        "quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota.",
    )
