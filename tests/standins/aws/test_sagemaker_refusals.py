"""What SageMaker refuses when a training job is submitted, and how it says so."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client, trust
from tests.standins.aws.sagemaker_fixtures import AWS_BUCKET, ROLE, Job, channel
from tests.standins.aws.sagemaker_status import STARTING, STOPPED
from tests.standins.aws.server import ACCOUNT


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as refused:
        call()
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def change(job: dict[str, Any], path: str, value: Any) -> None:
    """Set a field of a job, or take it away (None)."""
    *parents, last = path.split(".")
    at: Any = job
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    if value is None:
        del at[last]
    else:
        at[last] = value


SOURCE = "InputDataConfig.0.DataSource.S3DataSource"
SPOT = {"EnableManagedSpotTraining": True}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "TrainingJobName",
            "under_score",
            "'trainingJobName' failed to satisfy constraint: Member must satisfy regular",
        ),
        ("TrainingJobName", "x" * 64, "'trainingJobName' failed to satisfy constraint: Member must have length less"),
        ("ResourceConfig.InstanceType", "ml.p9.large", "'resourceConfig.instanceType' failed to satisfy constraint"),
        (
            "AlgorithmSpecification.TrainingInputMode",
            "Folder",
            "Member must satisfy enum value set: [Pipe, File, FastF",
        ),
        ("HyperParameters.long", "x" * 2501, "'hyperParameters.long.member' failed to satisfy constraint"),
        (f"{SOURCE}.S3Uri", "no-uri", "'inputDataConfig.1.member.dataSource.s3DataSource.s3Uri' failed to satisfy"),
        ("RoleArn", "arn:aws:iam::1:role/a" + "x" * 10, "'roleArn' failed to satisfy constraint"),
        ("InputDataConfig", [channel("train", f"s3://{AWS_BUCKET}/train/")] * 2, "Channel names must be unique"),
        ("AlgorithmSpecification.TrainingImage", None, "must have a TrainingImage"),
        ("ResourceConfig.InstanceCount", 0, "InstanceCount of at least 1"),
        ("ResourceConfig.VolumeSizeInGB", None, "VolumeSizeInGB"),
        ("StoppingCondition", None, "StoppingCondition"),
        (
            "RoleArn",
            f"arn:aws:iam::{ACCOUNT}:role/nobody",
            "Could not assume role arn:aws:iam::123456789012:role/nobody",
        ),
        ("RoleArn", "arn:aws:iam::999999999999:role/trainer", "allows principal 'sagemaker.amazonaws.com' to assume"),
        (f"{SOURCE}.S3Uri", f"s3://{AWS_BUCKET}/none/", f'No S3 objects found under S3 URL "s3://{AWS_BUCKET}/none/"'),
        (f"{SOURCE}.S3Uri", "s3://no-such-bucket/train", "The specified bucket does not exist"),
        (f"{SOURCE}.S3Uri", "s3://lanner-elsewhere/train", "The bucket is in this region: eu-west-1."),
        (
            "StoppingCondition.MaxWaitTimeInSeconds",
            7200,
            "only supported when EnableManagedSpotTraining is set to true",
        ),
        ("EnableManagedSpotTraining", True, "It must be present and be greater than or equal to MaxRuntimeInSeconds"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_validation(sagemaker: SageMakerClient, script_job: Job, path: str, value: Any, words: str) -> None:
    job = script_job()
    change(job, path, value)
    code, message = refusal(lambda: sagemaker.create(job))
    assert code == "ValidationException"
    assert words in message


@pytest.fixture(scope="module")
def elsewhere(aws_url: str) -> None:
    """A bucket in another region, with an object in it."""
    s3 = boto3_client("s3", aws_url, "eu-west-1")
    s3.create_bucket(Bucket="lanner-elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="lanner-elsewhere", Key="train/a", Body=b"a")


def test_all_that_does_not_fit_is_told_together(sagemaker: SageMakerClient, script_job: Job) -> None:
    job = script_job()
    change(job, "TrainingJobName", "under_score")
    change(job, "ResourceConfig.InstanceType", "ml.p9.large")
    _, message = refusal(lambda: sagemaker.create(job))
    assert message.startswith("2 validation errors detected: Value 'under_score' at 'trainingJobName' failed to")
    assert "; Value 'ml.p9.large' at 'resourceConfig.instanceType' failed to satisfy constraint" in message


def test_a_role_that_sagemaker_may_not_assume(sagemaker: SageMakerClient, script_job: Job, aws_url: str) -> None:
    iam = boto3_client("iam", aws_url)
    iam.create_role(RoleName="for-machines", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    code, message = refusal(lambda: sagemaker.create(script_job(RoleArn=ROLE.replace("trainer", "for-machines"))))
    assert code == "ValidationException"
    assert message.startswith("Could not assume role")


def test_a_spot_job_that_waits_shorter_than_it_runs(sagemaker: SageMakerClient, script_job: Job) -> None:
    times = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3599}
    code, message = refusal(lambda: sagemaker.create(script_job(StoppingCondition=times, **SPOT)))
    assert (code, message[:28]) == ("ValidationException", "Invalid MaxWaitTimeInSeconds")


def test_a_name_is_taken_for_ever(sagemaker: SageMakerClient, script_job: Job) -> None:
    sagemaker.control("next", {"fault": "capacity"})
    job = script_job()
    sagemaker.reaches(sagemaker.create(job))
    code, message = refusal(lambda: sagemaker.create(job))
    assert code == "ResourceInUse"
    assert message.startswith("Training job names must be unique within an AWS account and region, and a training job ")
    with pytest.raises(sagemaker.api.exceptions.ResourceInUse):
        sagemaker.create(job)


def test_of_twins_one_is_made(sagemaker: SageMakerClient, script_job: Job) -> None:
    sagemaker.control("next", {"hold": STARTING, "count": 8})
    job, told = script_job(), []

    def submit() -> None:
        try:
            told.append(sagemaker.create(job))
        except ClientError as error:
            told.append(error.response["Error"]["Code"])

    twins = [threading.Thread(target=submit) for _ in range(8)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()
    assert sorted(told) == sorted(["ResourceInUse"] * 7 + [job["TrainingJobName"]])
    sagemaker.stop(job["TrainingJobName"])


def test_another_region_has_names_of_its_own(sagemaker: SageMakerClient, script_job: Job, aws_url: str) -> None:
    sagemaker.control("next", {"fault": "capacity"})
    name = sagemaker.create(script_job())
    elsewhere = SageMakerClient(sagemaker.url, aws_url, "eu-west-1")
    assert refusal(lambda: elsewhere.describe(name)) == ("ValidationException", "Requested resource not found.")
    assert refusal(lambda: elsewhere.create(script_job()))[0] == "ValidationException"  # its bucket is not there


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({}, "training job usage"),
        (
            SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
            "spot training job usage",
        ),
    ],
)
def test_more_than_the_quota(sagemaker: SageMakerClient, script_job: Job, fields: dict[str, Any], usage: str) -> None:
    resources = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    code, message = refusal(lambda: sagemaker.create(script_job(ResourceConfig=resources, **fields)))
    assert code == "ResourceLimitExceeded"
    assert message.startswith(
        f"The account-level service limit 'ml.p3.2xlarge for {usage}' is 0 Instances, with current utilization of 0 "
        "Instances and a request delta of 1 Instances."
    )


def test_running_jobs_count_against_the_quota(sagemaker: SageMakerClient, script_job: Job) -> None:
    sagemaker.control("next", {"hold": STARTING})
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 3, "VolumeSizeInGB": 10}
    name = sagemaker.create(script_job(ResourceConfig=resources))
    code, message = refusal(lambda: sagemaker.create(script_job(suffix="2", ResourceConfig=resources)))
    assert code == "ResourceLimitExceeded"
    assert "is 4 Instances, with current utilization of 3 Instances and a request delta of 3 Instances" in message
    sagemaker.stop(name)
    sagemaker.reaches(name)
    sagemaker.control("next", {"fault": "capacity"})
    sagemaker.reaches(sagemaker.create(script_job(suffix="2", ResourceConfig=resources)))


def test_longer_than_any_job_may_run(sagemaker: SageMakerClient, script_job: Job) -> None:
    code, message = refusal(lambda: sagemaker.create(script_job(StoppingCondition={"MaxRuntimeInSeconds": 432_001})))
    assert code == "ResourceLimitExceeded"
    assert "Longest run time for a training job" in message


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("quota", "ResourceLimitExceeded", "'ml.m5.large for training job usage' is 0 Instances"),
        ("permission", "AccessDeniedException", "is not authorized to perform: sagemaker:CreateTrainingJob"),
        ("throttled", "ThrottlingException", "Rate exceeded"),
    ],
)
def test_refusals_on_demand(sagemaker: SageMakerClient, script_job: Job, fault: str, code: str, words: str) -> None:
    """As often as asked, and no job comes of it."""
    sagemaker.control("next", {"fault": fault, "count": 2})
    job = script_job()
    for _ in range(2):
        told = refusal(lambda: sagemaker.create(job))
        assert told[0] == code
        assert words in told[1]
    assert job["TrainingJobName"] not in sagemaker.control("history")
    assert sagemaker.control("next") == {"next": []}


def test_unknown_jobs(sagemaker: SageMakerClient) -> None:
    for call in (sagemaker.describe, sagemaker.stop):
        assert refusal(lambda call=call: call("nobody")) == ("ValidationException", "Requested resource not found.")
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/nobody"
    assert refusal(lambda: sagemaker.api.list_tags(ResourceArn=arn))[0] == "ValidationException"


def test_a_job_that_has_ended_is_not_stopped(sagemaker: SageMakerClient, script_job: Job) -> None:
    sagemaker.control("next", {"hold": STARTING})
    name = sagemaker.create(script_job())
    sagemaker.stop(name)
    sagemaker.reaches(name, {STOPPED})
    words = "The request was rejected because the training job is in status Stopped."
    assert refusal(lambda: sagemaker.stop(name)) == ("ValidationException", words)


def raw(sagemaker: SageMakerClient, target: str, body: bytes, authorization: str = "") -> tuple[int, dict[str, Any]]:
    """What a caller without boto3 is answered."""
    headers = {"X-Amz-Target": target, "Authorization": authorization, "Content-Type": "application/x-amz-json-1.1"}
    request = urllib.request.Request(sagemaker.url, body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    return refused.value.code, json.load(refused.value)


SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request"


@pytest.mark.parametrize(
    ("target", "body", "authorization", "status", "code"),
    [
        ("SageMaker.DescribeTrainingJob", b"{}", "", 403, "MissingAuthenticationTokenException"),
        ("SageMaker.CreateApp", b"{}", SIGNED, 400, "UnknownOperationException"),
        ("SageMaker.DescribeTrainingJob", b"{", SIGNED, 400, "SerializationException"),
        ("SageMaker.DescribeTrainingJob", b'{"TrainingJobName": 1}', SIGNED, 400, "SerializationException"),
        ("SageMaker.DescribeTrainingJob", b"{}", SIGNED, 400, "ValidationException"),
    ],
)
def test_calls_without_boto3(
    sagemaker: SageMakerClient, target: str, body: bytes, authorization: str, status: int, code: str
) -> None:
    told, error = raw(sagemaker, target, body, authorization)
    assert (told, error["__type"]) == (status, code)


def test_what_is_missing_is_named(sagemaker: SageMakerClient) -> None:
    _, error = raw(sagemaker, "SageMaker.CreateTrainingJob", b'{"TrainingJobName": "a"}', SIGNED)
    assert error["message"].startswith("2 validation errors detected: Value null at 'roleArn' failed to satisfy")


@pytest.mark.parametrize("wish", [{}, {"fault": "fire"}, {"fault": "quota", "times": 2}, {"hold": "Completed"}])
def test_wishes_that_mean_nothing(sagemaker: SageMakerClient, wish: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        sagemaker.control("next", wish)
