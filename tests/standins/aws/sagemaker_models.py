"""Models: a container image and the artifacts that a training left, under a name.

The words of refusals are from memory, but for those of names (``sagemaker_records``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.standins.aws.endpoint import Aws, split_uri
from tests.standins.aws.errors import invalid
from tests.standins.aws.sagemaker_images import kind_of
from tests.standins.aws.sagemaker_records import Records
from tests.standins.aws.sagemaker_rules import Account, check_role


class Models(Records):
    """All models of an account, in every region."""

    def __init__(self, state: Path, account: Account, aws: str) -> None:
        super().__init__(state / "models", account, "Model", "model", "model")
        self.aws = aws

    def create(self, region: str, model: dict[str, Any]) -> str:
        """Make a model. Returns its ARN."""
        aws, container = Aws(self.aws, region), model.get("PrimaryContainer")
        if container is None or not container.get("Image"):
            raise invalid("The stand-in knows models with a PrimaryContainer that has an Image.")
        if not model.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn is required.")
        check_role(model["ExecutionRoleArn"], self.account, aws)
        if kind_of(container["Image"], region) is None:
            raise invalid(f"Requested image {container['Image']} not found.")
        uri = container.get("ModelDataUrl", "")
        bucket, key = split_uri(uri)
        there = uri.startswith("s3://") and aws.bucket_region(bucket) == region
        if not there or key not in {found.key for found in aws.list(bucket, key)}:
            raise invalid(f"Could not find model data at {uri}.")
        return self.put(region, model)
