"""What was found about a cloud, as it is printed."""

from __future__ import annotations

from collections.abc import Sequence

from include.checks.rule import Finding


def listed(first: str, findings: Sequence[Finding], unknown: Sequence[str]) -> str:
    """A line of what was looked at, each finding with what to do, and all that could not be looked at."""
    lines = [first]
    for finding in findings:
        lines += ["", f"{finding.code}: {finding.wrong}", f"  {finding.remedy}", f"  {finding.source}"]
    if unknown:
        lines += ["", "Not checked:", *(f"  {note}" for note in unknown)]
    missing = f"{len(findings)} to mend" if findings else "nothing is missing"
    unchecked = f", {len(unknown)} could not be checked" if unknown else ""
    return "\n".join([*lines, "", f"{missing}{unchecked}.".capitalize()])
