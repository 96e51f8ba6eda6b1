"""What Custom Vision says of a training, in the words that all targets share.

A training is an *iteration* of a project. Its statuses are not documented as a list; these are from the service's own
examples and samples (Training, Completed, Failed) and from memory (New, Queued). An unknown one counts as running.
https://learn.microsoft.com/rest/api/customvision/iterations/get
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from include.documents import Reason, State
from training_services.job import JobStatus

STATES: Mapping[str, State] = MappingProxyType(
    {
        "Queued": State.PENDING,
        "Training": State.RUNNING,
        "Completed": State.SUCCEEDED,
        "Failed": State.FAILED,
    }
)
NOT_ASKED_FOR = "New"  # what older versions of the API show beside every project, for a training to come
OWNER = "Lanner trains here for "  # how a project's description begins; the run that asked for it follows
BY_WORDS = (  # the first that is in what the service says
    ("not enough images", Reason.BAD_INPUT),
    ("validation", Reason.BAD_INPUT),
    ("budget", Reason.TIMEOUT),
    ("quota", Reason.QUOTA),
    ("too many requests", Reason.THROTTLED),
    ("no capacity", Reason.CAPACITY),
    ("internal", Reason.LOST),
    ("unavailable", Reason.LOST),
    ("timeout", Reason.LOST),
    ("timed out", Reason.LOST),
)


def status_of(project: Any, iteration: Any) -> JobStatus:
    """How a job stands.

    Args:
        project: the SDK's ``Project``; its name is the job's.
        iteration: its ``Iteration``.
    """
    state = STATES.get(iteration.status, State.RUNNING)
    failed = state is State.FAILED
    details = iteration.training_error_details or ""
    seconds = seconds_of(iteration)
    budget = iteration.reserved_budget_in_hours or 0
    return JobStatus(
        name=project.name,
        state=state,
        reason=reason_of(details) if failed else None,
        message=(details or "the service says no more than that it failed") if failed else "",
        owner=owner_of(project),
        seconds=seconds,
        progress={"minutes": round((seconds or 0) / 60), **({"of_minutes": budget * 60} if budget else {})},
        console_url=f"https://www.customvision.ai/projects/{project.id}#/performance",
    )


def reason_of(details: str) -> Reason:
    """Why a training failed, from the service's words."""
    said = details.lower()
    return next((reason for words, reason in BY_WORDS if words in said), Reason.TRAINER_ERROR)


def seconds_of(iteration: Any) -> float | None:
    """For which a training is billed; None: it has not begun.

    The service counts in whole minutes, and says how many when it has ended. Until then it is what has passed.
    """
    if iteration.status in {"Queued", NOT_ASKED_FOR}:
        return None
    if iteration.training_time_in_minutes and iteration.status in {"Completed", "Failed"}:
        return iteration.training_time_in_minutes * 60.0
    end = iteration.last_modified if iteration.status in {"Completed", "Failed"} else datetime.now(UTC)
    return round(max((end - iteration.created).total_seconds(), 0.0), 1)


def description(owner: str) -> str:
    """What a project says of itself: by it people find whose it is, and so do we."""
    return f"{OWNER}{owner}"


def owner_of(project: Any) -> str | None:
    said = project.description or ""
    return said.removeprefix(OWNER) if said.startswith(OWNER) else None
