"""Is a Google Cloud project ready for the trainings of lanner.yaml? Asked by hand and by the DAG ``setup_google``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from include.checks.google import RULES
from include.checks.google_bucket import create_bucket, describe
from include.checks.google_facts import GoogleFacts
from include.checks.google_gathering import gather
from include.checks.google_machines import PRESETS, AskedMachine
from include.checks.rule import Finding, check
from include.google_project import GoogleProject
from include.settings import GoogleSettings, Machine

ANY_MACHINE = Machine(preset=next(iter(PRESETS)))


def asked_machines(google: GoogleSettings, machines: Iterable[Machine]) -> list[AskedMachine]:
    """The machines of lanner.yaml, each in its region; of none, the first preset.

    Raises:
        ValueError: there is no such preset.
    """
    asked = [
        AskedMachine(each.preset, each.region or google.region, each.spot) for each in tuple(machines) or (ANY_MACHINE,)
    ]
    for each in asked:
        if each.preset not in PRESETS:
            raise ValueError(f"There is no machine preset {each.preset!r}; there are {', '.join(PRESETS)}.")
    return list(dict.fromkeys(asked))


def look(
    project: GoogleProject, google: GoogleSettings, machines: Sequence[AskedMachine]
) -> tuple[GoogleFacts, list[Finding]]:
    """What is known of a project, and what of it would make a training fail."""
    regions = list(dict.fromkeys(machine.region for machine in machines)) or [google.region]
    facts = gather(project, google.bucket, regions, machines, google.service_account)
    return facts, check(RULES, facts)


def make_bucket(project: GoogleProject, google: GoogleSettings, say: Callable[[str], None] = print) -> None:
    """Make the bucket, having said what that means. Raises as ``create_bucket``."""
    say(describe(project.project, google.bucket, google.region))
    create_bucket(project, google.bucket, google.region)


def report(facts: GoogleFacts, findings: Sequence[Finding]) -> str:
    """All that was found, each with what to do, and all that could not be looked at."""
    machines = ", ".join(f"{machine} in {machine.region}" for machine in facts.machines)
    lines = [f"Project {facts.project}, bucket gs://{facts.bucket}, machines: {machines}."]
    for finding in findings:
        lines += ["", f"{finding.code}: {finding.wrong}", f"  {finding.remedy}", f"  {finding.source}"]
    if facts.unknown:
        lines += ["", "Not checked:", *(f"  {note}" for note in facts.unknown)]
    missing = f"{len(findings)} to mend" if findings else "nothing is missing"
    unchecked = f", {len(facts.unknown)} could not be checked" if facts.unknown else ""
    return "\n".join([*lines, "", f"{missing}{unchecked}.".capitalize()])
