"""The run history: how a job went, and where its logs are.

As ``azure-ai-ml`` asks for it (_restclient/runhistory, ``RunDetails``); only what a job's status needs is there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from tests.standins.azure.azure_ml_store import JobStore
from tests.standins.azure.azure_ml_workspace import ARTIFACTS, CONTAINERS

VALID = timedelta(hours=1)


def details(store: JobStore, name: str, connection_string: str) -> dict[str, Any]:
    """``RunDetails`` of a job that there is."""
    stands, properties = store.status(name), store.jobs[name]["properties"]
    shown = {key: stands[key] for key in ("startTimeUtc", "endTimeUtc", "error") if key in stands}
    return {
        "runId": name,
        "target": properties["computeId"].rpartition("/")[2],
        "status": store.visible(name),
        **shown,
        "warnings": [],
        "properties": properties.get("properties", {}),
        "logFiles": _logs(name, connection_string),
    }


def _logs(name: str, connection_string: str) -> dict[str, str]:
    """The address of each log, with a signature that lets anybody read it for a while."""
    account = BlobServiceClient.from_connection_string(connection_string, retry_total=0)
    container = account.get_container_client(CONTAINERS[ARTIFACTS])
    folder = f"ExperimentRun/dcid.{name}/"
    found = {}
    try:
        for blob in container.list_blobs(name_starts_with=folder):
            signature = generate_blob_sas(
                str(account.account_name),
                str(container.container_name),
                str(blob.name),
                account_key=account.credential.account_key,
                permission=BlobSasPermissions(read=True),
                expiry=datetime.now(UTC) + VALID,
            )
            found[str(blob.name).removeprefix(folder)] = f"{container.get_blob_client(blob.name).url}?{signature}"
    except AzureError:
        return {}
    return found
