"""The subscription around the stand-in's workspace: what the caller may do, cores and sizes of machines, AI services.

Shapes: https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource, …/azureml/usages/list and
…/azureml/virtual-machine-sizes/list. Of one family the rows of both tiers have the same name, and a limit of -1 bounds
nothing: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas and users' reports. The limits are made
up, those of a young subscription.

``POST /control/subscription`` changes it: ``{"denied": [action, …], "cores": {"dedicated": 24, "low": 100}, "without":
[size of machine, …], "resources": [{"name", "kind", "tier", "region", "endpoint"}, …]}``, each field if it is there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from include.checks.azure.machines import PRESETS
from tests.standins.azure.azure_ml_errors import PROVIDER, Refusal, denied, user_error
from training_services.local_runner import write

CORES = {machine.vm_size: (machine.cores, machine.family) for machine in PRESETS.values()}
GPUS = {machine.vm_size: machine.gpus for machine in PRESETS.values()}
AS_IT_IS: dict[str, Any] = {"denied": [], "cores": {"dedicated": 24, "low": 100}, "without": [], "resources": []}


class Subscription:
    """One subscription, as one caller meets it.

    Args:
        file: keeps what was changed.
        group: path of the resource group in which its AI services are.
        client: whoever asks.
        used: cores that jobs have now, by tier ("dedicated", "low") and size of machine.
    """

    def __init__(self, file: Path, group: str, client: str, used: Callable[[], dict[tuple[str, str], int]]) -> None:
        self.file, self.group, self.client, self._used = file, group, client, used
        self._lock = threading.Lock()

    def change(self, asked: dict[str, Any]) -> None:
        """Change what is named; nothing named: as it was at first."""
        if unknown := set(asked) - set(AS_IT_IS):
            raise user_error(f"Unknown fields: {', '.join(sorted(unknown))}; there are {', '.join(AS_IT_IS)}.")
        with self._lock:
            write(self.file, json.dumps({**self._now(), **asked} if asked else AS_IT_IS))

    def require(self, action: str, scope: str) -> None:
        """
        Raises:
            Refusal: the caller may not do this.
        """
        if action in self._now()["denied"]:
            raise denied(action, scope, self.client)

    def permissions(self) -> dict[str, Any]:
        """One role, that may do everything but what is denied."""
        role = {"actions": ["*"], "notActions": self._now()["denied"], "dataActions": [], "notDataActions": []}
        return {"value": [role]}

    def usages(self, location: str) -> dict[str, Any]:
        """Cores that may be used, and that are."""
        limits, used = self._now()["cores"], self._used()
        rows = []
        for tier, kind, total in (
            ("dedicated", "dedicatedCores", "TotalDedicatedCores"),
            ("low", "lowPriorityCores", "TotalLowPriorityCores"),
        ):
            for family in sorted({family for _, family in CORES.values()}):
                cores = sum(used.get((tier, size), 0) for size, (_, of) in CORES.items() if of == family)
                limit = limits["dedicated"] if tier == "dedicated" else -1
                rows.append((f"vmFamily/{kind}", family, cores, limit))
            cores = sum(cores for (of, _), cores in used.items() if of == tier)
            rows.append((kind, total, cores, -1 if tier == "dedicated" else limits["low"]))
        value = [
            {
                "id": f"{location}/usages/{name}",
                "type": f"{PROVIDER}/{kind}/usages",
                "unit": "Count",
                "currentValue": cores,
                "limit": limit,
                "name": {"value": name, "localizedValue": name},
            }
            for kind, name, cores, limit in rows
        ]
        return {"value": value}

    def sizes(self) -> dict[str, Any]:
        """Sizes of machines that the region has for clusters."""
        without = self._now()["without"]
        value = [
            {
                "name": size,
                "family": family,
                "vCPUs": cores,
                "gpus": GPUS[size],
                "lowPriorityCapable": True,
                "supportedComputeTypes": ["AmlCompute"],
            }
            for size, (cores, family) in CORES.items()
            if size not in without
        ]
        return {"value": value}

    def resources(self) -> list[dict[str, Any]]:
        """Azure's AI services, Custom Vision's among them, as ``Microsoft.CognitiveServices`` lists them."""
        return [
            {
                "id": f"{self.group}/providers/Microsoft.CognitiveServices/accounts/{each['name']}",
                "name": each["name"],
                "type": "Microsoft.CognitiveServices/accounts",
                "location": each["region"],
                "kind": each["kind"],
                "sku": {"name": each["tier"]},
                "properties": {"endpoint": each["endpoint"], "provisioningState": "Succeeded"},
            }
            for each in self._now()["resources"]
        ]

    def resource(self, path: str) -> dict[str, Any]:
        """One of them.

        Raises:
            Refusal: there is none.
        """
        for each in self.resources():
            if each["id"].lower() == path.lower():
                return each
        raise Refusal(404, "ResourceNotFound", f"The Resource '{path.partition('/providers/')[2]}' was not found.")

    def _now(self) -> dict[str, Any]:
        return AS_IT_IS | (json.loads(self.file.read_text()) if self.file.exists() else {})
