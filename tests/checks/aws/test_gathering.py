"""The facts of an account: S3, IAM, STS, EC2, ECR, KMS and the list of jobs against moto, over HTTP.

moto has no quotas of SageMaker and no policy simulator. Those answers are put in by botocore's Stubber, which refuses
what AWS's published shapes do not allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from boto3.session import Session
from botocore.stub import ANY, Stubber

from include.checks.aws.access import needed, resources
from include.checks.aws.builtin import RULES
from include.checks.aws.builtin_job import BuiltinJob, Channel
from include.checks.aws.facts import AwsFacts, Quota
from include.checks.aws.gathering import (
    gather,
    look_at_bucket,
    look_at_caller,
    look_at_channels,
    look_at_image,
    look_at_key,
    look_at_network,
    look_at_objects,
    look_at_offers,
    look_at_quotas,
    look_at_role,
    look_at_running,
)
from include.checks.aws.instances import AskedInstance
from include.checks.aws.simulation import look_at_actions, principal_of, trusts
from include.checks.rule import check
from include.clouds.aws_account import AwsAccount
from tests.checks.conftest import TRUST

REGION = "eu-west-1"
G5, SPOT = "ml.g5.xlarge for training job usage", "ml.g5.xlarge for spot training job usage"


@pytest.fixture
def account(moto: str) -> AwsAccount:
    return AwsAccount.of_environment(REGION, {"": moto})


def stubbed(service: str) -> tuple[Any, Stubber]:
    client = Session("test", "test", region_name=REGION).client(service)
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber


# --- against moto


def test_who_asks(account: AwsAccount) -> None:
    assert look_at_caller(account.client("sts"))["caller"].startswith("arn:aws:sts::123456789012:user/")


def test_a_bucket_and_where_it_lies(account: AwsAccount) -> None:
    s3 = account.client("s3")
    assert look_at_bucket(s3, "our-bucket") == {"bucket_region": ""}
    s3.create_bucket(Bucket="our-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert look_at_bucket(s3, "our-bucket") == {"bucket_region": REGION}
    elsewhere = AwsAccount(account.session, "us-east-1", account.endpoints).client("s3")
    assert look_at_bucket(elsewhere, "our-bucket") == {"bucket_region": REGION}


def test_what_lies_under_a_prefix(account: AwsAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="our-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ("a", "b"):
        s3.put_object(Bucket="our-bucket", Key=f"lanner/train/{name}", Body=b"x")
    counts = [look_at_objects(s3, f"s3://our-bucket/lanner/{name}") for name in ("train", "train/", "validation")]
    assert counts == [2, 2, 0]


def test_channels_and_what_is_wrong_with_each(account: AwsAccount) -> None:
    """The first of the classic failures, from the bucket itself to the words."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket="our-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="our-bucket", Key="lanner/train/a", Body=b"x")
    places = {
        "train": "s3://our-bucket/lanner/train",
        "validation": "s3://our-bucket/lanner/validation",
        "train_annotation": "s3://another-bucket/lanner/train",
    }
    channels = look_at_channels(s3, [Channel(name, uri, "application/x-image") for name, uri in places.items()])
    assert [(each.region, each.objects) for each in channels] == [(REGION, 1), (REGION, 0), ("", None)]
    job = BuiltinJob("us-east-1", "role/trainer", channels, {}, 1, 1, 1, 1)
    said = [finding.wrong for finding in check(RULES, job) if finding.code == "S3_PREFIX"]
    assert len(said) == 3
    assert "our-bucket lies in eu-west-1, the job would run in us-east-1" in said[0]
    assert "there is no bucket another-bucket" in said[2]
    [nothing, _] = [
        finding.wrong for finding in check(RULES, replace(job, region=REGION)) if finding.code == "S3_PREFIX"
    ]
    assert "nothing lies under s3://our-bucket/lanner/validation" in nothing


def test_a_role_and_whom_it_trusts(account: AwsAccount) -> None:
    iam = account.client("iam")
    assert look_at_role(iam, "trainer") == {"role_arn": ""}
    iam.create_role(RoleName="trainer", Path="/ours/", AssumeRolePolicyDocument=json.dumps(TRUST))
    arn = "arn:aws:iam::123456789012:role/ours/trainer"
    assert look_at_role(iam, "trainer") == {"role_arn": arn, "role_trusts": True}
    assert principal_of(iam, "arn:aws:sts::123456789012:assumed-role/trainer/session") == arn
    assert principal_of(iam, "arn:aws:iam::123456789012:user/airflow") == "arn:aws:iam::123456789012:user/airflow"
    other = {
        "Version": "2012-10-17",
        "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}],
    }
    iam.update_assume_role_policy(RoleName="trainer", PolicyDocument=json.dumps(other))
    assert look_at_role(iam, "trainer")["role_trusts"] is False


