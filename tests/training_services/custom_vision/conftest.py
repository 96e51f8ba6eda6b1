"""A stand-in of Custom Vision that really trains, and a deployment of each test's own in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.clouds.custom_vision_account import CustomVisionAccount
from include.custom_vision_training import CustomVisionConfiguration
from include.documents import DatasetDocument
from include.settings import CustomVisionSettings
from include.store import Store
from tests.standins.azure.custom_vision_client import (
    PREDICTION_KEY,
    PREDICTION_RESOURCE,
    TRAINING_KEY,
    CustomVisionClient,
    custom_vision_standin,
)
from tests.toy_collection import make_images
from tests.toy_dataset import put_dataset
from training_services.custom_vision.service import CustomVisionService
from training_services.job import TrainingJob

DETECTOR = ("--detector", '{"input_size": 64, "width": 0.25, "steps": 12}')
QUICK = ("--calls", "0")


@pytest.fixture(scope="session")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of all images that the stand-in was ever sent."""
    return tmp_path_factory.mktemp("sent")


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory, sent: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("custom-vision")
    with custom_vision_standin(folder, *QUICK, *DETECTOR, "--sent", str(sent)) as server:
        yield server.url


@pytest.fixture
def standin(url: str) -> Iterator[CustomVisionClient]:
    client = CustomVisionClient(url)
    yield client
    client.control("next", method="DELETE")
    client.control("release", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def dataset(store: Store, tmp_path: Path) -> DatasetDocument:
    """Of 48 images for training, so that each class is in more than 15."""
    return put_dataset(store, tmp_path, train=make_images(36, seed=1), validation=make_images(12, seed=2))


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    return "n" + hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def account(url: str, calls_per_second: float = 100.0) -> CustomVisionAccount:
    return CustomVisionAccount(
        url,
        TRAINING_KEY,
        PREDICTION_RESOURCE,
        prediction_key=PREDICTION_KEY,
        calls_per_second=calls_per_second,
        predictions_per_second=calls_per_second,
    )


@pytest.fixture
def service(url: str, store: Store, namespace: str) -> Iterator[CustomVisionService]:
    """A deployment with a namespace of the test's own; what is left of it is deleted after the test."""
    made = CustomVisionService(account(url), CustomVisionSettings(poll_seconds=0.2), store, namespace)
    yield made
    for project in made.projects.all():
        if project.name.startswith(f"{namespace}-"):
            made.projects.remove(project)


@pytest.fixture
def job(service: CustomVisionService, dataset: DatasetDocument) -> TrainingJob:
    return TrainingJob(
        prefix=f"{service.namespace}-custom-vision-11111111-22222222-g1",
        target="custom_vision",
        collection="toy",
        dataset=dataset.path,
        configuration=CustomVisionConfiguration.preset("sample").to_json(),
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=3600.0,
    )
