"""What Azure Machine Learning says of a job, in the words that all targets share.

Statuses: https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus. The words of failures have been reported by
users as far as they name an exit code; all others are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from include.documents import Reason, State
from training_services.job import JobStatus

OWNER = "LANNER_OWNER"  # environment variable of the job: the run that asked for it

QUEUED = "Queued"
WITHOUT_MACHINE = frozenset({"NotStarted", "Starting", "Provisioning", "Preparing", QUEUED, "Paused"})
CANCELLING, CANCELLED = "CancelRequested", "Canceled"
OVER = frozenset({"Completed", "Failed", CANCELLED})  # in which a job keeps no machine any more
STATES: Mapping[str, State] = MappingProxyType(
    {
        "Running": State.RUNNING,
        "Finalizing": State.RUNNING,
        "NotResponding": State.RUNNING,  # it bills, and may come back; its own limit ends it
        CANCELLING: State.RUNNING,
        "Completed": State.SUCCEEDED,
        "Failed": State.FAILED,
        CANCELLED: State.CANCELLED,
    }
)
GIVEN_UP = frozenset({Reason.CAPACITY, Reason.QUOTA})  # for which we cancel a job that never got a machine
NEARLY = 0.95  # of its limit: a job that the service cancelled then was cancelled for that

EXIT_STATUS = re.compile(r"exited with (?:status|exit) code (-?\d+)")
# Of the trainer; 75: it was told to stop, by whom it cannot say. The others: killed, by the service or for its memory.
BY_EXIT_STATUS = {2: Reason.BAD_INPUT, 75: Reason.LOST, 137: Reason.LOST, 143: Reason.LOST, -9: Reason.LOST}
BY_WORDS = (  # the first that is in what the service says
    ("quota", Reason.QUOTA),
    ("insufficientcapacity", Reason.CAPACITY),
    ("insufficient capacity", Reason.CAPACITY),
    ("allocationfailed", Reason.CAPACITY),
    ("preempt", Reason.LOST),
    ("authorizationfailed", Reason.PERMISSION),
    ("authentication", Reason.PERMISSION),
    ("forbidden", Reason.PERMISSION),
    ("not authorized", Reason.PERMISSION),
    ("toomanyrequests", Reason.THROTTLED),
    ("throttl", Reason.THROTTLED),
    ("timeout", Reason.TIMEOUT),
    ("imagebuild", Reason.BAD_INPUT),
    ("image build", Reason.BAD_INPUT),
    ("streamaccess.notfound", Reason.BAD_INPUT),
    ("systemerror", Reason.LOST),
    ("serviceerror", Reason.LOST),
    ("internal", Reason.LOST),
)


def status_of(
    job: Mapping[str, Any],
    details: Mapping[str, Any] = MappingProxyType({}),
    cancelled: tuple[Reason, str] | None = None,
    progress: Mapping[str, Any] = MappingProxyType({}),
) -> JobStatus:
    """How a job stands.

    Args:
        job: the service's resource.
        details: of the run history, where they were asked for.
        cancelled: why we cancelled it, and in which words, if we did.
        progress: how far it is, where that is known.
    """
    properties = job["properties"]
    said = str(properties.get("status", "NotStarted"))
    state = STATES.get(said, State.PENDING)
    seconds = seconds_of(details)
    reason, message = None, "" if state is State.SUCCEEDED else said
    if state is State.CANCELLED or (said == CANCELLING and cancelled):  # accepted, and nothing stops it any more
        limit = limit_of(properties)
        if cancelled:
            state = State.FAILED if cancelled[0] in GIVEN_UP else State.CANCELLED
            reason, message = cancelled[0], cancelled[1] or "cancelled"
        elif limit and (seconds or 0.0) >= NEARLY * limit:
            state, reason = State.FAILED, Reason.TIMEOUT
            message = f"not done after {limit:g} s, the job's own limit (from max_hours of the target in lanner.yaml)"
        else:
            reason, message = Reason.USER, "cancelled by someone else (studio, az)"
    elif state is State.FAILED:
        code, message = error_of(details)
        reason = reason_of(code, message)
    return JobStatus(
        name=str(job["name"]),
        state=state,
        reason=reason,
        message=message,
        owner=properties.get("environmentVariables", {}).get(OWNER),
        seconds=seconds,
        progress=progress,
        console_url=console_url(str(job["id"])),
    )


def reason_of(code: str, message: str) -> Reason:
    """Why a job failed, from the service's code and words."""
    if found := EXIT_STATUS.search(message):
        return BY_EXIT_STATUS.get(int(found[1]), Reason.TRAINER_ERROR)
    said = f"{code}: {message}".lower()
    return next((reason for words, reason in BY_WORDS if words in said), Reason.TRAINER_ERROR)


def error_of(details: Mapping[str, Any]) -> tuple[str, str]:
    """Code and words of a failure, the innermost code, for the outer ones are only "UserError" and "SystemError"."""
    error = (details.get("error") or {}).get("error") or {}
    codes, inner = [str(error.get("code", ""))], error.get("innerError")
    while isinstance(inner, dict):
        codes.append(str(inner.get("code", "")))
        inner = inner.get("innerError")
    message = str(error.get("message") or "the service does not say why")
    return ".".join(filter(None, codes)), message


def seconds_of(details: Mapping[str, Any]) -> float | None:
    """For which a job had machines, from its first start to its end or now; None: it has had none."""
    if not details.get("startTimeUtc"):
        return None
    end = moment(details["endTimeUtc"]) if details.get("endTimeUtc") else datetime.now(UTC)
    return round(max((end - moment(details["startTimeUtc"])).total_seconds(), 0.0), 1)


def limit_of(properties: Mapping[str, Any]) -> float | None:
    """The seconds that a job may run, from ISO 8601.

    >>> limit_of({"limits": {"timeout": "PT1H30M"}})
    5400.0
    """
    timeout = (properties.get("limits") or {}).get("timeout")
    return TypeAdapter(timedelta).validate_python(timeout).total_seconds() if timeout else None


def console_url(resource: str) -> str:
    """A job's page in Azure ML's studio, from its id ``/subscriptions/…/workspaces/…/jobs/…``."""
    workspace, _, name = resource.rpartition("/jobs/")
    return f"https://ml.azure.com/runs/{name}?wsid={workspace}"


def moment(text: str) -> datetime:
    """A time as the service writes it, in UTC, with up to seven decimals, with or without a zone."""
    whole, _, rest = text.rstrip("Z").partition("+")[0].partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=UTC, microsecond=int((rest + "000000")[:6]))
