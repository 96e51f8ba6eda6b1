"""The machines of ``include.checks.aws.machines`` as a training job's resources, and the image that runs on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from include.checks.aws import machines as aws_machines
from include.costs.prices import WorkerPool

# AWS's newest container for training with TensorFlow; the trainer wants 2.17 or newer, which 2.18 and this one are. Its
# last patch was announced for 2026-03-11. It has pycocotools, by way of tf-models-official.
# https://github.com/aws/deep-learning-containers/blob/master/available_images.md
TENSORFLOW = "2.19.0"
TAGS = MappingProxyType(
    {
        "cpu": f"{TENSORFLOW}-cpu-py312-ubuntu22.04-sagemaker",
        "gpu": f"{TENSORFLOW}-gpu-py312-cu125-ubuntu22.04-sagemaker",
    }
)

# Whose registry holds it, where it is not the account of most regions.
# https://github.com/aws/sagemaker-python-sdk/blob/master/src/sagemaker/image_uri_config/tensorflow.json
ACCOUNT = "763104351884"
ACCOUNTS = MappingProxyType(
    {
        "af-south-1": "626614931356",
        "ap-east-1": "871362719292",
        "ap-northeast-3": "364406365360",
        "ap-south-2": "772153158452",
        "ap-southeast-3": "907027046896",
        "ap-southeast-4": "457447274322",
        "cn-north-1": "727897471807",
        "cn-northwest-1": "727897471807",
        "eu-central-2": "380420809688",
        "eu-south-1": "692866216735",
        "eu-south-2": "503227376785",
        "me-central-1": "914824155844",
        "me-south-1": "217643126080",
        "us-gov-east-1": "446045086412",
        "us-gov-west-1": "442386744353",
    }
)


@dataclass(frozen=True)
class SageMakerMachine(aws_machines.Machine):
    """One kind of machine, and how many of them."""

    @property
    def priced(self) -> list[WorkerPool]:
        """These machines as the price list knows them."""
        return [WorkerPool(self.instance_type, self.workers)]

    def resources(self, volume: int, kms_key: str = "") -> dict[str, Any]:
        """``ResourceConfig``.

        Args:
            volume: GB for data, checkpoints and model, where the machine has no disk of its own.
            kms_key: encrypts that volume; empty: AWS's own.
        """
        asked: dict[str, Any] = {"InstanceType": self.instance_type, "InstanceCount": self.workers}
        asked["VolumeSizeInGB"] = volume
        if kms_key and not self.has_own_disk:
            asked["VolumeKmsKeyId"] = kms_key
        return asked


PRESETS: Mapping[str, SageMakerMachine] = MappingProxyType(
    {name: SageMakerMachine(**vars(machine)) for name, machine in aws_machines.PRESETS.items()}
)


def preset(name: str) -> SageMakerMachine:
    """A preset by its name; ``ValueError`` with the known ones if there is none."""
    if name not in PRESETS:
        raise ValueError(f"SageMaker: there is no machine preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def image(region: str, *, gpu: bool) -> str:
    """AWS's TensorFlow container for training, from a region's own registry.

    >>> image("eu-west-1", gpu=False)
    '763104351884.dkr.ecr.eu-west-1.amazonaws.com/tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker'
    """
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    tag = TAGS["gpu" if gpu else "cpu"]
    return f"{ACCOUNTS.get(region, ACCOUNT)}.dkr.ecr.{region}.{domain}/tensorflow-training:{tag}"
