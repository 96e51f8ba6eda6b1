"""An emulator and a stand-in, and a deployment of each test's own whose trainer only counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.settings import AzureSettings
from include.store import Store
from tests.standins.azure.azure_ml_client import AzureMLClient, azure_ml_standin, storage_at, workspace_at
from tests.standins.azure.azure_ml_fixtures import options_for
from tests.standins.azure.azure_ml_workspace import GROUP, WORKSPACE
from tests.standins.azure.azurite import azurite_standin, why_not
from tests.training_services import counting_trainer
from training_services.azure_ml.cloud import AzureCloud
from training_services.azure_ml.service import AzureMLService
from training_services.job import TrainingJob

CLUSTERS = (
    "lanner-cpu=Standard_D8s_v3:8",
    "lanner-cpu-spot=Standard_D8s_v3:4:low",
    "lanner-t4=Standard_NC4as_T4_v3",
    "lanner-a10=Standard_NV36ads_A10_v5",
    "lanner-workers=Standard_D8s_v3:2",
    "unfit=Standard_D8s_v3:1:low",
)


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the stand-ins answer."""
    if why := why_not():
        pytest.skip(why)
    with (
        azurite_standin(tmp_path_factory.mktemp("azurite")) as blob,
        azure_ml_standin(tmp_path_factory.mktemp("azure_ml"), blob.url, *options_for(*CLUSTERS)) as azure_ml,
    ):
        yield {"blob": blob.url, "azure_ml": azure_ml.url}


@pytest.fixture
def standin(urls: dict[str, str]) -> Iterator[AzureMLClient]:
    client = AzureMLClient(urls["azure_ml"], urls["blob"])
    yield client
    client.control("next", method="DELETE")
    client.control("release", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> AzureSettings:
    """With a prefix of the test's own."""
    prefix = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    return AzureSettings(resource_group=GROUP, workspace=WORKSPACE, prefix=prefix)


@pytest.fixture
def service(
    urls: dict[str, str], settings: AzureSettings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AzureMLService:
    """A deployment with a prefix and a namespace of the test's own; its trainer only counts."""
    trainer = counting_trainer.package_files(tmp_path / "trainer")
    monkeypatch.setattr("training_services.azure_ml.bucket.package_files", lambda: trainer)
    return AzureMLService(cloud(urls), settings, store, namespace=f"n{settings.prefix}")


@pytest.fixture
def job(service: AzureMLService, store: Store) -> TrainingJob:
    return TrainingJob(
        prefix=f"{service.namespace}-azure-ml-11111111-22222222-g1",
        target="azure_ml",
        collection="toy",
        dataset=counting_trainer.dataset(store),
        configuration={"steps": 2, "how": 0, "weights": "none"},
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=600.0,
        machines=[{"preset": "cpu"}],
    )


def cloud(urls: dict[str, str]) -> AzureCloud:
    return AzureCloud(workspace_at(urls["azure_ml"]), lambda: storage_at(urls["blob"]))
