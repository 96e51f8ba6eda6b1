"""What SageMaker refuses when a training job is submitted, beyond what its published model forbids.

The words are the service's where users have reported them:

* no objects under a prefix: https://github.com/aws/amazon-sagemaker-examples/issues/2267
* a role: https://github.com/awslabs/predictive-maintenance-using-machine-learning/issues/3
* a name that is taken: https://github.com/SuperCowPowers/workbench/issues/384
* a wait time without spot: https://github.com/Kenza-AI/sagify/issues/111

All others are only like them: a client must go by the code. What of this the service finds only while the job runs (an
image, a bucket for the output) it finds there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.aws import sagemaker_machines as machines
from tests.standins.aws.endpoint import Aws, split_uri
from tests.standins.aws.errors import IN_USE, LIMIT, Refusal, invalid
from tests.standins.aws.sagemaker_images import OBJECT_DETECTION, kind_of

PRINCIPAL = "sagemaker.amazonaws.com"
LONGEST_RUN = 432_000  # seconds, a quota
_UNKNOWN_HERE = ("AlgorithmName",)


@dataclass(frozen=True)
class Account:
    """The AWS account that a stand-in stands for."""

    id: str
    quotas: Mapping[str, int] = field(default_factory=dict)  # by name, in instances


def check_training_job(job: dict[str, Any], account: Account, aws: Aws, used: Callable[[str], int]) -> None:
    """Refuse what the service refuses.

    Args:
        used: how many instances the account's jobs have of a quota.

    Raises:
        Refusal: something is wrong.
    """
    algorithm, resources = job.get("AlgorithmSpecification", {}), job.get("ResourceConfig", {})
    if not algorithm.get("TrainingImage") or algorithm.keys() & set(_UNKNOWN_HERE):
        raise invalid("AlgorithmSpecification must have a TrainingImage (the stand-in knows no AlgorithmName).")
    if not resources.get("InstanceType") or resources.get("InstanceCount", 0) < 1:
        raise invalid("ResourceConfig must have an InstanceType and an InstanceCount of at least 1.")
    if resources.get("VolumeSizeInGB", 0) < 1:
        raise invalid("Invalid VolumeSizeInGB. It must be greater than or equal to 1.")
    instance = resources["InstanceType"]
    kind = kind_of(algorithm["TrainingImage"], aws.region)
    if kind == OBJECT_DETECTION and not machines.gpus(instance):
        # https://github.com/aws/amazon-sagemaker-examples/issues/1951
        raise invalid(
            f"Instance type {instance} is not supported by algorithm object-detection; only GPU instances are "
            "supported."
        )
    _check_times(job)
    check_role(job["RoleArn"], account, aws)
    channels = [channel["ChannelName"] for channel in job.get("InputDataConfig", [])]
    if len(set(channels)) < len(channels):
        raise invalid("Channel names must be unique within InputDataConfig.")
    for channel in job.get("InputDataConfig", []):
        mode = channel.get("InputMode") or algorithm["TrainingInputMode"]
        _check_channel(channel, kind, mode, job["RoleArn"], aws)
    _check_quota(job, account, used)


def quota_of(job: dict[str, Any]) -> tuple[str, int]:
    """The quota that a training job counts against, and how many instances it takes of it."""
    usage = machines.SPOT if job.get("EnableManagedSpotTraining") else machines.TRAINING
    resources = job["ResourceConfig"]
    return machines.quota_name(resources["InstanceType"], usage), resources["InstanceCount"]


def taken(kind: str, arn: str) -> Refusal:
    """Of a second job of the same name. ``kind`` as in "Training job"."""
    return Refusal(
        IN_USE,
        f"{kind} names must be unique within an AWS account and region, and a {kind.lower()} with this name already "
        f"exists ({arn})",
    )


def check_role(arn: str, account: Account, aws: Aws) -> None:
    """Refuse a role that there is not, or that SageMaker may not assume."""
    trust = aws.trust_policy(arn.rsplit("/", 1)[1]) if arn.split(":")[4] == account.id else None
    if not any(_trusts(statement) for statement in _several((trust or {}).get("Statement", []))):
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal '{PRINCIPAL}' to "
            "assume the role."
        )


def _trusts(statement: dict[str, Any]) -> bool:
    services = _several(statement.get("Principal", {}).get("Service", []))
    actions = _several(statement.get("Action", []))
    return statement.get("Effect") == "Allow" and PRINCIPAL in services and "sts:AssumeRole" in actions


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_times(job: dict[str, Any]) -> None:
    condition = job.get("StoppingCondition")
    if condition is None or "MaxRuntimeInSeconds" not in condition:
        raise invalid("StoppingCondition must have MaxRuntimeInSeconds.")
    run, wait = condition["MaxRuntimeInSeconds"], condition.get("MaxWaitTimeInSeconds")
    if job.get("EnableManagedSpotTraining"):
        if wait is None or wait < run:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )
    if run > LONGEST_RUN:
        raise Refusal(
            LIMIT,
            f"The account-level service limit 'Longest run time for a training job' is {LONGEST_RUN} Seconds, with "
            f"current utilization of 0 Seconds and a request delta of {run} Seconds. Please contact AWS support to "
            "request an increase for this limit.",
        )


def _check_channel(channel: dict[str, Any], kind: str | None, mode: str, role: str, aws: Aws) -> None:
    """Refuse a channel that is none. Augmented manifests are for the built-in alone: it reads them through a pipe."""
    source, name = channel["DataSource"].get("S3DataSource"), channel["ChannelName"]
    allowed = {"S3Prefix", "AugmentedManifestFile"} if kind == OBJECT_DETECTION else {"S3Prefix"}
    if source is None or source["S3DataType"] not in allowed:
        raise invalid(f"Channel {name}: the stand-in reads {', '.join(sorted(allowed))} of S3 here.")
    if source["S3DataType"] == "AugmentedManifestFile":
        if not source.get("AttributeNames"):
            raise invalid(f"Channel {name}: AttributeNames must be specified for an AugmentedManifestFile.")
        if mode != "Pipe":
            raise invalid(
                f"Channel {name}: AugmentedManifestFile can only be used if the input mode is Pipe, not {mode}."
            )
    check_objects(source["S3Uri"], role, aws)


def check_objects(uri: str, role: str, aws: Aws) -> None:
    """Refuse an S3 prefix under which there is nothing for a role, in this region."""
    bucket, prefix = split_uri(uri)
    region = aws.bucket_region(bucket) if uri.startswith("s3://") else None
    if region is None:
        why = " Error message from S3: The specified bucket does not exist"
    elif region != aws.region:
        why = (
            f" Error message from S3: The bucket is in this region: {region}. Please use this region to retry the "
            "request"
        )
    elif next(aws.list(bucket, prefix, limit=1), None) is None:
        why = ""
    else:
        return
    raise invalid(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in '
        f"the selected region ({aws.region}), that objects exist under that S3 prefix, and that the role "
        f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".{why}'
    )


def _check_quota(job: dict[str, Any], account: Account, used: Callable[[str], int]) -> None:
    name, asked = quota_of(job)
    limit, in_use = machines.quota(name, account.quotas), used(name)
    if in_use + asked > limit:
        raise machines.exceeded(name, limit, in_use, asked)
