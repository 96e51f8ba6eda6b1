"""Finds out what the rules of ``include.checks.aws.rules`` are asked about, by calls that cost nothing.

What cannot be learned -- an action to look is missing, a rehearsal has no such service -- is left open and noted, as
for Google. Each ``look_…`` takes a boto3 client of the service that it asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from include.checks.aws.access import ROLE_ACTIONS, needed
from include.checks.aws.builtin_job import Channel
from include.checks.aws.capacity import ECR
from include.checks.aws.facts import AwsFacts, Quota
from include.checks.aws.instances import quota_name
from include.checks.aws.simulation import look_at_actions, principal_of, trusts
from include.checks.notes import Notes

MOST_RUNNING = 100  # jobs that are looked at one by one
GONE = {"404", "NoSuchBucket", "NotFound"}


class Clients(Protocol):
    """What makes boto3's clients: ``AwsAccount``, or anything alike."""

    def client(self, service: str) -> Any: ...


def gather(account: Clients, asked: AwsFacts, own_jobs: Collection[str] = ()) -> AwsFacts:
    """Fill in what can be learned.

    Args:
        asked: with what the settings say, nothing learned yet.
        own_jobs: names whose machines are not counted as taken, since whoever asks will adopt them.
    """
    notes, client = Notes(), account.client
    learned: dict[str, Any] = {}
    learned |= notes.learned("who asks", lambda: look_at_caller(client("sts"))) or {}
    learned |= notes.learned("the bucket", lambda: look_at_bucket(client("s3"), asked.bucket)) or {}
    learned |= notes.learned("the role", lambda: look_at_role(client("iam"), asked.role_name)) or {}
    facts = replace(asked, **learned)
    types, quotas = {each.type for each in facts.instances}, {each.quota for each in facts.instances}
    looks: dict[str, tuple[str, bool, Callable[[], Any]]] = {
        "missing": ("the caller's permissions", _has_policies(facts), lambda: _missing(client("iam"), facts)),
        "role_missing": (
            "the role's permissions",
            bool(facts.role_arn and facts.caller),
            lambda: look_at_actions(client("iam"), facts.role_arn or "", facts, ROLE_ACTIONS),
        ),
        "quotas": ("quotas", bool(quotas), lambda: look_at_quotas(client("service-quotas"), quotas)),
        "running": ("running jobs", bool(quotas), lambda: look_at_running(client("sagemaker"), own_jobs)),
        "offered": ("machines", bool(types), lambda: look_at_offers(client("ec2"), types)),
        "image_exists": (
            "the image",
            bool(ECR.fullmatch(facts.image)),
            lambda: look_at_image(client("ecr"), facts.image),
        ),
        "kms_state": ("the key", bool(facts.kms_key), lambda: look_at_key(client("kms"), facts.kms_key)),
        "network_missing": ("the network", bool(facts.network), lambda: look_at_network(client("ec2"), facts.network)),
    }
    for name, (what, wanted, look) in looks.items():
        if wanted and (answer := notes.learned(what, look)) is not None:
            learned[name] = answer
    if "quotas" in learned:
        unnamed = sorted(quotas.difference(learned["quotas"]))
        notes.all += [f'quota "{name}": Service Quotas has none of this name in {facts.region}' for name in unnamed]
    return replace(asked, **learned, unknown=tuple(notes.all))


def _has_policies(facts: AwsFacts) -> bool:
    """Is the caller known, and somebody whose policies IAM can weigh? The root user may do everything."""
    return bool(facts.caller) and not (facts.caller or "").endswith(":root")


def _missing(iam: Any, facts: AwsFacts) -> frozenset[str]:
    return look_at_actions(iam, principal_of(iam, facts.caller or ""), facts, needed(facts))


def look_at_caller(sts: Any) -> dict[str, Any]:
    """Who asks. That AWS refuses the credentials is a fact, too."""
    from botocore.exceptions import ClientError

    try:
        return {"caller": str(sts.get_caller_identity()["Arn"])}
    except ClientError as refused:
        return {"caller": "", "refusal": refused.response.get("Error", {}).get("Message") or str(refused)}


