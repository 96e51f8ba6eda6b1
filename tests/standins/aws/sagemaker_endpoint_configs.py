"""Endpoint configurations: which model is to be served on which machines.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.standins.aws.errors import invalid
from tests.standins.aws.sagemaker_models import Models
from tests.standins.aws.sagemaker_records import Records
from tests.standins.aws.sagemaker_rules import Account

_NEEDED = frozenset({"VariantName", "ModelName", "InstanceType", "InitialInstanceCount"})


class EndpointConfigs(Records):
    """All endpoint configurations of an account, in every region."""

    def __init__(self, state: Path, account: Account, models: Models) -> None:
        folder = state / "endpoint-configs"
        super().__init__(folder, account, "EndpointConfig", "endpoint-config", "endpoint configuration")
        self.models = models

    def create(self, region: str, config: dict[str, Any]) -> str:
        """Make a configuration. Returns its ARN."""
        variants = config["ProductionVariants"]
        if len(variants) != 1 or variants[0].keys() < _NEEDED:
            raise invalid(f"The stand-in knows one production variant, with {', '.join(sorted(_NEEDED))}.")
        self.models.describe(region, variants[0]["ModelName"])
        return self.put(region, config)
