"""Every rule has an account in which it speaks, and all are silent in a sound one."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from include.checks.aws import access as aws_access
from include.checks.aws import instances as aws_instances
from include.checks.aws import simulation as aws_simulation
from include.checks.aws.access import needed, resources
from include.checks.aws.facts import Quota
from include.checks.aws.instances import (
    ANSWERING,
    BUILTIN_REGISTRIES,
    SHAPES,
    AskedInstance,
    builtin_image,
    known_types,
)
from include.checks.aws.machines import PRESETS
from include.checks.aws.rules import RULES, AwsFacts
from include.checks.rule import Rule, check

ROLE = "arn:aws:iam::123456789012:role/lanner-trainer"
G5, SPOT = "ml.g5.xlarge for training job usage", "ml.g5.xlarge for spot training job usage"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/lanner/trainer:1"

SOUND = AwsFacts(
    region="eu-west-1",
    bucket="our-bucket",
    role=ROLE,
    instances=(AskedInstance("ml.g5.xlarge"), AskedInstance("ml.g5.xlarge", spot=True, count=2, builtin=True)),
    caller="arn:aws:iam::123456789012:user/airflow",
    bucket_region="eu-west-1",
    role_arn=ROLE,
    role_trusts=True,
    missing=frozenset(),
    role_missing=frozenset(),
    quotas={G5: Quota(1.0, "L-AAAAAAAA"), SPOT: Quota(4.0, "L-BBBBBBBB")},
    running={SPOT: 2},
    offered={"ml.g5.xlarge": True},
    image=IMAGE,
    image_exists=True,
    kms_key="alias/ours",
    kms_state="Enabled",
    network=("subnet-1", "sg-1"),
    network_missing=frozenset(),
)
FAULTS = {
    "IDENTITY": (
        replace(SOUND, caller="", refusal="The security token included in the request is expired"),
        "aws sts get-caller-identity",
    ),
    "PERMISSION_MISSING": (
        replace(SOUND, missing=frozenset({"iam:PassRole", "sagemaker:CreateTrainingJob"})),
        "aws iam put-user-policy --user-name airflow --policy-name lanner-submit "
        "--policy-document file://docs/policies/aws-submit.json",
    ),
    "ROLE": (
        replace(SOUND, role_trusts=False),
        "aws iam update-assume-role-policy --role-name lanner-trainer "
        "--policy-document file://docs/policies/aws-job-role-trust.json",
    ),
    "ROLE_PERMISSION": (
        replace(SOUND, role_missing=frozenset({"s3:ListBucket"})),
        "aws iam put-role-policy --role-name lanner-trainer --policy-name lanner-job "
        "--policy-document file://docs/policies/aws-job-role.json",
    ),
    "BUCKET_MISSING": (replace(SOUND, bucket_region=""), "aws s3 mb s3://our-bucket --region eu-west-1"),
    "BUCKET_FORBIDDEN": (replace(SOUND, bucket_forbidden=True), "docs/policies/aws-submit.json"),
    "BUCKET_ELSEWHERE": (replace(SOUND, bucket_region="us-east-1"), "Set aws.region to us-east-1"),
    "INSTANCE_UNKNOWN": (replace(SOUND, instances=(AskedInstance("ml.g5.tiny"),)), "such as ml.g5.xlarge"),
    "INSTANCE_NOT_OFFERED": (
        replace(SOUND, offered={"ml.g5.xlarge": False}),
        "aws ec2 describe-instance-type-offerings --region eu-west-1 --filters Name=instance-type,Values=g5.xlarge",
    ),
    "INSTANCE_FOR_BUILTIN": (
        replace(SOUND, instances=(AskedInstance("ml.m5.2xlarge", builtin=True),)),
        "such as ml.g4dn.xlarge",
    ),
    "QUOTA": (
        replace(SOUND, quotas={G5: Quota(0.0, "L-AAAAAAAA")}),
        "aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code L-AAAAAAAA "
        "--desired-value 1 --region eu-west-1",
    ),
    "IMAGE": (
        replace(SOUND, image_exists=False),
        "aws ecr describe-images --repository-name lanner/trainer --region eu-west-1",
    ),
    "KMS_KEY": (
        replace(SOUND, kms_state="Disabled"),
        "aws kms describe-key --key-id alias/ours --region eu-west-1",
    ),
    "NETWORK": (
        replace(SOUND, network_missing=frozenset({"sg-1"})),
        "aws ec2 describe-security-groups --group-ids sg-1 --region eu-west-1",
    ),
}


def test_a_sound_account_is_left_in_peace() -> None:
    assert check(RULES, SOUND) == []


def test_what_could_not_be_learned_is_not_judged() -> None:
    assert check(RULES, AwsFacts("eu-west-1", "b", ROLE, (AskedInstance("ml.g5.xlarge"),))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_each_fault_is_found_alone_with_its_remedy(rule: Rule[AwsFacts]) -> None:
    facts, remedy = FAULTS[rule.code]
    [finding] = check(RULES, facts)
    assert finding.code == rule.code
    assert remedy in finding.remedy
    assert finding.source.startswith(("https://docs.aws.amazon.com/", "https://aws.amazon.com/"))


@pytest.mark.parametrize("module", [aws_access, aws_instances, aws_simulation], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module) -> None:  # type: ignore[no-untyped-def]
    assert doctest.testmod(module).failed == 0


def test_a_role_without_list_bucket_is_told_apart_from_data_that_is_not_there() -> None:
    """SageMaker's own words for it speak of objects that it does not find."""
    found = check(RULES, replace(SOUND, role_missing=frozenset({"s3:ListBucket", "logs:PutLogEvents"})))
    assert ["No S3 objects found" in finding.wrong for finding in found] == [True, False]
    assert "lacks s3:ListBucket on our-bucket" in found[0].wrong


