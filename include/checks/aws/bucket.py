"""Rules about the bucket: that it is there, and where the jobs are."""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.aws.facts import AwsFacts
from include.checks.rule import Fault, Rule


def _missing(facts: AwsFacts) -> Iterable[Fault]:
    if facts.bucket_region == "":
        yield Fault(
            f"There is no bucket {facts.bucket} (aws.bucket).",
            f"Make it: aws s3 mb s3://{facts.bucket} --region {facts.region} && aws s3api put-public-access-block "
            f"--bucket {facts.bucket} --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,"
            "BlockPublicPolicy=true,RestrictPublicBuckets=true",
        )


def _forbidden(facts: AwsFacts) -> Iterable[Fault]:
    if facts.bucket_forbidden:
        yield Fault(
            f"{facts.caller or 'The account that asks'} may not look into {facts.bucket}: it lacks s3:ListBucket "
            "there, or the bucket is another account's (names are shared by the whole world).",
            "Grant it by docs/policies/aws-submit.json, or name another bucket as aws.bucket. Whose buckets you have: "
            "aws s3 ls",
        )


def _elsewhere(facts: AwsFacts) -> Iterable[Fault]:
    if facts.bucket_region and facts.bucket_region != facts.region:
        yield Fault(
            f"{facts.bucket} lies in {facts.bucket_region}, the job would run in {facts.region}: SageMaker refuses "
            'that ("The bucket is in this region: … Please use this region to retry the request").',
            f"Set aws.region to {facts.bucket_region} in lanner.yaml, or name a bucket in {facts.region}: "
            f"aws s3 mb s3://ANOTHER-NAME --region {facts.region}",
        )


_TRAINING = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html"
RULES: tuple[Rule[AwsFacts], ...] = (
    Rule(
        "BUCKET_MISSING", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-overview.html", _missing
    ),
    Rule("BUCKET_FORBIDDEN", "https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html", _forbidden),
    Rule("BUCKET_ELSEWHERE", _TRAINING, _elsewhere),
)
