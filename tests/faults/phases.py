"""Where a run of a target's DAG is, in order, as far as it can be seen from outside."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """A part of a run in which it can be struck."""

    BEFORE_SUBMIT = "before submit"
    UPLOADING = "uploading"  # where a service takes the data before there is a job
    SUBMITTING = "between submit and record"
    WAITING = "while waiting"
    COLLECTING = "collecting"
    EXPORTING = "exporting"
    SCORING = "scoring"
    REGISTERING = "registering"

    @property
    def task(self) -> str:
        """The task that is at work in this phase."""
        return {
            Phase.BEFORE_SUBMIT: "submit",
            Phase.UPLOADING: "submit",
            Phase.SUBMITTING: "submit",
            Phase.WAITING: "wait",
            Phase.COLLECTING: "collect",
            Phase.EXPORTING: "export",
            Phase.SCORING: "score",
            Phase.REGISTERING: "register",
        }[self]
