"""The Azure ML stand-in as a process, and calls to it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

from include.clouds.azure_management import StaticToken
from include.clouds.azure_workspace import AzureWorkspace
from include.laptop.environment import free_port
from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_service import TOKEN
from tests.standins.azure.azure_ml_status import ENDED
from tests.standins.azure.azure_ml_workspace import (
    ARTIFACTS,
    BLOBS,
    CONTAINERS,
    GROUP,
    REGION,
    SUBSCRIPTION,
    WORKSPACE,
)
from tests.standins.processes import Standin, python_module, until

FIRST_PORT = 18920
SECONDS = 300.0  # for a job, on a busy machine


def azure_ml_standin(state: Path, blob: str, *options: str, port: int | None = None) -> Standin:
    """The stand-in, not yet started; ``options`` as of ``python -m tests.standins.azure.azure_ml``."""
    chosen = str(port or free_port(FIRST_PORT, quiet=True))
    command = python_module(
        "tests.standins.azure.azure_ml", "--port", chosen, "--state", str(state), "--blob", blob, *options
    )
    return Standin("azure_ml", command, f"http://127.0.0.1:{chosen}", state, ready="/control/next")


def workspace_at(url: str, token: str = TOKEN) -> AzureWorkspace:
    """The client of the service's own, pointed at the stand-in, or at a proxy before it."""
    endpoints = {"management": url, "history": url}
    return AzureWorkspace(StaticToken(token), SUBSCRIPTION, GROUP, WORKSPACE, REGION, endpoints=endpoints)


def storage_at(url: str) -> BlobServiceClient:
    """Azure's client of Blob storage, pointed at an emulator, or at a proxy before it."""
    return BlobServiceClient.from_connection_string(
        azurite.connection_string(url), initial_backoff=1, increment_base=2, retry_total=2
    )


def copy_blobs(url: str, into: Path) -> None:
    """What lies in the workspace's own container, as files: the emulator keeps it in pieces of other names."""
    container = storage_at(url).get_container_client(CONTAINERS[BLOBS])
    for blob in container.list_blobs():
        file = into / str(blob.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            container.download_blob(blob.name).readinto(opened)


class AzureMLClient:
    """Jobs, their lines, and the control endpoint.

    Args:
        url: of the stand-in.
        blob: of the emulator.
    """

    def __init__(self, url: str, blob: str) -> None:
        self.url = url
        self.workspace = workspace_at(url)
        self.storage = storage_at(blob)

    @property
    def blobs(self) -> Any:
        """The container that jobs read from and write to."""
        return self.storage.get_container_client(CONTAINERS[BLOBS])

    def get(self, name: str) -> dict[str, Any]:
        return self.workspace.get(f"jobs/{name}")

    def status(self, name: str) -> str:
        return str(self.get(name)["properties"]["status"])

    def lines(self, name: str, log: str = "std_log.txt") -> list[str]:
        """What a machine of a job has said so far."""
        blob = self.storage.get_blob_client(CONTAINERS[ARTIFACTS], f"ExperimentRun/dcid.{name}/user_logs/{log}")
        return blob.download_blob().readall().decode().splitlines() if blob.exists() else []

    def reaches(self, name: str, statuses: Collection[str] = ENDED, seconds: float = SECONDS) -> dict[str, Any]:
        """A job once it is in one of some statuses; fails if it ends in another."""
        return until(lambda: self._in(name, statuses), seconds, f"one of {sorted(statuses)}")

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", content, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def statuses(self, name: str) -> list[str]:
        """Every status that a job has had."""
        return self.control("history")[name]

    def _in(self, name: str, statuses: Collection[str]) -> dict[str, Any] | None:
        job = self.get(name)
        if job["properties"]["status"] in statuses:
            return job
        assert job["properties"]["status"] not in ENDED, (job, self.workspace.details(name), self.lines(name))
        return None
