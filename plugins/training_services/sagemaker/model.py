"""A model of SageMaker: the image that serves it and what a training left, under a name. It costs nothing by itself."""

from __future__ import annotations

import contextlib
from typing import Any

from include.clouds.aws_account import AwsAccount
from include.settings import AwsSettings


def create_model(account: AwsAccount, settings: AwsSettings, name: str, image: str, artifacts: str) -> None:
    """Make a model; one of this name that is there already stays.

    Args:
        image: that serves it.
        artifacts: URI of model.tar.gz.
    """
    request: dict[str, Any] = {
        "ModelName": name,
        "PrimaryContainer": {"Image": image, "ModelDataUrl": artifacts, "Mode": "SingleModel"},
        "ExecutionRoleArn": settings.role,
    }
    if settings.subnets:
        vpc = {"Subnets": list(settings.subnets), "SecurityGroupIds": list(settings.security_groups)}
        request["VpcConfig"] = vpc
    with contextlib.suppress(FileExistsError):  # the answer to the call before was lost
        account.call("sagemaker", "create_model", **request)


def delete_model(account: AwsAccount, name: str) -> None:
    """Delete a model; one that is not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        account.call("sagemaker", "delete_model", ModelName=name)
