"""Airflow's connections as clients: who asks, where, and of which account the storage is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from include import settings as lanner_settings
from include.clouds.azure_management import StaticToken
from tests.standins.azure.azure_ml_workspace import SUBSCRIPTION
from tests.standins.azure.azurite import connection_string
from training_jobs.targets import open_service
from training_services.azure_ml.cloud import AzureCloud
from training_services.azure_ml.service import AzureMLService

YAML = "namespace: ours\nazure: {resource_group: ours, workspace: ours-ml, region: westeurope%s}\n"


def opened(lanner: Path, monkeypatch: pytest.MonkeyPatch, more: str = "", **connection: Any) -> AzureMLService:
    described = json.dumps({"conn_type": "azure", **connection})
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", described)
    (lanner / "lanner.yaml").write_text(YAML % more)
    service = open_service("azure_ml")
    assert isinstance(service, AzureMLService)
    return service


def test_a_service_principal(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = {"tenantId": "11111111-2222-3333-4444-555555555555", "subscriptionId": SUBSCRIPTION}
    service = opened(lanner, monkeypatch, login="id", password="hush", extra=tenant)
    workspace = service.cloud.workspace
    assert isinstance(workspace.credential, ClientSecretCredential)
    assert (workspace.subscription, workspace.name, workspace.region) == (SUBSCRIPTION, "ours-ml", "westeurope")
    assert (service.namespace, service.jobs.tag) == ("ours", "lanner_ours")
    assert "hush" not in repr(workspace)


def test_an_identity_of_the_machine(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = opened(lanner, monkeypatch, f", subscription: {SUBSCRIPTION}")
    assert isinstance(service.cloud.workspace.credential, DefaultAzureCredential)


def test_a_rehearsal(lanner: Path, monkeypatch: pytest.MonkeyPatch, urls: dict[str, str]) -> None:
    extra = {"token": "x", "subscriptionId": SUBSCRIPTION, "endpoints": {"management": urls["azure_ml"]}}
    service = opened(lanner, monkeypatch, extra=extra)
    workspace = service.cloud.workspace
    assert isinstance(workspace.credential, StaticToken)
    assert "'x'" not in repr(workspace)
    with pytest.raises(PermissionError, match="InvalidAuthenticationToken"):
        workspace.get("")
    with pytest.raises(LookupError, match="none for history"):
        workspace.details("x")
    storage = {"conn_type": "wasb", "extra": {"connection_string": connection_string(urls["blob"])}}
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(storage))
    assert service.cloud.storage.account_name == "devstoreaccount1"


def test_without_a_subscription(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="azure_default names no subscription"):
        opened(lanner, monkeypatch, extra={"token": "x"})
    (lanner / "lanner.yaml").write_text("namespace: ours\n")
    with pytest.raises(lanner_settings.SettingsError, match="target azure_ml needs 'azure:' with at least a resource"):
        open_service("azure_ml")


def test_a_datastore_of_another_account(service: AzureMLService) -> None:
    other = AzureCloud(service.cloud.workspace, lambda: BlobServiceClient("https://other.blob.core.windows.net"))
    with pytest.raises(
        ValueError, match="is AzureBlob of account devstoreaccount1; expected AzureBlob of account other"
    ):
        other.container("workspaceblobstore")
