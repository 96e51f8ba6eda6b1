"""Service Quotas, for SageMaker's instances only: the emulator has none of them.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.standins.aws import sagemaker_machines as machines
from tests.standins.aws.errors import Refusal
from tests.standins.aws.model import service_model
from tests.standins.aws.sagemaker_rules import Account

NO_SUCH = "NoSuchResourceException"
PAGE = 100


class Quotas:
    """An account's quotas, the same in every region."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def list(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        """A page of them, in the order of their names."""
        self._check(asked)
        names = sorted(self._names())
        start = int(asked.get("NextToken") or 0)
        size = asked.get("MaxResults", PAGE)
        page = [self._quota(region, name) for name in names[start : start + size]]
        return {"Quotas": page} | ({"NextToken": str(start + size)} if start + size < len(names) else {})

    def get(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        self._check(asked)
        for name in self._names():
            if machines.quota_code(name) == asked["QuotaCode"]:
                return {"Quota": self._quota(region, name)}
        raise Refusal(NO_SUCH, f"The request failed because the specified service quota does not exist: {asked}")

    def _check(self, asked: dict[str, Any]) -> None:
        if asked["ServiceCode"] != "sagemaker":
            raise Refusal(NO_SUCH, "The request failed because the specified service does not exist.")

    def _names(self) -> Iterator[str]:
        for shape, usages in (
            ("TrainingInstanceType", (machines.TRAINING, machines.SPOT)),
            ("TransformInstanceType", (machines.TRANSFORM,)),
            ("ProductionVariantInstanceType", (machines.ENDPOINT,)),
        ):
            for instance in service_model("sagemaker").shape_for(shape).metadata["enum"]:
                for usage in usages:
                    yield machines.quota_name(instance, usage)

    def _quota(self, region: str, name: str) -> dict[str, Any]:
        code = machines.quota_code(name)
        return {
            "ServiceCode": "sagemaker",
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": f"arn:aws:servicequotas:{region}:{self.account.id}:sagemaker/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(machines.quota(name, self.account.quotas)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
