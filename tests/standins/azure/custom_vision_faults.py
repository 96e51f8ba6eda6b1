"""What the next trainings are to suffer, set through the stand-in's control endpoint and kept on disk.

===============  =========================================================================================
``quota``        refused: the resource's training hours are used up
``rate``         refused: too many calls
``unavailable``  refused: 503
``forbidden``    refused: the key's user may not train
``training``     accepted; fails by its own fault once it has trained for ``after`` seconds
``internal``     accepted; fails by the service's fault before it has trained
``export``       accepted, and trains; its exports fail
===============  =========================================================================================

Faults of all other calls are the fault proxy's.
"""

from __future__ import annotations

from typing import Any

from tests.standins.azure.custom_vision_account import Tier
from tests.standins.azure.custom_vision_errors import Refusal, too_many, unavailable

STRIKING = frozenset({"training", "internal", "export"})
KINDS = STRIKING | {"quota", "rate", "unavailable", "forbidden"}
HOLDS = frozenset({"Training"})  # before it begins: the API tells no other status of one that waits
API, RESOURCE = "Custom_Vision_Training_3.4-preview", "Custom_Vision.Training"


def refuse_as_wished(wish: dict[str, Any], tier: Tier) -> None:
    """Refuse a training if that is the wish."""
    kind = wish.get("fault")
    if kind == "quota":
        raise quota_exceeded(tier)
    if kind == "rate":
        raise too_many("TrainProject", API, RESOURCE, tier.name)
    if kind == "unavailable":
        raise unavailable()
    if kind == "forbidden":
        raise Refusal("ForbiddenUserInsufficientCapability", "The user is not allowed to train projects.")


def quota_exceeded(tier: Tier) -> Refusal:
    return Refusal("BadRequestExceededQuota", f"The training hours of the {tier.name} tier are used up.")
