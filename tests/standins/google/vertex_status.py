"""How a job stands, on disk: one small file, replaced atomically, and marks beside it.

=================  ====================================================================================
``job.json``       the job as submitted, with its name and creation time
``plan.json``      how the stand-in is to treat it
``status.json``    state, times, error, and every state that it had
``hold``           the name of a state that it may not leave
``cancel``         somebody asked to cancel it
``strike``         a fault that shall strike it while it runs
``lock``           locked (flock) by its runner, which alone writes the status as long as it lives
``attempts``       how often a runner was started
``runner.json``    its process group
``replicas.json``  process groups of the replicas, so that none outlives its runner for long
=================  ====================================================================================
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.standins.google.vertex_logs import rfc3339
from training_services.local_runner import write

QUEUED, PENDING, RUNNING = "JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING"
SUCCEEDED, FAILED, CANCELLED = "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"
CANCELLING = "JOB_STATE_CANCELLING"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELLED})

CANCELLED_CODE, INVALID_CODE, EXHAUSTED_CODE, INTERNAL_CODE = 1, 3, 8, 13  # google.rpc.Code
INTERNAL = "Internal error occurred. Please retry in a few minutes. If you still experience errors, contact Vertex AI."


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def set_state(folder: Path, state: str, error: dict[str, Any] | None = None) -> None:
    """Go into a state, with the times that belong to it."""
    now = rfc3339()
    file = folder / "status.json"
    status = json.loads(file.read_text()) if file.exists() else {"history": []}
    status |= {"state": state, "updateTime": now, "history": [*status["history"], state]}
    if state == RUNNING:
        status.setdefault("startTime", now)
    if state in ENDED:
        status["endTime"] = now
    if error is not None:
        status["error"] = error
    write(file, json.dumps(status))


def visible_state(folder: Path, status: dict[str, Any]) -> str:
    """The state as the API tells it: a cancelled job goes on for a while."""
    ended = status["state"] in ENDED
    return CANCELLING if not ended and (folder / "cancel").exists() else status["state"]
