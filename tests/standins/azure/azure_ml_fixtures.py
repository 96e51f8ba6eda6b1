"""One emulator of Blob storage and one Azure ML stand-in for all tests here, and jobs for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_client import AzureMLClient, azure_ml_standin
from tests.standins.azure.azure_ml_workspace import BLOBS

CLUSTERS = ("cpu=Standard_D8s_v3:8", "low=Standard_D8s_v3:4:low", "one=Standard_NC4as_T4_v3")
QUICK = ("--preparing", "0", "--allocation", "0", "--grace", "5", "--upload", "0.2")
ENVIRONMENT = "environments/tests/versions/1"

Job = Callable[..., dict[str, Any]]


def options_for(*clusters: str) -> list[str]:
    return [*QUICK, *(option for cluster in clusters for option in ("--cluster", cluster))]


@pytest.fixture(scope="session")
def azurite_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if why := azurite.why_not():
        pytest.skip(why)
    with azurite.azurite_standin(tmp_path_factory.mktemp("azurite")) as server:
        yield server.url


@pytest.fixture(scope="session")
def azure_ml_client(azurite_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureMLClient]:
    """A workspace with some clusters, an environment, and a blob to read."""
    with azure_ml_standin(tmp_path_factory.mktemp("azure_ml"), azurite_url, *options_for(*CLUSTERS)) as server:
        client = AzureMLClient(server.url, azurite_url)
        client.workspace.put(ENVIRONMENT, {"properties": {"image": "ours:1"}})
        client.blobs.upload_blob("data/a.txt", b"a")
        yield client


@pytest.fixture
def azure_ml(azure_ml_client: AzureMLClient) -> Iterator[AzureMLClient]:
    """What a test wished for and did not use up is forgotten after it."""
    yield azure_ml_client
    azure_ml_client.control("next", method="DELETE")
    azure_ml_client.control("release", {})


@pytest.fixture
def azure_ml_job(azure_ml_client: AzureMLClient, request: pytest.FixtureRequest) -> Job:
    """Makes the body of a job that runs a command of bash's; keywords are its properties'.

    It reads ``data`` and writes to ``out``, which is a folder of the test's own.
    """
    workspace = azure_ml_client.workspace
    own = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)

    def make(command: str = "true", **properties: Any) -> dict[str, Any]:
        asked = {
            "jobType": "Command",
            "computeId": f"{workspace.id}/computes/cpu",
            "environmentId": f"{workspace.id}/{ENVIRONMENT}",
            "command": command,
            "inputs": {
                "data": {"jobInputType": "uri_folder", "mode": "ReadOnlyMount", "uri": uri(azure_ml_client, "data/")}
            },
            "outputs": {
                "out": {
                    "jobOutputType": "uri_folder",
                    "mode": "ReadWriteMount",
                    "uri": uri(azure_ml_client, f"out/{own}/"),
                }
            },
        }
        return {"properties": asked | properties}

    return make


def uri(client: AzureMLClient, path: str) -> str:
    """A folder of the workspace's own datastore, as jobs name it."""
    workspace = client.workspace.id.replace("/providers/Microsoft.MachineLearningServices", "")
    return f"azureml:/{workspace}/datastores/{BLOBS}/paths/{path}"


def out(client: AzureMLClient, job: dict[str, Any]) -> dict[str, bytes]:
    """What a job has written, by name."""
    folder = job["properties"]["outputs"]["out"]["uri"].partition("/paths/")[2]
    blobs = client.blobs
    return {
        str(blob.name).removeprefix(folder): blobs.download_blob(blob.name).readall()
        for blob in blobs.list_blobs(name_starts_with=folder)
    }
