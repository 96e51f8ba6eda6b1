"""The workspace that the stand-in stands for: its clusters, datastores and environments.

Shapes: https://github.com/Azure/azure-rest-api-specs/tree/main/specification/machinelearningservices/resource-manager
(2024-10-01). Only clusters (AmlCompute) are there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.standins.azure.azure_ml_errors import PROVIDER, not_found, user_error
from tests.standins.azure.azure_ml_status import now
from tests.standins.azure.azure_ml_subscription import CORES
from training_services.local_runner import write

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
GROUP, WORKSPACE, REGION = "lanner-rehearsal", "lanner-rehearsal", "eastus"
ARTIFACTS, BLOBS = "workspaceartifactstore", "workspaceblobstore"  # datastores that every workspace has
CONTAINERS: Mapping[str, str] = {ARTIFACTS: "azureml", BLOBS: "azureml-blobstore-5c1a6d2e-3b7f-4f0e-9d55-0a1b2c3d4e5f"}
_CLUSTER = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9])=(?P<size>\w+)(:((?P<least>\d+)-)?(?P<most>\d+))?(?P<low>:low)?"
)
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_OF_ENVIRONMENTS = frozenset({"image", "condaFile", "build", "osType", "description", "tags", "isAnonymous"})


@dataclass(frozen=True)
class Cluster:
    """A compute cluster, as ``name=VM_SIZE[:[least-]most machines][:low]`` names one."""

    name: str
    vm_size: str
    most: int = 1
    low: bool = False
    least: int = 0

    @classmethod
    def parse(cls, text: str) -> Cluster:
        found = _CLUSTER.fullmatch(text)
        if found is None or found["size"] not in CORES:
            raise ValueError(f"{text!r}: expected name=VM_SIZE[:[least-]most][:low] with one of {', '.join(CORES)}")
        return cls(found["name"], found["size"], int(found["most"] or 1), bool(found["low"]), int(found["least"] or 0))


@dataclass(frozen=True)
class Workspace:
    """One workspace.

    Args:
        state: keeps its environments.
        account: of its storage.
        clusters: by name.
        client: whoever asks, as Azure names him.
    """

    state: Path
    account: str
    clusters: Mapping[str, Cluster]
    subscription: str = SUBSCRIPTION
    group: str = GROUP
    name: str = WORKSPACE
    region: str = REGION
    client: str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/{PROVIDER}/workspaces/{self.name}"

    def describe(self) -> dict[str, Any]:
        storage = f"providers/Microsoft.Storage/storageAccounts/{self.account}"
        return {
            "id": self.id,
            "name": self.name,
            "type": f"{PROVIDER}/workspaces",
            "location": self.region,
            "identity": {"type": "SystemAssigned", "principalId": self.client},
            "properties": {
                "friendlyName": self.name,
                "provisioningState": "Succeeded",
                "storageAccount": f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/{storage}",
                "discoveryUrl": f"https://{self.region}.api.azureml.ms/discovery",
                "workspaceId": "5c1a6d2e-3b7f-4f0e-9d55-0a1b2c3d4e5f",
            },
        }

    def compute(self, name: str, used: int, errors: list[dict[str, Any]]) -> dict[str, Any]:
        """A cluster's resource.

        Args:
            used: machines that jobs have.
            errors: why it does not grow.

        Raises:
            Refusal: there is none of this name.
        """
        cluster = self.clusters.get(name)
        if cluster is None:
            raise not_found(f"workspaces/{self.name}/computes", name, self.group)
        return {
            "id": f"{self.id}/computes/{name}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/computes",
            "location": self.region,
            "properties": {
                "computeType": "AmlCompute",
                "provisioningState": "Succeeded",
                "properties": {
                    "vmSize": cluster.vm_size.upper(),  # as the service answers it
                    "vmPriority": "LowPriority" if cluster.low else "Dedicated",
                    "osType": "Linux",
                    "scaleSettings": {
                        "minNodeCount": cluster.least,
                        "maxNodeCount": cluster.most,
                        "nodeIdleTimeBeforeScaleDown": "PT2M",
                    },
                    "allocationState": "Steady",
                    "currentNodeCount": max(used, cluster.least),
                    "targetNodeCount": max(used, cluster.least),
                    "errors": errors or None,
                },
            },
        }

    def datastore(self, name: str) -> dict[str, Any]:
        """A datastore's resource, without its secrets.

        Raises:
            Refusal: there is none of this name.
        """
        if name not in CONTAINERS:
            raise user_error(f"Could not find datastore: {name}", "NotFound", status=404, name=name)
        properties = {
            "datastoreType": "AzureBlob",
            "isDefault": name == BLOBS,
            "accountName": self.account,
            "containerName": CONTAINERS[name],
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentials": {"credentialsType": "AccountKey"},
        }
        return self._resource(f"datastores/{name}", name, "datastores", properties)

    def environment(self, name: str, version: str) -> dict[str, Any]:
        """An environment's resource.

        Raises:
            Refusal: there is none of this name and version.
        """
        file = self._file(name, version)
        if not file.exists():
            raise user_error(f"No environment found: {name}:{version}", "NotFound", status=404)
        return self._resource(
            f"environments/{name}/versions/{version}", version, "environments/versions", json.loads(file.read_text())
        )

    def put_environment(self, name: str, version: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Make an environment. Returns HTTP's status, and its resource.

        Raises:
            Refusal: it is none, or there is another one of this name and version, which never change.
        """
        properties = body.get("properties")
        if not isinstance(properties, dict) or unknown_fields(properties, _OF_ENVIRONMENTS):
            raise user_error(f"The environment cannot be understood: {properties!r}"[:500])
        if not (_ENVIRONMENT.fullmatch(name) and _ENVIRONMENT.fullmatch(version)):
            raise user_error("The environment's name or version is not valid.")
        if ("image" in properties) == ("build" in properties):
            raise user_error("Exactly one of image and build must be given.")
        with self._lock:
            file = self._file(name, version)
            if file.exists() and json.loads(file.read_text()) != properties:
                raise user_error(
                    f"Environment {name}:{version} already exists and is immutable.", "Immutable", status=409
                )
            status = 200 if file.exists() else 201
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, json.dumps(properties))
        return status, self.environment(name, version)

    @property
    def location(self) -> str:
        return f"/subscriptions/{self.subscription}/providers/{PROVIDER}/locations/{self.region}"

    def _file(self, name: str, version: str) -> Path:
        return self.state / "environments" / name / f"{version}.json"

    def _resource(self, path: str, name: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"{self.id}/{path}",
            "name": name,
            "type": f"{PROVIDER}/workspaces/{kind}",
            "properties": properties,
            "systemData": {"createdAt": now(), "createdBy": self.client, "createdByType": "Application"},
        }


def unknown_fields(given: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """Fields that no such resource has. The service may overlook them; here they are mistakes."""
    return sorted(set(given) - known)
