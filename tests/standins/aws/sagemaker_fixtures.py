"""One emulator of AWS's small services and one SageMaker stand-in for all tests here; imported by ``conftest``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standins import tiny_script
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client, sagemaker_standin, trust
from tests.standins.aws.server import ACCOUNT, REGION, aws_standin

AWS_BUCKET = "lanner-test"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/trainer"
SCRIPT_IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker"
QUICK = ("--starting", "0", "--grace", "1", "--upload", "0.2", "--recovery", "0")
QUOTAS = ("ml.m5.large for training job usage=50", "ml.m5.large for spot training job usage=50")

Job = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an emulator with a bucket, a role, and the tiny script in the bucket."""
    with aws_standin(tmp_path_factory.mktemp("aws")) as server:
        iam = boto3_client("iam", server.url)
        iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com"))
        s3 = boto3_client("s3", server.url)
        s3.create_bucket(Bucket=AWS_BUCKET)
        s3.put_object(Bucket=AWS_BUCKET, Key="code/sourcedir.tar.gz", Body=tiny_script.sourcedir())
        s3.put_object(Bucket=AWS_BUCKET, Key="train/a.txt", Body=b"a")
        s3.put_object(Bucket=AWS_BUCKET, Key="train/deep/b.txt", Body=b"b")
        yield server.url


@pytest.fixture(scope="session")
def s3(aws_url: str) -> Any:
    return boto3_client("s3", aws_url)


@pytest.fixture(scope="session")
def sagemaker_url(aws_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    quotas = [option for quota in QUOTAS for option in ("--quota", quota)]
    with sagemaker_standin(tmp_path_factory.mktemp("sagemaker"), aws_url, *QUICK, *quotas) as server:
        yield server.url


@pytest.fixture(scope="session")
def sagemaker_client(sagemaker_url: str, aws_url: str) -> SageMakerClient:
    return SageMakerClient(sagemaker_url, aws_url)


@pytest.fixture
def sagemaker(sagemaker_client: SageMakerClient) -> Iterator[SageMakerClient]:
    """A client of the stand-in; what a test wished for and did not use up is forgotten after it."""
    yield sagemaker_client
    sagemaker_client.control("next", method="DELETE")
    sagemaker_client.control("release", {})


@pytest.fixture
def script_job(request: pytest.FixtureRequest) -> Job:
    """Makes jobs of the tiny script, named after the test; each test may ask for several, of other suffixes."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name).strip("-")[:48].strip("-")

    def make(todo: str = "", suffix: str = "1", **fields: Any) -> dict[str, Any]:
        return tiny_job(f"{name}-{suffix}", todo) | fields

    return make


def tiny_job(name: str, todo: str) -> dict[str, Any]:
    """A training job in script mode."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": SCRIPT_IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{AWS_BUCKET}/code/sourcedir.tar.gz",
            "todo": todo or "print=nothing to do",
        },
        "InputDataConfig": [channel("train", f"s3://{AWS_BUCKET}/train/")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{AWS_BUCKET}/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def channel(name: str, uri: str, **fields: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **fields}