def test_machines_of_the_region(account: AwsAccount) -> None:
    assert look_at_offers(account.client("ec2"), ["ml.m5.xlarge", "ml.m5.none"]) == {
        "ml.m5.none": False,
        "ml.m5.xlarge": True,
    }


def test_a_key(account: AwsAccount) -> None:
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    assert look_at_key(kms, key) == "Enabled"
    kms.disable_key(KeyId=key)
    assert look_at_key(kms, key) == "Disabled"
    assert look_at_key(kms, "00000000-0000-0000-0000-000000000000") == ""


def test_an_image(account: AwsAccount) -> None:
    ecr = account.client("ecr")
    registry = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
    assert look_at_image(ecr, f"{registry}/lanner/trainer:1") is False
    ecr.create_repository(repositoryName="lanner/trainer")
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}
    )
    ecr.put_image(repositoryName="lanner/trainer", imageManifest=manifest, imageTag="1")
    assert look_at_image(ecr, f"{registry}/lanner/trainer:1") is True
    assert look_at_image(ecr, f"{registry}/lanner/trainer:2") is False
    assert look_at_image(ecr, "docker.io/lanner/trainer:1") is None


def test_the_network(account: AwsAccount) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    assert look_at_network(ec2, [subnet, group]) == frozenset()
    assert look_at_network(ec2, [subnet, "subnet-00000000", "sg-00000000"]) == {"subnet-00000000", "sg-00000000"}


def test_all_that_moto_can_answer_and_what_it_cannot_is_noted(account: AwsAccount) -> None:
    account.client("s3").create_bucket(Bucket="our-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    account.client("iam").create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps(TRUST))
    role = "arn:aws:iam::123456789012:role/trainer"
    asked = AwsFacts(REGION, "our-bucket", role, (AskedInstance("ml.m5.xlarge"),))
    facts = gather(account, asked)
    assert (facts.bucket_region, facts.role_arn, facts.role_trusts) == (REGION, role, True)
    assert facts.offered == {"ml.m5.xlarge": True}
    assert facts.running == {}
    assert [note.partition(":")[0] for note in facts.unknown] == [
        "the caller's permissions",
        "the role's permissions",
        "quotas",
    ]
    assert (facts.missing, facts.role_missing, facts.quotas) == (None, None, {})


def test_of_services_without_an_endpoint_nothing_is_learned(moto: str) -> None:
    account = AwsAccount.of_environment(REGION, {"sts": moto})
    facts = gather(account, AwsFacts(REGION, "our-bucket", "role/trainer", (AskedInstance("ml.m5.xlarge"),)))
    assert facts.bucket_region is None and facts.caller
    assert all("none for" in note for note in facts.unknown)


# --- with answers put in


def test_credentials_that_are_refused() -> None:
    sts, stubber = stubbed("sts")
    stubber.add_client_error("get_caller_identity", "ExpiredToken", "The security token is expired", 403)
    assert look_at_caller(sts) == {"caller": "", "refusal": "The security token is expired"}


@pytest.mark.parametrize("region", ["us-east-1", None])
def test_a_bucket_of_somebody_else(region: str | None) -> None:
    s3, stubber = stubbed("s3")
    headers = {"x-amz-bucket-region": region} if region else {}
    stubber.add_client_error("head_bucket", "403", "Forbidden", 403, response_meta={"HTTPHeaders": headers})
    assert look_at_bucket(s3, "our-bucket") == {"bucket_region": region, "bucket_forbidden": True}


def quota(name: str, value: float, code: str) -> dict[str, Any]:
    return {"ServiceCode": "sagemaker", "QuotaName": name, "QuotaCode": code, "Value": value, "Adjustable": True}


def test_the_accounts_own_quota_goes_before_the_default_and_pages_are_turned() -> None:
    client, stubber = stubbed("service-quotas")
    first = {"Quotas": [quota("ml.g5.xlarge for endpoint usage", 7, "L-00000000")], "NextToken": "2"}
    stubber.add_response("list_service_quotas", first, {"ServiceCode": "sagemaker"})
    second = {"Quotas": [quota(G5, 3, "L-AAAAAAAA")]}
    stubber.add_response("list_service_quotas", second, {"ServiceCode": "sagemaker", "NextToken": "2"})
    defaults = {"Quotas": [quota(G5, 0, "L-AAAAAAAA"), quota(SPOT, 1, "L-BBBBBBBB")]}
    stubber.add_response("list_aws_default_service_quotas", defaults, {"ServiceCode": "sagemaker"})
    assert look_at_quotas(client, {G5, SPOT, "ml.none for training job usage"}) == {
        G5: Quota(3, "L-AAAAAAAA"),
        SPOT: Quota(1, "L-BBBBBBBB"),
    }
    stubber.assert_no_pending_responses()


def test_no_page_is_asked_for_in_vain() -> None:
    client, stubber = stubbed("service-quotas")
    first = {"Quotas": [quota(G5, 3, "L-AAAAAAAA")], "NextToken": "2"}
    stubber.add_response("list_service_quotas", first, {"ServiceCode": "sagemaker"})
    assert look_at_quotas(client, {G5}) == {G5: Quota(3, "L-AAAAAAAA")}


def described(name: str, spot: bool, count: int) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{name}",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": count, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "CreationTime": "2026-11-25T00:00:00Z",
        "EnableManagedSpotTraining": spot,
    }


