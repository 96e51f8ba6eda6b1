"""Is a Google Cloud project ready for the trainings of lanner.yaml? Asked by hand and by the DAG ``setup_google``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from include.checks.google.bucket import create_bucket, describe
from include.checks.google.facts import GoogleFacts
from include.checks.google.gathering import gather
from include.checks.google.machines import PRESETS, AskedMachine, require_evaluator
from include.checks.google.rules import RULES
from include.checks.report import listed
from include.checks.rule import Finding, check
from include.clouds.google_project import GoogleProject
from include.settings import GoogleSettings, Machine

ANY_MACHINE = Machine(preset=next(iter(PRESETS)))


def asked_machines(google: GoogleSettings, machines: Iterable[Machine]) -> list[AskedMachine]:
    """The machines of lanner.yaml, each in its region; of none, the first preset.

    Raises:
        ValueError: there is no such preset, or an evaluator is no single machine.
    """
    asked = [
        AskedMachine(each.preset, each.region or google.region, each.spot, each.evaluator)
        for each in tuple(machines) or (ANY_MACHINE,)
    ]
    for each in asked:
        for name in each.presets:
            if name not in PRESETS:
                raise ValueError(f"There is no machine preset {name!r}; there are {', '.join(PRESETS)}.")
        if each.evaluator:
            require_evaluator(each.evaluator)
    return list(dict.fromkeys(asked))


def look(
    project: GoogleProject, google: GoogleSettings, machines: Sequence[AskedMachine]
) -> tuple[GoogleFacts, list[Finding]]:
    """What is known of a project, and what of it would make a training fail."""
    regions = list(dict.fromkeys(machine.region for machine in machines)) or [google.region]
    facts = gather(project, regions_of_buckets(google), regions, machines, google.service_account)
    return facts, check(RULES, facts)


def regions_of_buckets(google: GoogleSettings) -> dict[str, list[str]]:
    """Every bucket of lanner.yaml by name, each with the regions that it is for.

    All of them, whatever the machines: a training may go on from a checkpoint that is in any.
    """
    regions = dict.fromkeys([google.region, *google.buckets])
    return {bucket: [each for each in regions if google.bucket_in(each) == bucket] for bucket in google.all_buckets}


def make_missing_buckets(project: GoogleProject, facts: GoogleFacts, say: Callable[[str], None] = print) -> bool:
    """Make each bucket that there is not, having said what that means. Returns whether there was any.

    Raises:
        PermissionError, ValueError: as ``create_bucket``.
    """
    for bucket in facts.buckets:
        if bucket.location == "":
            say(describe(project.project, bucket.name, bucket.region))
            create_bucket(project, bucket.name, bucket.region)
        else:
            known = f"is there, in {bucket.location}" if bucket.location else "cannot be looked at"
            say(f"gs://{bucket.name} {known}: nothing was made.")
    return any(bucket.location == "" for bucket in facts.buckets)


def report(facts: GoogleFacts, findings: Sequence[Finding]) -> str:
    """All that was found, each with what to do, and all that could not be looked at."""
    machines = ", ".join(f"{machine} in {machine.region}" for machine in facts.machines)
    buckets = ", ".join(f"gs://{bucket.name}" for bucket in facts.buckets)
    first = f"Project {facts.project}, bucket{'s' * (len(facts.buckets) > 1)} {buckets}, machines: {machines}."
    return listed(first, findings, facts.unknown)
