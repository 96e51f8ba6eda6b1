"""Clients of Azure by the credentials of the environment, for looks by hand: Airflow is not asked.

Where the variable of Airflow's connection is set (``AIRFLOW_CONN_AZURE_DEFAULT`` and the like, as docs/azure.md has
them), that is who asks; else it is whom the SDK finds: ``az login``, ``AZURE_CLIENT_ID`` with its fellows, or the
machine's identity.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.checks.azure.gathering import Storage
from include.clouds.azure_management import MANAGEMENT, AzureManagement, StaticToken
from include.clouds.azure_workspace import AzureWorkspace
from include.clouds.custom_vision_account import CustomVisionAccount, with_scheme
from include.settings import AzureSettings, CustomVisionSettings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobServiceClient

BLOB, TRAINING, PREDICTION = "blob", "training", "prediction"  # keys of endpoints, beside MANAGEMENT
SERVICES = (MANAGEMENT, BLOB, TRAINING, PREDICTION)


def connection(name: str) -> dict[str, Any]:
    """Airflow's connection of a name, from its variable; empty if there is none.

    Raises:
        ValueError: it is not written as JSON.
    """
    variable = f"AIRFLOW_CONN_{name.upper()}"
    if not (text := os.environ.get(variable, "")):
        return {}
    try:
        found = json.loads(text)
        extra = found.get("extra") or {}
        return {**found, "extra": json.loads(extra) if isinstance(extra, str) else extra}
    except (ValueError, AttributeError) as wrong:  # the text may hold a secret: it is not repeated
        raise ValueError(
            f"{variable} is no JSON object; only that form can be read here (docs/azure.md has examples)."
        ) from wrong


def credential_of(described: Mapping[str, Any], tenant: str = "tenantId") -> TokenCredential:
    """Who a connection is; an empty one: whom the SDK finds.

    Args:
        tenant: where in its extra the tenant of a service principal stands.
    """
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    extra = described.get("extra", {})
    login, password, at = described.get("login"), described.get("password"), extra.get(tenant)
    if token := extra.get("token"):
        return StaticToken(str(token))
    if login and password and at:
        return ClientSecretCredential(str(at), str(login), str(password))
    identity = extra.get("managed_identity_client_id")
    return DefaultAzureCredential(managed_identity_client_id=identity) if identity else DefaultAzureCredential()


def workspace_of(azure: AzureSettings, endpoints: Mapping[str, str]) -> AzureWorkspace:
    """The workspace of the settings.

    Raises:
        ValueError: no subscription is named.
    """
    described = connection(azure.connection)
    extra = described.get("extra", {})
    subscription = azure.subscription or extra.get("subscriptionId") or os.environ.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise ValueError(
            "No subscription is named: use --subscription (az account show --query id), set azure.subscription in "
            f"lanner.yaml, or subscriptionId in the extra of connection {azure.connection} (docs/azure.md)."
        )
    return AzureWorkspace(
        credential_of(described),
        subscription,
        azure.resource_group,
        azure.workspace,
        azure.region,
        endpoints=_management(endpoints, extra),
    )


def storage_of(azure: AzureSettings, endpoints: Mapping[str, str]) -> Storage:
    """Makes the client of the storage connection's account; where there is no such connection, of the datastore's.

    Raises:
        ValueError: the connection is not written as JSON.
    """
    from azure.storage.blob import BlobServiceClient

    described = connection(azure.storage_connection)
    extra = described.get("extra", {})

    def open_storage(account: str) -> BlobServiceClient:
        if text := extra.get("connection_string"):
            return BlobServiceClient.from_connection_string(str(text))
        if endpoints and BLOB not in endpoints:
            raise LookupError(f"other endpoints than Azure's are named, and none for {BLOB}")
        url = endpoints.get(BLOB) or described.get("host") or f"https://{account}.blob.core.windows.net"
        who = described or connection(azure.connection)
        return BlobServiceClient(with_scheme(url), credential_of(who, "tenant_id" if described else "tenantId"))

    return open_storage


def vision_account_of(vision: CustomVisionSettings, endpoints: Mapping[str, str]) -> CustomVisionAccount:
    """The Custom Vision resource of the settings. Its keys have no other place than its connection.

    Raises:
        ValueError: there is no such connection, or it names no endpoint or no key.
    """
    described = connection(vision.connection)
    host, key = described.get("host"), described.get("password")
    if not (host and key):
        raise ValueError(
            f"AIRFLOW_CONN_{vision.connection.upper()} with the endpoint of a Custom Vision resource as its host and "
            "a training key as its password is needed to look at Custom Vision (docs/custom_vision.md has an example)."
        )
    extra = dict(described["extra"])
    if PREDICTION in endpoints:
        extra["prediction_endpoint"] = endpoints[PREDICTION]
    endpoint = endpoints.get(TRAINING) or with_scheme(str(host), described.get("schema"), described.get("port"))
    return CustomVisionAccount.described(
        endpoint, str(key), extra, tier=vision.tier, calls_per_second=vision.calls_per_second
    )


def management_of(azure: AzureSettings | None, prediction_id: str, endpoints: Mapping[str, str]) -> AzureManagement:
    """Azure's management of the subscription in which the resource is that predicts."""
    described = connection(azure.connection if azure else AzureSettings.model_fields["connection"].default)
    parts = prediction_id.split("/")
    subscription = parts[2] if len(parts) > 2 else ""
    return AzureManagement(
        credential_of(described), subscription, endpoints=_management(endpoints, described.get("extra", {}))
    )


def _management(endpoints: Mapping[str, str], extra: Mapping[str, Any]) -> dict[str, str]:
    """Where the management answers, as the command line or the connection says."""
    return dict(endpoints) or dict(extra.get("endpoints", {}))