def test_a_role_may_fetch_the_image_that_is_trained_in() -> None:
    aws, ours = (resources(replace(SOUND, image=image), "image") for image in ("", IMAGE))
    assert aws == ["arn:aws:ecr:eu-west-1:763104351884:repository/tensorflow-training"]
    assert ours == ["arn:aws:ecr:eu-west-1:123456789012:repository/lanner/trainer"]
    [finding] = check(RULES, replace(SOUND, role_missing=frozenset({"ecr:BatchGetImage"})))
    assert "OwnImage of docs/policies/aws-job-role-extras.json" in finding.remedy
    [finding] = check(RULES, replace(SOUND, image="", role_missing=frozenset({"ecr:BatchGetImage"})))
    assert "OwnImage" not in finding.remedy


def test_a_role_that_there_is_not_is_made_with_its_trust_and_its_policy() -> None:
    [finding] = check(RULES, replace(SOUND, role_arn="", role_trusts=None))
    assert "aws iam create-role --role-name lanner-trainer" in finding.remedy
    assert "put-role-policy" in finding.remedy


def test_each_missing_action_is_granted_by_the_policy_that_has_it() -> None:
    missing = frozenset({"sagemaker:CreateModel", "s3:PutObject"})
    found = check(RULES, replace(SOUND, missing=missing))
    assert [("aws-builtin.json" in each.remedy, "aws-submit.json" in each.remedy) for each in found] == [
        (False, True),
        (True, False),
    ]


def test_a_session_is_granted_on_its_role() -> None:
    caller = "arn:aws:sts::123456789012:assumed-role/airflow/i-0123"
    [finding] = check(RULES, replace(SOUND, caller=caller, missing=frozenset({"iam:PassRole"})))
    assert "aws iam put-role-policy --role-name airflow --policy-name lanner-submit" in finding.remedy


def test_models_are_asked_for_only_where_the_built_in_detector_is() -> None:
    assert "sagemaker:CreateModel" in needed(SOUND)
    assert "sagemaker:CreateModel" not in needed(replace(SOUND, instances=SOUND.instances[:1]))


@pytest.mark.parametrize(
    ("limit", "running", "said"),
    [
        (0, 0, "the quota of 123456789012 is 0. SageMaker would answer ResourceLimitExceeded"),
        (1, 0, "the quota of 123456789012 is 1."),
        (2, 1, "of 2 that 123456789012 may have, 1 are in use by jobs that run now"),
        (3, 1, ""),
    ],
)
def test_running_jobs_count(limit: int, running: int, said: str) -> None:
    two = AskedInstance("ml.g5.xlarge", spot=True, count=2)
    quotas = {SPOT: Quota(float(limit), "L-BBBBBBBB")}
    found = check(RULES, replace(SOUND, instances=(two,), quotas=quotas, running={SPOT: running}))
    if not said:
        assert found == []
        return
    [finding] = found
    assert said in finding.wrong
    wanted = 2 if limit < 2 else running + 2
    assert f"--quota-code L-BBBBBBBB --desired-value {wanted} --region eu-west-1" in finding.remedy


def test_the_batch_transform_has_a_quota_of_its_own() -> None:
    """Without it a model of the built-in detector is trained, paid and never scored."""
    asked = replace(SOUND, instances=(*SOUND.instances, ANSWERING), quotas=dict(SOUND.quotas))
    assert check(RULES, asked) == []
    quotas = {"ml.m5.2xlarge for transform job usage": Quota(0.0, "L-CCCCCCCC")}
    [finding] = check(RULES, replace(asked, quotas=SOUND.quotas | quotas))
    assert finding.code == "QUOTA"
    assert 'takes 1 of "ml.m5.2xlarge for transform job usage" in eu-west-1; the quota of' in finding.wrong
    assert "--quota-code L-CCCCCCCC --desired-value 1 --region eu-west-1" in finding.remedy
    assert "machine" not in finding.remedy, "there is no other"


@pytest.mark.parametrize(
    ("image", "region", "exists", "codes"),
    [
        (IMAGE, "eu-west-1", True, []),
        (IMAGE, "us-east-1", None, ["IMAGE"]),
        ("docker.io/somebody/trainer:1", "us-east-1", None, []),
        ("", "mx-central-1", None, ["IMAGE"]),
    ],
    ids=["there", "elsewhere", "of another registry", "none of the built-in"],
)
def test_images(image: str, region: str, exists: bool | None, codes: list[str]) -> None:
    facts = replace(SOUND, image=image, region=region, bucket_region=region, image_exists=exists)
    assert [finding.code for finding in check(RULES, facts)] == codes


def test_the_table_of_images() -> None:
    assert builtin_image("cn-north-1").endswith(".dkr.ecr.cn-north-1.amazonaws.com.cn/object-detection:1")
    assert all(len(account) == 12 and account.isdecimal() for account in BUILTIN_REGISTRIES.values())


def test_every_preset_is_known_to_sagemaker() -> None:
    assert {machine.instance_type for machine in PRESETS.values()} <= known_types()
    assert all(AskedInstance("ml.m5.2xlarge").type in known_types(use) for use in SHAPES)