def test_running_jobs_are_counted_by_their_quota_but_for_ones_own() -> None:
    client, stubber = stubbed("sagemaker")
    jobs = {"a": (False, 2), "b": (True, 1), "own": (True, 5)}
    summaries = [
        {
            "TrainingJobName": name,
            "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:123456789012:training-job/{name}",
            "CreationTime": "2026-11-25T00:00:00Z",
            "TrainingJobStatus": "InProgress",
        }
        for name in jobs
    ]
    stubber.add_response("list_training_jobs", {"TrainingJobSummaries": summaries}, {"StatusEquals": "InProgress"})
    for name, (spot, count) in jobs.items():
        if name != "own":
            stubber.add_response("describe_training_job", described(name, spot, count), {"TrainingJobName": name})
    assert look_at_running(client, ["own"]) == {G5: 2, SPOT: 1}


def test_what_the_simulator_denies() -> None:
    client, stubber = stubbed("iam")
    role = "arn:aws:iam::123456789012:role/trainer"
    facts = AwsFacts(REGION, "our-bucket", role, caller="arn:aws:iam::123456789012:user/airflow", role_arn=role)
    denied = {"iam:PassRole": "implicitDeny", "s3:PutObject": "explicitDeny"}
    by_resource: dict[str, list[str]] = {}
    for action, on in needed(facts).items():
        by_resource.setdefault(on, []).append(action)
    for on, names in by_resource.items():
        results = [
            {"EvalActionName": name, "EvalDecision": denied.get(name, "allowed"), "EvalResourceName": "*"}
            for name in sorted(names)
        ]
        expected = {
            "PolicySourceArn": "arn:aws:iam::123456789012:user/airflow",
            "ActionNames": sorted(names),
            "ResourceArns": resources(facts, on),
            "ContextEntries": ANY,
        }
        stubber.add_response(
            "simulate_principal_policy", {"EvaluationResults": results, "IsTruncated": False}, expected
        )
    found = look_at_actions(client, facts.caller or "", facts, needed(facts))
    assert found == denied.keys()
    stubber.assert_no_pending_responses()


def test_a_denial_for_want_of_context_is_no_denial() -> None:
    client, stubber = stubbed("iam")
    facts = AwsFacts(REGION, "our-bucket", "role/trainer")
    result = {
        "EvalActionName": "s3:GetObject",
        "EvalDecision": "implicitDeny",
        "MissingContextValues": ["aws:SourceIp"],
    }
    stubber.add_response("simulate_principal_policy", {"EvaluationResults": [result], "IsTruncated": False})
    assert (
        look_at_actions(client, "arn:aws:iam::123456789012:user/airflow", facts, {"s3:GetObject": "objects"}) == set()
    )


@pytest.mark.parametrize(
    ("principal", "effect", "action", "trusted"),
    [
        ({"Service": "sagemaker.amazonaws.com"}, "Allow", "sts:AssumeRole", True),
        ({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}, "Allow", ["sts:AssumeRole"], True),
        ({"Service": "ec2.amazonaws.com"}, "Allow", "sts:AssumeRole", False),
        ({"AWS": "arn:aws:iam::123456789012:root"}, "Allow", "sts:AssumeRole", False),
        ({"Service": "sagemaker.amazonaws.com"}, "Deny", "sts:AssumeRole", False),
        ({"Service": "sagemaker.amazonaws.com"}, "Allow", "sts:TagSession", False),
        ("*", "Allow", "sts:AssumeRole", False),
    ],
)
def test_whom_a_role_trusts(principal: Any, effect: str, action: Any, trusted: bool) -> None:
    assert trusts({"Statement": [{"Effect": effect, "Principal": principal, "Action": action}]}) is trusted


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    yield
