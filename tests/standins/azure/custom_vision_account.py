"""What a resource of Custom Vision may do by its tier, and the domains that it offers.

https://learn.microsoft.com/azure/ai-services/custom-vision-service/limits-and-quotas and …/select-domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_ITERATIONS = 20
MOST_REGIONS = 300  # an image
MOST_TAGS_OF_AN_IMAGE = 100
MIN_IMAGES_OF_A_TAG = 15
MAX_SIDE = 10_240  # pixels
MAX_ASPECT = 25
MAX_IMAGE_BYTES = 6 << 20
MAX_PREDICTED_BYTES = 4 << 20
BATCH_IMAGES = 64
BATCH_BYTES = 50 << 20  # of images, before base64; from memory, not verified

TRAIN, PREDICT, PREDICT_UNSTORED, OTHER = "train", "predict", "predict_unstored", "other"


@dataclass(frozen=True)
class Tier:
    """A pricing tier.

    Attributes:
        calls: that may be made in a second, by kind.
        trainings: that run at the same time, the others wait. Not documented: the stand-in's choice.
        training_hours: in a month; None: as many as are paid. From the pricing page, from memory.
    """

    name: str
    projects: int
    images: int  # a project
    tags: int  # a project
    calls: dict[str, int]
    trainings: int
    training_hours: int | None


TIERS = {
    "F0": Tier("F0", 2, 5_000, 50, {TRAIN: 2, PREDICT: 2, PREDICT_UNSTORED: 2, OTHER: 10}, 1, 1),
    "S0": Tier("S0", 100, 100_000, 500, {TRAIN: 10, PREDICT: 10, PREDICT_UNSTORED: 20, OTHER: 10}, 4, None),
}


def _domain(id_: str, name: str, *platforms: str, kind: str = "ObjectDetection", megabytes: int = 0) -> dict[str, Any]:
    described = {"estimatedModelSizeInMegabytes": megabytes, "description": f"{name} domain"}
    return {
        "id": id_,
        "name": name,
        "type": kind,
        "exportable": bool(platforms),
        "enabled": True,
        "exportablePlatforms": list(platforms),
        "modelInformation": described if platforms else None,
    }


_PLATFORMS = ("CoreML", "TensorFlow", "DockerFile", "ONNX", "OpenVino")
COMPACT_S1 = "7ec2ac80-887b-48a6-8df9-8b1357765430"
DOMAINS = {
    domain["id"]: domain
    for domain in (
        _domain("ee85a74c-405e-4adc-bb47-ffa8ca0c9f31", "General", kind="Classification"),
        _domain("da2e3a8a-40a5-4171-82f4-58522f70fbc1", "General"),
        _domain("9c616dff-2e7d-ea11-af59-1866da359ce6", "General [A1]"),
        _domain("1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4", "Logo"),
        _domain("3780a898-81c3-4516-81ae-3a139614e1f3", "Products on Shelves"),
        _domain("a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "General (compact)", *_PLATFORMS, megabytes=45),
        _domain(COMPACT_S1, "General (compact) [S1]", *_PLATFORMS, megabytes=14),
    )
}
DEFAULT_DOMAIN = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
