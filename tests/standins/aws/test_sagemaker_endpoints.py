"""Endpoints: what is refused, what they go through, and that nothing but what is in service answers.

That one answers with its model is shown where there is a trained one: tests/training_services/sagemaker/test_builtin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client
from tests.standins.aws.sagemaker_fixtures import AWS_BUCKET, ROLE
from tests.standins.aws.server import REGION
from tests.standins.processes import until

IMAGE = f"811284229777.dkr.ecr.{REGION}.amazonaws.com/object-detection:1"


@pytest.fixture
def config(sagemaker: SageMakerClient, s3: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of a configuration and of its model, whose artifacts are none."""
    name = request.node.name.replace("_", "-")[:60].rstrip("-")
    s3.put_object(Bucket=AWS_BUCKET, Key="endpoints/none.tar.gz", Body=b"no archive")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{AWS_BUCKET}/endpoints/none.tar.gz"}
    sagemaker.api.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    sagemaker.api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    yield name
    sagemaker.control("release", {})
    if name in names(sagemaker):
        reaches(sagemaker, name, "Failed")
        sagemaker.api.delete_endpoint(EndpointName=name)
    sagemaker.api.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.api.delete_model(ModelName=name)


def variant(model: str, **fields: Any) -> dict[str, Any]:
    usual = {"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return usual | fields


def names(client: SageMakerClient) -> list[str]:
    return [each["EndpointName"] for each in client.api.list_endpoints()["Endpoints"]]


def reaches(client: SageMakerClient, name: str, status: str) -> dict[str, Any]:
    def stands() -> dict[str, Any] | None:
        found = client.api.describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] == status else None

    return until(stands, 300, f"{name}: {status}")


def test_configurations(sagemaker: SageMakerClient, config: str) -> None:
    found = sagemaker.api.describe_endpoint_config(EndpointConfigName=config)
    assert found["ProductionVariants"] == [variant(config)]
    listed = sagemaker.api.list_endpoint_configs(NameContains=config)["EndpointConfigs"]
    assert [each["EndpointConfigName"] for each in listed] == [config]
    with pytest.raises(ClientError, match='Cannot create already existing endpoint configuration "arn:aws:sagemaker:'):
        sagemaker.api.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant(config)])


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ([variant("nobody")], 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/nobody"'),
        ([variant("nobody", InstanceType="ml.m5.tiny")], "Member must satisfy enum value set"),
        ([{"VariantName": "a", "ModelName": "nobody"}], "one production variant"),
        ([variant("nobody"), variant("nobody", VariantName="b")], "one production variant"),
    ],
    ids=["no model", "no machine", "nothing said", "two"],
)
def test_configurations_that_are_refused(sagemaker: SageMakerClient, variants: list[Any], words: str) -> None:
    with pytest.raises(ClientError, match="ValidationException") as refused:
        sagemaker.api.create_endpoint_config(EndpointConfigName="refused", ProductionVariants=variants)
    assert words in str(refused.value)


def test_unknown_ones(sagemaker: SageMakerClient) -> None:
    for call in (sagemaker.api.describe_endpoint, sagemaker.api.delete_endpoint):
        with pytest.raises(ClientError, match=r'ValidationException.*Could not find endpoint "arn:.*endpoint/nobody"'):
            call(EndpointName="nobody")
    for call in (sagemaker.api.describe_endpoint_config, sagemaker.api.delete_endpoint_config):
        with pytest.raises(ClientError, match=r'Could not find endpoint configuration "arn:.*endpoint-config/nobody"'):
            call(EndpointConfigName="nobody")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.api.create_endpoint(EndpointName="refused", EndpointConfigName="nobody")
    with pytest.raises(ClientError, match="Member must satisfy regular expression pattern"):
        sagemaker.api.create_endpoint(EndpointName="-refused", EndpointConfigName="nobody")


def test_one_that_is_made_can_neither_be_deleted_nor_asked(sagemaker: SageMakerClient, config: str) -> None:
    """And fails, since its model is none; then it may go, and its name is free."""
    sagemaker.control("next", {"hold": "Starting"})
    sagemaker.api.create_endpoint(EndpointName=config, EndpointConfigName=config)
    assert sagemaker.api.describe_endpoint(EndpointName=config)["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.api.create_endpoint(EndpointName=config, EndpointConfigName=config)
    with pytest.raises(ClientError, match=r'ValidationException.*Cannot update in-progress endpoint "arn:'):
        sagemaker.api.delete_endpoint(EndpointName=config)
    runtime = boto3_client("sagemaker-runtime", sagemaker.url)
    with pytest.raises(ClientError, match=f"ValidationError.*Endpoint {config} of account 123456789012 not found"):
        runtime.invoke_endpoint(EndpointName=config, Body=b"image", ContentType="image/jpeg")
    sagemaker.control("release", {})
    assert "Failed to download model data" in reaches(sagemaker, config, "Failed")["FailureReason"]
    sagemaker.api.delete_endpoint(EndpointName=config)
    until(lambda: config not in names(sagemaker), 300, "the end of the endpoint")


def test_quota_is_what_all_endpoints_have_together(sagemaker: SageMakerClient, config: str) -> None:
    sagemaker.control("next", {"hold": "Starting"})
    sagemaker.api.create_endpoint(EndpointName=config, EndpointConfigName=config)
    four = [variant(config, InitialInstanceCount=4)]
    sagemaker.api.create_endpoint_config(EndpointConfigName=f"{config}-4", ProductionVariants=four)
    with pytest.raises(
        sagemaker.api.exceptions.ResourceLimitExceeded,
        match=r"'ml.m5.large for endpoint usage' is 4 Instances, with current utilization of 1 .* request delta of 4",
    ):
        sagemaker.api.create_endpoint(EndpointName=f"{config}-4", EndpointConfigName=f"{config}-4")
    sagemaker.api.delete_endpoint_config(EndpointConfigName=f"{config}-4")


def test_without_capacity_it_fails(sagemaker: SageMakerClient, config: str) -> None:
    sagemaker.control("next", {"fault": "capacity"})
    sagemaker.api.create_endpoint(EndpointName=config, EndpointConfigName=config)
    assert "InsufficientInstanceCapacity" in reaches(sagemaker, config, "Failed")["FailureReason"]


def test_too_large_a_request(sagemaker: SageMakerClient) -> None:
    runtime = boto3_client("sagemaker-runtime", sagemaker.url)
    with pytest.raises(ClientError, match="Member must have length less than or equal to 6291456"):
        runtime.invoke_endpoint(EndpointName="nobody", Body=b"0" * ((6 << 20) + 1), ContentType="image/jpeg")


def test_nothing_is_left_running(sagemaker: SageMakerClient, config: str) -> None:
    sagemaker.control("next", {"hold": "Starting"})
    sagemaker.api.create_endpoint(EndpointName=config, EndpointConfigName=config)

    def runners() -> list[str]:
        commands = [json.dumps(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"])]
        return [command for command in commands if "sagemaker_endpoint_runner" in command and config in command]

    until(runners, 300, "the endpoint's process")
    sagemaker.control("release", {})
    reaches(sagemaker, config, "Failed")
    until(lambda: not runners(), 300, "the end of the endpoint's process")