def look_at_bucket(s3: Any, bucket: str) -> dict[str, Any]:
    """Where a bucket lies, by the header that comes with refusals, too."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as refused:
        code = str(refused.response.get("Error", {}).get("Code"))
        headers: Mapping[str, str] = refused.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if code in GONE:
            return {"bucket_region": ""}
        region = headers.get("x-amz-bucket-region")
        if region is None and code not in {"403", "AccessDenied"}:
            raise
        return {"bucket_region": region, "bucket_forbidden": code in {"403", "AccessDenied"}}
    return {"bucket_region": answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")}


def look_at_role(iam: Any, name: str) -> dict[str, Any]:
    """Whether there is a role, and whether SageMaker may act as it."""
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return {"role_arn": ""}
    return {"role_arn": role["Arn"], "role_trusts": trusts(role["AssumeRolePolicyDocument"])}


def look_at_quotas(quotas: Any, names: Collection[str]) -> dict[str, Quota]:
    """Quotas by name, the account's own before AWS's defaults, page by page until all are found."""
    found: dict[str, Quota] = {}
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in quotas.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            for each in page["Quotas"]:
                name = each["QuotaName"]
                if name in names and name not in found:
                    found[name] = Quota(float(each["Value"]), each["QuotaCode"], each.get("Adjustable", True))
            if found.keys() >= set(names):
                return found
    return found


def look_at_running(sagemaker: Any, own_jobs: Collection[str] = ()) -> Counter[str]:
    """Instances that training jobs have at this moment, by their quota."""
    running: Counter[str] = Counter()
    pages = sagemaker.get_paginator("list_training_jobs").paginate(StatusEquals="InProgress")
    names = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    if len(names) > MOST_RUNNING:
        raise RuntimeError(f"{len(names)} jobs run, too many to look at each")
    for name in names:
        if name not in own_jobs:
            job = sagemaker.describe_training_job(TrainingJobName=name)
            resources, spot = job["ResourceConfig"], bool(job.get("EnableManagedSpotTraining"))
            if "InstanceType" in resources:  # jobs on groups of unlike machines have none
                running[quota_name(resources["InstanceType"], spot=spot)] += int(resources.get("InstanceCount", 1))
    return running


def look_at_offers(ec2: Any, types: Iterable[str]) -> dict[str, bool]:
    """Which instance types EC2 has in the client's region, by SageMaker's names."""
    wanted = sorted(set(types))
    filters = [{"Name": "instance-type", "Values": [each.removeprefix("ml.") for each in wanted]}]
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="region", Filters=filters)
    found = {each["InstanceType"] for page in pages for each in page["InstanceTypeOfferings"]}
    return {each: each.removeprefix("ml.") in found for each in wanted}


def look_at_image(ecr: Any, image: str) -> bool | None:
    """Is an image of a registry of ours there? None where the name is not one of ECR's."""
    if not (found := ECR.fullmatch(image)):
        return None
    name, at, digest = found["image"].partition("@")
    repository, _, tag = name.partition(":")
    wanted = {"imageDigest": digest} if at else {"imageTag": tag or "latest"}
    try:
        ecr.describe_images(registryId=found["account"], repositoryName=repository, imageIds=[wanted])
    except (ecr.exceptions.ImageNotFoundException, ecr.exceptions.RepositoryNotFoundException):
        return False
    return True


def look_at_key(kms: Any, key: str) -> str:
    """The state of a key; "" where there is none."""
    try:
        return str(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
    except kms.exceptions.NotFoundException:
        return ""


def look_at_network(ec2: Any, names: Iterable[str]) -> frozenset[str]:
    """Those subnets and security groups that there are not."""
    wanted = set(names)
    groups = sorted(name for name in wanted if name.startswith("sg-"))
    subnets = sorted(wanted.difference(groups))
    found: set[str] = set()
    if groups:
        pages = ec2.get_paginator("describe_security_groups").paginate(Filters=[{"Name": "group-id", "Values": groups}])
        found |= {each["GroupId"] for page in pages for each in page["SecurityGroups"]}
    if subnets:
        pages = ec2.get_paginator("describe_subnets").paginate(Filters=[{"Name": "subnet-id", "Values": subnets}])
        found |= {each["SubnetId"] for page in pages for each in page["Subnets"]}
    return frozenset(wanted - found)


def look_at_channels(s3: Any, channels: Iterable[Channel]) -> tuple[Channel, ...]:
    """Channels with what lies there, and where; what cannot be learned stays unknown."""
    notes, found = Notes(), []
    for channel in channels:
        bucket = channel.uri.removeprefix("s3://").partition("/")[0]
        region = (notes.learned(bucket, partial(look_at_bucket, s3, bucket)) or {}).get("bucket_region")
        objects = notes.learned(channel.uri, partial(look_at_objects, s3, channel.uri)) if region else None
        found.append(replace(channel, region=region, objects=objects))
    return tuple(found)


def look_at_objects(s3: Any, uri: str) -> int:
    """How many objects lie under ``s3://bucket/prefix``; no more than a page (1,000) is counted."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return int(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1000)["KeyCount"])
