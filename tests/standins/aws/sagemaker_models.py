"""Models: a container image and the artifacts that a training left, under a name. Kept on disk, one file each.

The refusals' words are from memory.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.standins.aws.endpoint import Aws, split_uri
from tests.standins.aws.errors import invalid
from tests.standins.aws.sagemaker_images import kind_of
from tests.standins.aws.sagemaker_rules import Account, check_role
from training_services.local_runner import write


class Models:
    """All models of an account, in every region."""

    def __init__(self, state: Path, account: Account, aws: str) -> None:
        self.folder, self.account, self.aws = state / "models", account, aws
        self._lock = threading.Lock()

    def create(self, region: str, model: dict[str, Any]) -> str:
        """Make a model. Returns its ARN."""
        arn, aws = self._arn(region, model["ModelName"]), Aws(self.aws, region)
        container = model.get("PrimaryContainer")
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
        with self._lock:
            file = self._file(region, model["ModelName"])
            if file.exists():
                raise invalid(f'Cannot create already existing model "{arn}".')
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, json.dumps(model | {"ModelArn": arn, "CreationTime": time.time()}))
        return arn

    def describe(self, region: str, name: str) -> dict[str, Any]:
        """A model as the API shows it.

        Raises:
            Refusal: there is none of this name.
        """
        file = self._file(region, name)
        if not file.exists():
            raise invalid(f'Could not find model "{self._arn(region, name)}".')
        return {key: value for key, value in json.loads(file.read_text()).items() if key != "Tags"}

    def delete(self, region: str, name: str) -> None:
        self.describe(region, name)
        self._file(region, name).unlink(missing_ok=True)

    def summaries(self, region: str) -> Iterator[dict[str, Any]]:
        for file in (self.folder / region).glob("*.json"):
            model = json.loads(file.read_text())
            yield {name: model[name] for name in ("ModelName", "ModelArn", "CreationTime")}

    def tags(self, arn: str) -> list[dict[str, str]] | None:
        """A model's tags; None: there is no such model."""
        region, name = arn.split(":")[3], arn.rsplit("/", 1)[1]
        file = self._file(region, name)
        return (
            json.loads(file.read_text()).get("Tags", []) if file.exists() and arn == self._arn(region, name) else None
        )

    def _file(self, region: str, name: str) -> Path:
        return self.folder / region / f"{name}.json"

    def _arn(self, region: str, name: str) -> str:
        return f"arn:aws:sagemaker:{region}:{self.account.id}:model/{name}"
