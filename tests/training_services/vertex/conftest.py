"""An emulator and a stand-in, and a deployment of each test's own whose trainer only counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from include.settings import GoogleSettings
from include.store import Store
from tests.standins.google.gcs import gcs_standin, why_not
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import VertexClient, vertex_standin
from tests.training_services import counting_trainer
from training_services.job import TrainingJob
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.service import VertexService

BUCKET = "lanner-vertex"
EUROPE, EUROPE_BUCKET = "europe-west4", "lanner-vertex-europe"
QUICK = ("--queued", "0", "--pending", "0", "--grace", "2", "--upload", "0.2", "--log-reads", "100000")


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the stand-ins answer, as the extra of a connection names them."""
    if why := why_not():
        pytest.skip(why)
    with gcs_standin(tmp_path_factory.mktemp("gcs")) as gcs:
        for bucket in (BUCKET, EUROPE_BUCKET):
            GoogleCloud(AnonymousCredentials(), PROJECT_ID, {"storage": gcs.url}).storage.create_bucket(bucket)
        regions = ("--region", "us-central1", "--region", EUROPE, "--bucket-region", f"{EUROPE_BUCKET}={EUROPE}")
        with vertex_standin(tmp_path_factory.mktemp("vertex"), gcs.url, *regions, *QUICK) as vertex:
            yield {"storage": gcs.url, "aiplatform": vertex.url, "logging": vertex.url}


@pytest.fixture
def standin(urls: dict[str, str]) -> Iterator[VertexClient]:
    client = VertexClient(urls["aiplatform"])
    yield client
    client.control("next", method="DELETE")
    client.control("release", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def service(
    urls: dict[str, str], store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> VertexService:
    """A deployment with a prefix and a namespace of the test's own; its trainer only counts."""
    monkeypatch.setattr("training_services.vertex.bucket.build_sdist", counting_trainer.build)
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]
    settings = GoogleSettings(bucket=BUCKET, prefix=name)
    cloud = GoogleCloud(AnonymousCredentials(), PROJECT_ID, urls)
    return VertexService(cloud, settings, store, regions=[EUROPE], namespace=f"n{name}")


@pytest.fixture
def job(service: VertexService, store: Store) -> TrainingJob:
    return TrainingJob(
        prefix=f"{service.namespace}-vertex-11111111-22222222-g1",
        target="vertex",
        collection="toy",
        dataset=counting_trainer.dataset(store),
        configuration={"steps": 2, "how": 0, "weights": "none"},
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=120.0,
        machines=[{"preset": "cpu"}],
    )
