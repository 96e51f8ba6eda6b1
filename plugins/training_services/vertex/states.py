"""What Vertex AI says of a custom job, in the words that all targets share.

States: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState
Codes of errors: https://cloud.google.com/vertex-ai/docs/reference/rest/Shared.Types/Status
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from include.documents import Reason, State
from training_services.job import JobStatus

OWNER = "LANNER_OWNER"  # environment variable of the job: the run that asked for it (no label could hold its id)
LABEL = "lanner_job"  # holds the job's name

STATES: Mapping[str, State] = MappingProxyType(
    {
        "JOB_STATE_QUEUED": State.PENDING,
        "JOB_STATE_PENDING": State.PENDING,
        "JOB_STATE_PAUSED": State.PENDING,  # not a success, as the provider's operators have it
        "JOB_STATE_RUNNING": State.RUNNING,
        "JOB_STATE_UPDATING": State.RUNNING,
        "JOB_STATE_SUCCEEDED": State.SUCCEEDED,
        "JOB_STATE_CANCELLING": State.CANCELLED,  # the service has accepted it, and nothing stops it any more
        "JOB_STATE_CANCELLED": State.CANCELLED,
        "JOB_STATE_FAILED": State.FAILED,
        "JOB_STATE_PARTIALLY_SUCCEEDED": State.FAILED,
        "JOB_STATE_EXPIRED": State.FAILED,
    }
)
# In which a job keeps no machine any more
OVER = tuple(
    name
    for name, state in STATES.items()
    if state not in {State.PENDING, State.RUNNING} and name != "JOB_STATE_CANCELLING"
)
INVALID, DEADLINE, DENIED, EXHAUSTED, INTERNAL, UNAVAILABLE = 3, 4, 7, 8, 13, 14  # google.rpc.Code
EXIT_STATUS = re.compile(r"exited with a non-zero status of (\d+)")
# Of the trainer; 75: it was told to stop, by whom it cannot say.
BY_EXIT_STATUS = {2: Reason.BAD_INPUT, 75: Reason.LOST}
OVERRAN = "ran longer than its timeout"  # the service cancels it then; its words from memory, not verified
NO_ROOM = ("insufficient", "stockout", "not enough resources", "does not have enough resources")


def status_of(job: Mapping[str, Any], cancelled: Reason | None = None, progress: Mapping[str, Any] = {}) -> JobStatus:
    """How a job stands.

    Args:
        job: the service's ``CustomJob``.
        cancelled: why we cancelled it, if we did.
        progress: how far it is, where that is known.
    """
    service_state = job.get("state", "JOB_STATE_PENDING")
    state = STATES.get(service_state, State.PENDING)
    error = job.get("error", {})
    message = error.get("message", "")
    reason = None
    if state is State.CANCELLED and not cancelled and OVERRAN in message:
        state, reason = State.FAILED, Reason.TIMEOUT
    elif state is State.CANCELLED:
        reason = cancelled or Reason.USER
        words = "cancelled" if cancelled else "cancelled by someone else (console, gcloud)"
        message = f"{words}: {message}" if message else words
    elif state is State.FAILED:
        reason = Reason.TIMEOUT if service_state == "JOB_STATE_EXPIRED" else reason_of(error.get("code", 0), message)
    elif service_state == "JOB_STATE_PAUSED":
        message = "paused by someone; resume or cancel it in the console"
    return JobStatus(
        name=job["labels"][LABEL],
        state=state,
        reason=reason,
        message=message,
        owner=_owner(job),
        seconds=_seconds(job),
        progress=progress,
        console_url=console_url(job["name"]),
    )


def reason_of(code: int, message: str) -> Reason:
    """Why a job failed, from the service's code and words."""
    said = message.lower()
    if any(words in said for words in NO_ROOM):
        return Reason.CAPACITY
    if found := EXIT_STATUS.search(said):
        return BY_EXIT_STATUS.get(int(found[1]), Reason.TRAINER_ERROR)
    if code == EXHAUSTED:
        return Reason.QUOTA if "quota" in said else Reason.THROTTLED
    by_code = {DENIED: Reason.PERMISSION, INVALID: Reason.BAD_INPUT, DEADLINE: Reason.TIMEOUT}
    by_code |= {INTERNAL: Reason.LOST, UNAVAILABLE: Reason.LOST}
    return by_code.get(code, Reason.TRAINER_ERROR)


def console_url(resource: str) -> str:
    """A job's page in the console, from its resource name ``projects/…/locations/…/customJobs/…``."""
    _, project, _, region, _, number = resource.split("/")
    path = f"vertex-ai/locations/{region}/training/{number}"
    return f"https://console.cloud.google.com/{path}?project={project}"


def moment(text: str) -> datetime:
    """RFC 3339 as the service writes it, with up to nine decimals."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC, microsecond=int((rest + "000000")[:6]))


def _owner(job: Mapping[str, Any]) -> str | None:
    pool = job["jobSpec"]["workerPoolSpecs"][0]
    spec = pool.get("pythonPackageSpec") or pool.get("containerSpec") or {}
    return next((each.get("value") for each in spec.get("env", ()) if each["name"] == OWNER), None)


def _seconds(job: Mapping[str, Any]) -> float | None:
    """For which the service had machines for the job: from its start to its end or now."""
    if "startTime" not in job:
        return None
    end = moment(job["endTime"]) if "endTime" in job else datetime.now(UTC)
    return round((end - moment(job["startTime"])).total_seconds(), 1)
