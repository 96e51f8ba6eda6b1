"""Calls to one workspace of Azure Machine Learning, by the credentials of whoever asks.

The newest release of ``azure-mgmt-machinelearningservices`` that is no preview speaks an API of 2020, without jobs.
What is called, and how, is from Azure's published description:
https://github.com/Azure/azure-rest-api-specs/tree/main/specification/machinelearningservices/resource-manager
and, for how a job went, the run history as ``azure-ai-ml`` asks it:
https://github.com/Azure/azure-sdk-for-python/tree/main/sdk/ml/azure-ai-ml/azure/ai/ml/_restclient/runhistory
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from include.clouds.azure_management import AzureManagement

API_VERSION = "2024-10-01"
HISTORY = "history"  # key of an endpoint


@dataclass(frozen=True)
class AzureWorkspace(AzureManagement):
    """One workspace. Safe to use from several threads.

    Args:
        resource_group, name: of the workspace.
        region: in which it is.
        endpoints: URL by service ("management", "history"); see ``AzureManagement``.
    """

    resource_group: str
    name: str
    region: str

    @property
    def id(self) -> str:
        """The workspace as Azure's resources name it."""
        group = f"/subscriptions/{quote(self.subscription)}/resourceGroups/{quote(self.resource_group)}"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{quote(self.name)}"

    @property
    def location(self) -> str:
        """What Azure Machine Learning has of the workspace's region as a whole: quotas, sizes of machines."""
        provider = f"/subscriptions/{quote(self.subscription)}/providers/Microsoft.MachineLearningServices"
        return f"{provider}/locations/{quote(self.region)}"

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """A resource below the workspace ("jobs/…"), or the workspace itself (""). Errors are those of ``call``."""
        return self.call("GET", self._below(path), query)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a resource below the workspace, or find the same there. It may be repeated."""
        return self.call("PUT", self._below(path), {}, body)

    def post(self, path: str) -> None:
        self.call("POST", self._below(path), {})

    def delete(self, path: str) -> None:
        self.call("DELETE", self._below(path), {})

    def pages(self, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
        """A list of resources below the workspace, page by page."""
        return self.listed(self._below(path), query)

    def details(self, job: str) -> dict[str, Any]:
        """How a job went, as the run history has it: times, error, the addresses of its logs."""
        path = f"/history/v1.0{self.id}/runs/{quote(job)}/details"
        return self._run(HISTORY, "GET", path, None, None)

    def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask Azure's management, in Azure Machine Learning's version unless the query names another."""
        return super().call(method, path, {"api-version": API_VERSION, **(query or {})}, body)

    def _below(self, path: str) -> str:
        return f"{self.id}/{path}" if path else self.id

    def _usual(self, service: str) -> str:
        return f"https://{self.region}.api.azureml.ms" if service == HISTORY else super()._usual(service)

    def _named(self, path: str) -> str:
        return path.removeprefix(self.id).strip("/") or self.name
