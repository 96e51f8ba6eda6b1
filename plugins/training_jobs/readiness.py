"""How a set-up DAG ends, once it has looked whether a cloud is ready for trainings."""

from __future__ import annotations

from collections.abc import Sequence

from include.checks.rule import Finding


class NotReady(ValueError):
    """The account lacks something; trying again does not help."""


def require_ready(report: str, findings: Sequence[Finding], *, anything_known: bool) -> None:
    """Print all that was found.

    Raises:
        NotReady: something is missing.
        ConnectionError: nothing could be learned.
    """
    print(report)
    if not anything_known:
        raise ConnectionError("Nothing could be looked at; the log says why.")
    if findings:
        codes = ", ".join(dict.fromkeys(finding.code for finding in findings))
        raise NotReady(f"Not ready for trainings: {codes}. The log says how to mend each.")
