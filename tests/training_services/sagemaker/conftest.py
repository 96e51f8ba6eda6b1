"""An emulator and a stand-in, and a deployment of each test's own whose trainer only counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.session import Session

from include.clouds.aws_account import ALL_SERVICES, AwsAccount
from include.settings import AwsSettings
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client, sagemaker_standin, trust
from tests.standins.aws.server import ACCOUNT, REGION, aws_standin
from tests.training_services import counting_trainer
from training_services.job import TrainingJob
from training_services.sagemaker.service import SageMakerService

BUCKET = "lanner-sagemaker"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/trainer"
QUICK = ("--starting", "0", "--grace", "1", "--upload", "0.2", "--recovery", "0")
DETECTOR = ("--detector", '{"input_size": 64, "width": 0.25, "steps": 12}')  # of the built-in detection
QUOTAS = tuple(
    option
    for machine in ("ml.m5.2xlarge", "ml.g4dn.xlarge", "ml.g6.xlarge")
    for usage in ("training job usage", "spot training job usage")
    for option in ("--quota", f"{machine} for {usage}=50")
)


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the stand-ins answer, as a connection names them."""
    with aws_standin(tmp_path_factory.mktemp("aws")) as aws:
        boto3_client("s3", aws.url).create_bucket(Bucket=BUCKET)
        policy = trust("sagemaker.amazonaws.com")
        boto3_client("iam", aws.url).create_role(RoleName="trainer", AssumeRolePolicyDocument=policy)
        with sagemaker_standin(tmp_path_factory.mktemp("sagemaker"), aws.url, *QUICK, *DETECTOR, *QUOTAS) as sagemaker:
            theirs = dict.fromkeys(("sagemaker", "sagemaker-runtime", "service-quotas"), sagemaker.url)
            yield {ALL_SERVICES: aws.url, **theirs}


@pytest.fixture
def standin(urls: dict[str, str]) -> Iterator[SageMakerClient]:
    client = SageMakerClient(urls["sagemaker"], urls[ALL_SERVICES])
    yield client
    client.control("next", method="DELETE")
    client.control("release", {})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> AwsSettings:
    """With a prefix of the test's own."""
    return AwsSettings(bucket=BUCKET, role=ROLE, prefix=hashlib.sha256(request.node.name.encode()).hexdigest()[:8])


@pytest.fixture
def service(
    urls: dict[str, str], settings: AwsSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> SageMakerService:
    """A deployment with a prefix and a namespace of the test's own; its trainer only counts."""
    monkeypatch.setattr("training_services.sagemaker.bucket.build_source", counting_trainer.build_source)
    return SageMakerService(account(urls), settings, store, namespace=f"n{settings.prefix}")


@pytest.fixture
def job(service: SageMakerService, store: Store) -> TrainingJob:
    return TrainingJob(
        prefix=f"{service.namespace}-sagemaker-11111111-22222222-g1",
        target="sagemaker",
        collection="toy",
        dataset=counting_trainer.dataset(store),
        configuration={"steps": 2, "how": 0, "weights": "none"},
        owner="scheduled__2026-11-20T00:00:00+00:00",
        max_seconds=120.0,
        machines=[{"preset": "cpu"}],
    )


def account(urls: dict[str, str]) -> AwsAccount:
    return AwsAccount(Session("rehearsal", "rehearsal", region_name=REGION), REGION, urls)
