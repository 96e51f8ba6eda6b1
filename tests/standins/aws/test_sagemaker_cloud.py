"""AWS on this machine as a deployment meets it: a connection of Airflow's, endpoints behind proxies, quotas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.standins.aws.sagemaker_client import boto3_client
from tests.standins.clouds import BUCKET, Cloud, aws
from tests.standins.proxy_client import control, rule


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with aws(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def client(cloud: Cloud, service: str, retries: int = 0) -> Any:
    """A client made as the connection says."""
    extra = json.loads(cloud.connections["AIRFLOW_CONN_AWS_DEFAULT"])["extra"]
    url = extra["service_config"].get(service, {}).get("endpoint_url", extra["endpoint_url"])
    return boto3_client(service, url, extra["region_name"], retries)


def test_who_and_what_there_is(cloud: Cloud) -> None:
    assert client(cloud, "sts").get_caller_identity()["Account"] == "123456789012"
    assert [each["Name"] for each in client(cloud, "s3").list_buckets()["Buckets"]] == [BUCKET]
    role = cloud.settings["aws"]["role"]
    assert client(cloud, "iam").get_role(RoleName=role.rsplit("/", 1)[1])["Role"]["Arn"] == role
    assert client(cloud, "sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_all_that_was_sent_is_kept(cloud: Cloud) -> None:
    """Whole, by whatever way it came, also what was overwritten and deleted."""
    s3 = client(cloud, "s3")
    s3.put_object(Bucket=BUCKET, Key="a/b", Body=b"one")
    s3.put_object(Bucket=BUCKET, Key="a/b", Body=b"two")
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"beside")
    s3.delete_object(Bucket=BUCKET, Key="a/b")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    parts = []
    for number, body in ((1, b"x" * (5 << 20)), (2, b"y")):
        part = s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "a"})
    kept = sorted((file.name.split("@")[0], file.read_bytes()) for file in cloud.bucket.iterdir())
    whole = b"x" * (5 << 20) + b"y"
    assert kept == [("a", b"beside"), ("a%2Fb", b"one"), ("a%2Fb", b"two"), ("copy", b"beside"), ("parts", whole)]


def test_quotas(cloud: Cloud) -> None:
    quotas = client(cloud, "service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    found = {each["QuotaName"]: each for page in pages for each in page["Quotas"]}
    assert found["ml.g4dn.xlarge for spot training job usage"]["Value"] == 2
    assert found["ml.p3.2xlarge for training job usage"]["Value"] == 0
    assert found["ml.m5.large for training job usage"]["Value"] == 4
    code = found["ml.p3.2xlarge for training job usage"]["QuotaCode"]
    assert quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["QuotaName"].startswith("ml.p3.2")
    for asked in ({"ServiceCode": "nothing", "QuotaCode": code}, {"ServiceCode": "sagemaker", "QuotaCode": "L-0"}):
        with pytest.raises(quotas.exceptions.NoSuchResourceException):
            quotas.get_service_quota(**asked)


def test_calls_can_be_broken_by_name(cloud: Cloud) -> None:
    """A throttled call is sent again by boto3, another one is not touched."""
    throttled = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"})
    rule(cloud.proxies["sagemaker"], fault="status", target="ListTrainingJobs", status=400, body=throttled, count=2)
    with pytest.raises(ClientError, match="ThrottlingException"):
        client(cloud, "sagemaker").list_training_jobs()
    client(cloud, "sagemaker").list_models()
    assert client(cloud, "sagemaker", retries=1).list_training_jobs()["TrainingJobSummaries"] == []
    assert control(cloud.proxies["sagemaker"], "rules")[0]["struck"] == 2
