"""Rules about what a region has for us: the machines themselves, our share of them, images, key and network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import floor

from include.checks.aws.facts import AwsFacts
from include.checks.aws.instances import (
    BUILTIN_FAMILIES,
    BUILTIN_REGISTRIES,
    ENDPOINT,
    TRAINING,
    AskedInstance,
    known_types,
)
from include.checks.rule import Fault, Rule

ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<image>.+)")


def _unknown_type(facts: AwsFacts) -> Iterable[Fault]:
    for name, use in dict.fromkeys((asked.type, asked.use) for asked in facts.instances):
        if name not in known_types(use):
            yield Fault(
                f"SageMaker runs no {use} on a {name}.",
                "Name one of its own, such as ml.g5.xlarge, under machines in lanner.yaml: aws sagemaker "
                "create-training-job help lists them at InstanceType.",
            )


def _not_offered(facts: AwsFacts) -> Iterable[Fault]:
    for name in dict.fromkeys(asked.type for asked in facts.instances):
        if facts.offered.get(name) is False:
            yield Fault(
                f"EC2 has no {name.removeprefix('ml.')} in {facts.region}, so SageMaker has no {name} there.",
                f"Look where there is one: aws ec2 describe-instance-type-offerings --region {facts.region} --filters "
                f"Name=instance-type,Values={name.removeprefix('ml.')} (and in other regions). Then change aws.region, "
                "or machines, in lanner.yaml.",
            )


def _cpu_for_builtin(facts: AwsFacts) -> Iterable[Fault]:
    for name in dict.fromkeys(asked.type for asked in facts.instances if asked.builtin):
        if name.rpartition(".")[0] not in BUILTIN_FAMILIES:
            yield Fault(
                f"The built-in object detection does not train on {name}, only on accelerated machines of "
                f"{', '.join(BUILTIN_FAMILIES)}.",
                "Name one of these under the machines of sagemaker_builtin in lanner.yaml, such as ml.g4dn.xlarge.",
            )


def _quota(facts: AwsFacts) -> Iterable[Fault]:
    for asked in dict.fromkeys(facts.instances):
        quota = facts.quotas.get(asked.quota)
        if quota is None:
            continue
        running = facts.running.get(asked.quota, 0)
        limit = floor(quota.value)
        if limit < asked.count:
            yield Fault(
                f'{asked} takes {asked.count} of "{asked.quota}" in {facts.region}; the quota of {facts.account} is '
                f"{limit}. SageMaker would answer ResourceLimitExceeded.",
                f"Ask for more; it may take days: {_request(facts, asked, asked.count)}. {_otherwise(asked)}",
            )
        elif limit < running + asked.count:
            yield Fault(
                f'{asked} takes {asked.count} of "{asked.quota}" in {facts.region}; of {limit} that {facts.account} '
                f"may have, {running} are in use by jobs that run now.",
                f"Wait until they have ended (aws sagemaker list-training-jobs --status-equals InProgress --region "
                f"{facts.region}), or ask for more: {_request(facts, asked, running + asked.count)}.",
            )


def _otherwise(asked: AskedInstance) -> str:
    """What else helps against a quota."""
    if asked.use == TRAINING:
        return "Or name another machine or region in lanner.yaml."
    if asked.use == ENDPOINT:
        return "Or choose another machine."
    return "The model could be trained, and would not be scored: only SageMaker can run it."


def _request(facts: AwsFacts, asked: AskedInstance, amount: int) -> str:
    """The command that asks for a quota."""
    code = facts.quotas[asked.quota].code
    return (
        f"aws service-quotas request-service-quota-increase --service-code sagemaker --quota-code {code} "
        f"--desired-value {amount} --region {facts.region}"
    )


def _image(facts: AwsFacts) -> Iterable[Fault]:
    if facts.trains_builtin and facts.region not in BUILTIN_REGISTRIES:
        yield Fault(
            f"The built-in object detection has no image in {facts.region}.",
            f"Train it in one of {', '.join(BUILTIN_REGISTRIES)} (aws.region in lanner.yaml, with a bucket there).",
        )
    if not (found := ECR.fullmatch(facts.image)):
        return
    if found["region"] != facts.region:
        yield Fault(
            f"The image {facts.image} lies in {found['region']}, the job would run in {facts.region}.",
            f"Push it to a registry in {facts.region} and name that one as aws.container in lanner.yaml.",
        )
    if facts.image_exists is False:
        repository = found["image"].partition(":")[0].partition("@")[0]
        yield Fault(
            f"There is no image {facts.image} (aws.container).",
            f"Look what there is: aws ecr describe-images --repository-name {repository} --region {found['region']}; "
            "push it, or correct the name.",
        )


def _key(facts: AwsFacts) -> Iterable[Fault]:
    if facts.kms_key and facts.kms_state not in {None, "Enabled"}:
        state = f"is {facts.kms_state}" if facts.kms_state else f"is not in {facts.region}"
        yield Fault(
            f"The key {facts.kms_key} (aws.kms_key) {state}.",
            f"Look at it: aws kms describe-key --key-id {facts.kms_key} --region {facts.region}; enable it "
            "(aws kms enable-key), or name another.",
        )


def _network(facts: AwsFacts) -> Iterable[Fault]:
    for name in sorted(facts.network_missing or ()):
        what = "security-groups --group-ids" if name.startswith("sg-") else "subnets --subnet-ids"
        yield Fault(
            f"There is no {name} in {facts.region} (aws.subnets, aws.security_groups).",
            f"Look at it: aws ec2 describe-{what} {name} --region {facts.region}; correct the name.",
        )


_DG = "https://docs.aws.amazon.com/sagemaker/latest/dg"
RULES: tuple[Rule[AwsFacts], ...] = (
    Rule(
        "INSTANCE_UNKNOWN",
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html",
        _unknown_type,
    ),
    Rule("INSTANCE_NOT_OFFERED", "https://aws.amazon.com/sagemaker/pricing/", _not_offered),
    Rule("INSTANCE_FOR_BUILTIN", f"{_DG}/object-detection.html#object-detection-instances", _cpu_for_builtin),
    Rule("QUOTA", "https://docs.aws.amazon.com/general/latest/gr/sagemaker.html#limits_sagemaker", _quota),
    Rule("IMAGE", f"{_DG}/docker-containers-prebuilt.html", _image),
    Rule("KMS_KEY", f"{_DG}/encryption-at-rest.html", _key),
    Rule("NETWORK", f"{_DG}/train-vpc.html", _network),
)
