"""Is an AWS account ready for the trainings of lanner.yaml? Asked by hand, by the target and by ``setup_aws``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from include.checks.aws.facts import AwsFacts
from include.checks.aws.gathering import Clients, gather
from include.checks.aws.instances import ANSWERING, ENDPOINT, TRAINING, AskedInstance
from include.checks.aws.machines import PRESETS
from include.checks.aws.rules import RULES
from include.checks.report import listed
from include.checks.rule import Finding, check
from include.settings import AwsSettings, Machine

TARGET, BUILTIN_TARGET = "sagemaker", "sagemaker_builtin"
ANY_MACHINE = Machine(preset=next(iter(PRESETS)))


def asked_instances(machines: Iterable[Machine], *, builtin: bool = False) -> list[AskedInstance]:
    """The machines of lanner.yaml as SageMaker's instances, each once; for the built-in detector also what answers.

    Raises:
        ValueError: there is no such preset.
    """
    asked = []
    for each in machines:
        if each.preset not in PRESETS:
            raise ValueError(f"There is no machine preset {each.preset!r}; there are {', '.join(PRESETS)}.")
        machine = PRESETS[each.preset]
        asked.append(AskedInstance(machine.instance_type, each.spot, machine.workers, builtin))
    return [*dict.fromkeys(asked), *([ANSWERING] if builtin and asked else [])]


def look(
    account: Clients,
    aws: AwsSettings,
    instances: Sequence[AskedInstance],
    namespace: str = "lanner",
    own_jobs: Collection[str] = (),
) -> tuple[AwsFacts, list[Finding]]:
    """What is known of an account, and what of it would make a training fail.

    Args:
        own_jobs: names of jobs that will be adopted if they run, so that their machines are not counted as taken.
    """
    asked = AwsFacts(
        region=aws.region,
        bucket=aws.bucket,
        prefix=aws.prefix,
        role=aws.role,
        instances=tuple(instances),
        namespace=namespace,
        image=aws.container,
        kms_key=aws.kms_key,
        network=(*aws.subnets, *aws.security_groups),
    )
    facts = gather(account, asked, own_jobs)
    return facts, check(RULES, facts)


def report(facts: AwsFacts, findings: Sequence[Finding]) -> str:
    """All that was found, each with what to do, and all that could not be looked at."""
    machines = ", ".join(f"{each}{_purpose(each)}" for each in facts.instances)
    first = f"{facts.caller or 'Nobody known'}, bucket {facts.bucket}, region {facts.region}, machines: {machines}."
    return listed(first, findings, facts.unknown)


def _purpose(asked: AskedInstance) -> str:
    """What a machine is for, where it is not any training."""
    if asked.use != TRAINING:
        return f" for {'an' if asked.use == ENDPOINT else 'a'} {asked.use}"
    return " for the built-in detector" if asked.builtin else ""
