"""A project of Google that is ready for trainings on a T4, on the stand-in, and credentials for it; an AWS account."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.checks.google.access import PERMISSIONS
from include.checks.google.machines import VERTEX
from include.clouds.google_project import GoogleProject
from tests.standins.google.setup import NUMBER, SERVICES, Project, key_file, serving

ID, BUCKET, EUROPE_BUCKET = "our-project", "our-bucket", "our-bucket-in-europe"
TRAINER = f"trainer@{ID}.iam.gserviceaccount.com"
TRUST = {  # whom a role of SageMaker trusts
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
AGENT = f"service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com"


@dataclass
class Rehearsed:
    """A project of the stand-in, and where it answers."""

    project: Project
    url: str

    @property
    def endpoints(self) -> dict[str, str]:
        return dict.fromkeys(SERVICES, self.url)

    def client(self) -> GoogleProject:
        return GoogleProject.of_environment("", self.endpoints)


def sound() -> Project:
    """Nothing is missing in it for trainings in us-central1."""
    return Project(
        ID,
        permissions=set(PERMISSIONS),
        apis={f"{name}.googleapis.com" for name in ("aiplatform", "storage", "logging", "compute")}
        | {"cloudresourcemanager.googleapis.com"},
        policies={
            "project": [{"role": "roles/aiplatform.serviceAgent", "members": [f"serviceAccount:{AGENT}"]}],
            BUCKET: [{"role": "roles/storage.objectUser", "members": [f"serviceAccount:{TRAINER}"]}],
        },
        buckets={BUCKET: {"name": BUCKET, "location": "US-CENTRAL1"}},
        accounts={TRAINER},
        quotas={
            f"{VERTEX}/custom_model_training_cpus": 42,
            (f"{VERTEX}/custom_model_training_nvidia_t4_gpus", "us-central1"): 1,
        },
        zones={
            "n1-standard-8": ["us-central1-a", "us-central1-b", "europe-west4-a"],
            "nvidia-tesla-t4": ["us-central1-a"],
        },
    )


@pytest.fixture
def rehearsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanner: Path) -> Iterator[Rehearsed]:
    """The sound project, to be spoilt by the test; the environment has a key for it."""
    project = sound()
    with serving(project) as url:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file(tmp_path, url, ID)))
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        yield Rehearsed(project, url)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> str:
    """Where an empty account answers."""
    urllib.request.urlopen(urllib.request.Request(f"{moto_server}/moto-api/reset", method="POST")).close()
    return moto_server
