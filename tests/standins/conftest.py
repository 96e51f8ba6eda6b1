"""One emulator and one Vertex AI stand-in for all tests here; they start only where the emulator exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.standins import tiny_trainer
from tests.standins.aws.sagemaker_fixtures import (  # noqa: F401
    aws_url,
    s3,
    sagemaker,
    sagemaker_client,
    sagemaker_url,
    script_job,
)
from tests.standins.google import gcs
from tests.standins.google.vertex_client import VertexClient, vertex_standin

BUCKET = "lanner-test"
EXECUTOR = "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest"
QUICK = ("--queued", "0", "--pending", "0", "--grace", "2", "--upload", "0.2", "--log-reads", "100000")


def storage_client(url: str) -> storage.Client:
    """Google's own client, pointed at an emulator or a proxy."""
    options = {"api_endpoint": url}
    return storage.Client(project="lanner", credentials=AnonymousCredentials(), client_options=options)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an emulator with one bucket in it."""
    if why := gcs.why_not():
        pytest.skip(why)
    with gcs.gcs_standin(tmp_path_factory.mktemp("gcs")) as server:
        storage_client(server.url).create_bucket(BUCKET)
        yield server.url


@pytest.fixture(scope="session")
def bucket(emulator: str) -> storage.Bucket:
    return storage_client(emulator).bucket(BUCKET)


@pytest.fixture(scope="session")
def package(bucket: storage.Bucket, tmp_path_factory: pytest.TempPathFactory) -> str:
    """URI of the tiny trainer, staged as a wheel: most tests are about other things than its installation."""
    wheel = tiny_trainer.build(tmp_path_factory.mktemp("tiny"), "bdist_wheel")
    bucket.blob(f"packages/{wheel.name}").upload_from_filename(str(wheel))
    return f"gs://{BUCKET}/packages/{wheel.name}"


@pytest.fixture(scope="session")
def vertex_url(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = ("--region", "us-central1", "--region", "europe-west4", *QUICK)
    with vertex_standin(tmp_path_factory.mktemp("vertex"), emulator, *options) as server:
        yield server.url


@pytest.fixture(scope="session")
def vertex_client(vertex_url: str) -> VertexClient:
    return VertexClient(vertex_url)


@pytest.fixture
def vertex(vertex_client: VertexClient) -> Iterator[VertexClient]:
    """A client of the stand-in; what a test wished for and did not use up is forgotten after it."""
    yield vertex_client
    vertex_client.control("next", method="DELETE")
    vertex_client.control("release", {})


def tiny_job(package: str, *arguments: str, **spec: Any) -> dict[str, Any]:
    """A job that runs the tiny trainer with some arguments; keywords go into the job's spec."""
    task = {"executorImageUri": EXECUTOR, "packageUris": [package], "pythonModule": "tiny.task"}
    pool = {
        "machineSpec": {"machineType": "n1-standard-4"},
        "replicaCount": "1",
        "pythonPackageSpec": task | {"args": list(arguments)},
    }
    return {"displayName": "tiny", "jobSpec": {"workerPoolSpecs": [pool], **spec}}


@pytest.fixture
def make_job(package: str) -> Callable[..., dict[str, Any]]:
    """Makes jobs of the staged tiny trainer."""
    return partial(tiny_job, package)


@pytest.fixture
def output(request: pytest.FixtureRequest) -> Path:
    """A place in the bucket of a test's own, without ``gs://``."""
    return Path(BUCKET) / "out" / request.node.name.replace("[", "-").replace("]", "")
