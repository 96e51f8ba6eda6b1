"""How a training job stands, on disk: one small file, replaced atomically, and marks beside it.

=================  ====================================================================================
``job.json``       the job as submitted, with its ARN and creation time
``plan.json``      how the stand-in is to treat it
``status.json``    status, secondary status and its transitions, times, failure
``hold``           the name of a secondary status that it may not leave
``stop``           somebody asked to stop it
``strike``         a fault that shall strike it while it runs
``lock``           locked (flock) by its runner, which alone writes the status as long as it lives
``attempts``       how often a runner was started
``runner.json``    its process group
``hosts.json``     process groups of its hosts, so that none outlives its runner for long
=================  ====================================================================================

Statuses: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from training_services.local_runner import write

IN_PROGRESS, COMPLETED, FAILED = "InProgress", "Completed", "Failed"
STOPPING, STOPPED = "Stopping", "Stopped"
ENDED = frozenset({COMPLETED, FAILED, STOPPED})

STARTING, DOWNLOADING, TRAINING, UPLOADING = "Starting", "Downloading", "Training", "Uploading"
INTERRUPTED, MAX_RUNTIME, MAX_WAIT = "Interrupted", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"

MESSAGES = {
    STARTING: "Preparing the instances for training",
    DOWNLOADING: "Downloading input data",
    TRAINING: "Training image download completed. Training in progress.",
    UPLOADING: "Uploading generated training model",
    INTERRUPTED: "Training job interrupted, waiting for capacity",
    STOPPING: "Stopping the training job",
    STOPPED: "Training job stopped",
    MAX_RUNTIME: "Training job runtime exceeded MaxRuntimeInSeconds provided",
    MAX_WAIT: "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    COMPLETED: "Training job completed",
    FAILED: "Training job failed",
}
_STATUS = {
    STOPPING: STOPPING,
    STOPPED: STOPPED,
    MAX_RUNTIME: STOPPED,
    MAX_WAIT: STOPPED,
    COMPLETED: COMPLETED,
    FAILED: FAILED,
}  # of a job in such a secondary status; InProgress in all others
FAILURE_LENGTH = 1024
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
SPOT_PRICE = 0.3  # of the price on demand: billable seconds are those of training, times this


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def enter(folder: Path, secondary: str, **more: Any) -> None:
    """Go into a secondary status, with the times that belong to it; ``more`` goes into the status, too."""
    now = time.time()
    file = folder / "status.json"
    status = json.loads(file.read_text()) if file.exists() else {"SecondaryStatusTransitions": []}
    transitions = status["SecondaryStatusTransitions"]
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": MESSAGES[secondary]})
    status |= {
        "TrainingJobStatus": _STATUS.get(secondary, status.get("TrainingJobStatus", IN_PROGRESS)),
        "SecondaryStatus": secondary,
        "LastModifiedTime": now,
        **more,
    }
    if secondary == DOWNLOADING:
        status.setdefault("TrainingStartTime", now)
    if status["TrainingJobStatus"] in ENDED:
        transitions[-1]["EndTime"] = now
        status["TrainingEndTime"] = now
    write(file, json.dumps(status))


def seconds_of(status: dict[str, Any], secondary: frozenset[str]) -> float:
    """How long a job has been in some secondary statuses."""
    now = time.time()
    spans = [each for each in status["SecondaryStatusTransitions"] if each["Status"] in secondary]
    return sum(each.get("EndTime", now) - each["StartTime"] for each in spans)
