"""Two Airflow connections as clients of what a training needs: Azure Machine Learning, and Blob storage.

The first, of type ``azure``, has a service principal (login, password, ``tenantId``), or nothing but names, where
Airflow runs on Azure as an identity of its own. Its extra may name other endpoints and one fixed token, for rehearsals
and private networks::

    {"endpoints": {"management": "http://127.0.0.1:9001", "history": "http://127.0.0.1:9001"}, "token": "…"}

The second, of type ``wasb``, is for the storage account that belongs to the workspace, as the provider's hook
understands it: ``connection_string``, a service principal, or only the account's URL.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from include.clouds.azure_management import StaticToken
from include.clouds.azure_workspace import AzureWorkspace
from include.settings import AzureSettings
from training_services.azure_ml.blobs import BlobContainer

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobServiceClient


@dataclass(frozen=True)
class AzureCloud:
    """A workspace and the storage account that belongs to it.

    Args:
        open_storage: makes the client of that account, when it is first needed.
    """

    workspace: AzureWorkspace
    open_storage: Callable[[], BlobServiceClient]

    @classmethod
    def of_connections(cls, settings: AzureSettings) -> AzureCloud:
        """From the Airflow connections that the settings name.

        Raises:
            ValueError: neither the settings nor the connection name a subscription.
        """
        from airflow.providers.microsoft.azure.hooks.base_azure import AzureBaseHook

        connection = AzureBaseHook.get_connection(settings.connection)
        extra = connection.extra_dejson
        subscription = settings.subscription or extra.get("subscriptionId", "")
        if not subscription:
            raise ValueError(
                f"Connection {settings.connection} names no subscription. Set subscriptionId in the connection's "
                "extra, or azure.subscription in lanner.yaml (docs/azure.md)."
            )
        workspace = AzureWorkspace(
            credential_of(connection),
            subscription,
            settings.resource_group,
            settings.workspace,
            settings.region,
            endpoints=extra.get("endpoints", {}),
        )
        return cls(workspace, lambda: storage_of(settings.storage_connection))

    @cached_property
    def storage(self) -> BlobServiceClient:
        return self.open_storage()

    def storage_for(self, _: str) -> BlobServiceClient:
        """The client of the account that the storage connection is for, whichever is asked for: a check compares."""
        return self.storage

    def container(self, datastore: str) -> BlobContainer:
        """The container of Blob storage that the workspace knows by a datastore's name.

        Raises:
            FileNotFoundError: the workspace has no such datastore.
            ValueError: it is no container of the account that the storage connection is for.
        """
        found = self.workspace.get(f"datastores/{datastore}")["properties"]
        account = self.storage.account_name
        if found.get("datastoreType") != "AzureBlob" or found.get("accountName") != account:
            raise ValueError(
                f"Datastore {datastore} of workspace {self.workspace.name} is {found.get('datastoreType')} of account "
                f"{found.get('accountName')}; expected AzureBlob of account {account}, which the storage connection is "
                "for. Change azure.datastore or azure.storage_connection in lanner.yaml (docs/azure.md)."
            )
        return BlobContainer(self.storage.get_container_client(str(found["containerName"])))


def credential_of(connection: Connection) -> TokenCredential:
    """Who a connection of type ``azure`` is."""
    from airflow.providers.microsoft.azure.hooks.base_azure import AzureBaseHook

    extra = connection.extra_dejson
    if token := extra.get("token"):
        return StaticToken(str(token))
    connection.extra = json.dumps({**extra, "use_azure_identity_object": True})  # the hook's others have no get_token
    return AzureBaseHook().get_credential(conn=connection)  # type: ignore[return-value]


def storage_of(connection: str) -> BlobServiceClient:
    """The client of a storage account, from a connection of type ``wasb``."""
    from airflow.providers.microsoft.azure.hooks.wasb import WasbHook

    return WasbHook(connection).get_conn()
