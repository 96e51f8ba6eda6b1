"""How a job stands, on disk: one small file, replaced atomically, and marks beside it.

=================  ====================================================================================
``job.json``       the job's resource as submitted, with its id and who made it when
``plan.json``      how the stand-in is to treat it
``status.json``    status, times, error, and every status that it had
``hold``           the name of a status that it may not leave
``cancel``         somebody asked to cancel it
``strike``         a fault that shall strike it while it runs
``lock``           locked (flock) by its runner, which alone writes the status as long as it lives
``attempts``       how often a runner was started since it got its machines
``runner.json``    its process group
``hosts.json``     process groups of its machines, so that none outlives its runner for long
=================  ====================================================================================

Statuses: https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training_services.local_runner import write

NOT_STARTED, PREPARING, QUEUED = "NotStarted", "Preparing", "Queued"
RUNNING, FINALIZING = "Running", "Finalizing"
COMPLETED, FAILED, CANCELED, CANCEL_REQUESTED = "Completed", "Failed", "Canceled", "CancelRequested"
ENDED = frozenset({COMPLETED, FAILED, CANCELED})
WITH_MACHINES = frozenset({RUNNING, FINALIZING})

INTERNAL = "An internal error occurred while the job was executed. Please retry; contact support if it persists."


def now() -> str:
    """As the service writes times: UTC, seven decimals."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def enter(folder: Path, status: str, error: dict[str, Any] | None = None) -> None:
    """Go into a status, with the times that belong to it."""
    file = folder / "status.json"
    stands = json.loads(file.read_text()) if file.exists() else {"history": []}
    at = now()
    if stands["history"][-1:] != [status]:
        stands["history"].append(status)
    stands |= {"status": status, "changed": at}
    if status == RUNNING:
        stands.setdefault("startTimeUtc", at)
    if status in ENDED:
        stands["endTimeUtc"] = at
    if error is not None:
        stands["error"] = {"error": error}
    write(file, json.dumps(stands))


def seconds_since(moment: str) -> float:
    return datetime.now(UTC).timestamp() - datetime.fromisoformat(moment[:-2] + "+00:00").timestamp()


def user_failure(message: str, *inner: str) -> dict[str, Any]:
    """An error of the run history that blames the job."""
    return _error("UserError", message, inner)


def system_failure(message: str) -> dict[str, Any]:
    """One that blames the service."""
    return _error("SystemError", message, ("ServiceError",))


def visible(folder: Path, stands: dict[str, Any]) -> str:
    """The status as the API tells it: a cancelled job goes on for a while."""
    asked = stands["status"] not in ENDED and (folder / "cancel").exists()
    return CANCEL_REQUESTED if asked else str(stands["status"])


def _error(code: str, message: str, inner: tuple[str, ...]) -> dict[str, Any]:
    nested: dict[str, Any] | None = None
    for each in reversed(inner):
        nested = {"code": each, "innerError": nested}
    return {"code": code, "message": message, "innerError": nested}
