"""What SageMaker says of a training job, in the words that all targets share.

Statuses: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from include.documents import Reason, State
from training_services.job import JobStatus

OWNER = "LANNER_OWNER"  # environment variable of the job: the run that asked for it

RUNNING, STOPPING = "InProgress", "Stopping"
OVER = frozenset({"Completed", "Failed", "Stopped", "Deleting"})  # in which a job keeps no machine any more
INTERRUPTED = "Interrupted"  # its spot machine was taken away; the service waits for another and goes on
WITHOUT_MACHINE = frozenset(  # secondary statuses of a running job, old ones too
    {"Starting", "Pending", INTERRUPTED, "LaunchingMLInstances", "PreparingTraining", "PreparingTrainingStack"}
)
OUT_OF_TIME, OUT_OF_PATIENCE = "MaxRuntimeExceeded", "MaxWaitTimeExceeded"

OF_THE_TRAINER = "AlgorithmError"  # how a failure begins that is not the service's
EXIT_CODE = re.compile(r"ExitCode (-?\d+)|exit code: (-?\d+)")
# Of the trainer; 75: it was told to stop, by whom it cannot say. The others: killed, by the service or for its memory.
BY_EXIT_CODE = {2: Reason.BAD_INPUT, 75: Reason.LOST, 137: Reason.LOST, 143: Reason.LOST, -9: Reason.LOST}
BY_WORDS = (  # the first that is in what the service says
    ("capacityerror", Reason.CAPACITY),
    ("insufficientcapacity", Reason.CAPACITY),
    ("insufficient capacity", Reason.CAPACITY),
    ("resourcelimitexceeded", Reason.QUOTA),
    ("service limit", Reason.QUOTA),
    ("accessdenied", Reason.PERMISSION),
    ("access denied", Reason.PERMISSION),
    ("not authorized", Reason.PERMISSION),
    ("does not have permission", Reason.PERMISSION),
    ("insufficient permissions", Reason.PERMISSION),
    ("throttling", Reason.THROTTLED),
    ("rate exceeded", Reason.THROTTLED),
    ("maxruntimeexceeded", Reason.TIMEOUT),
    ("internalserver", Reason.LOST),
    ("internalservice", Reason.LOST),
    ("internal error", Reason.LOST),
    ("clienterror", Reason.BAD_INPUT),
)


def status_of(
    job: Mapping[str, Any], cancelled: Reason | None = None, progress: Mapping[str, Any] = MappingProxyType({})
) -> JobStatus:
    """How a job stands.

    Args:
        job: what the service describes (``DescribeTrainingJob``).
        cancelled: why we cancelled it, if we did.
        progress: how far it is, where that is known. How often its spot machine was taken away is added.
    """
    state, reason = _judged(job, cancelled)
    interruptions = sum(each["Status"] == INTERRUPTED for each in _transitions(job))
    return JobStatus(
        name=job["TrainingJobName"],
        state=state,
        reason=reason,
        message=_message(job, state, cancelled),
        owner=job.get("Environment", {}).get(OWNER),
        seconds=seconds_of(job),
        progress={**progress, **({"interruptions": interruptions} if interruptions else {})},
        console_url=console_url(job["TrainingJobArn"]),
    )


def reason_of(failure: str) -> Reason:
    """Why a job failed, from the service's ``FailureReason``."""
    if failure.startswith(OF_THE_TRAINER):
        found = EXIT_CODE.search(failure)
        return BY_EXIT_CODE.get(int(found[1] or found[2]), Reason.TRAINER_ERROR) if found else Reason.TRAINER_ERROR
    said = failure.lower()
    return next((reason for words, reason in BY_WORDS if words in said), Reason.TRAINER_ERROR)


def seconds_of(job: Mapping[str, Any]) -> float | None:
    """For which the job's machines are billed; None: it has none yet.

    The service says it once the job has ended: of spot machines less than they ran, which is how they are cheaper.
    Until then it is what they ran, without the times between two spot machines.
    """
    if job["TrainingJobStatus"] in OVER and "BillableTimeInSeconds" in job:
        return float(job["BillableTimeInSeconds"])
    if "TrainingStartTime" not in job:
        return None
    transitions = _transitions(job)
    if any(each["Status"] == INTERRUPTED for each in transitions):
        spans = [each for each in transitions if each["Status"] not in WITHOUT_MACHINE]
        return round(sum((_end(each) - each["StartTime"]).total_seconds() for each in spans), 1)
    end = job.get("TrainingEndTime") or datetime.now(UTC)
    return round(max((end - job["TrainingStartTime"]).total_seconds(), 0.0), 1)


def console_url(arn: str) -> str:
    """A job's page in the console, from ``arn:aws:sagemaker:<region>:<account>:training-job/<name>``."""
    _, partition, _, region, _, resource = arn.split(":", 5)
    domain = "console.amazonaws.cn" if partition == "aws-cn" else f"{region}.console.aws.amazon.com"
    return f"https://{domain}/sagemaker/home?region={region}#/jobs/{resource.partition('/')[2]}"


def _judged(job: Mapping[str, Any], cancelled: Reason | None) -> tuple[State, Reason | None]:
    said, secondary = job["TrainingJobStatus"], job.get("SecondaryStatus", "")
    if said == "Completed":
        return State.SUCCEEDED, None
    if said == "Failed":
        return State.FAILED, reason_of(job.get("FailureReason", ""))
    if secondary == OUT_OF_TIME:
        return State.FAILED, Reason.TIMEOUT
    if secondary == OUT_OF_PATIENCE:
        return State.FAILED, Reason.TIMEOUT if _has_trained(job) else Reason.CAPACITY
    if said == "Stopped":
        return State.CANCELLED, cancelled or Reason.USER
    if said == STOPPING and cancelled:  # the service has accepted it, and nothing stops it any more
        return State.CANCELLED, cancelled
    return (State.PENDING if secondary in WITHOUT_MACHINE else State.RUNNING), None


def _message(job: Mapping[str, Any], state: State, cancelled: Reason | None) -> str:
    said = job.get("FailureReason") or next(
        (each.get("StatusMessage", "") for each in reversed(_transitions(job)) if each.get("StatusMessage")), ""
    )
    secondary = job.get("SecondaryStatus", "")
    if state is State.SUCCEEDED:
        return ""
    if state is State.CANCELLED:
        return "cancelled" if cancelled else "stopped by someone else (console, aws)"
    if secondary in {OUT_OF_TIME, OUT_OF_PATIENCE}:
        limit = "MaxRuntimeInSeconds" if secondary == OUT_OF_TIME else "MaxWaitTimeInSeconds"
        seconds = job["StoppingCondition"].get(limit)
        return f"not done after {seconds} s, the job's own limit ({limit}, from max_hours of the target in lanner.yaml)"
    return said if state is State.FAILED else ": ".join(filter(None, [secondary, said]))


def _has_trained(job: Mapping[str, Any]) -> bool:
    """Most of its time went into training: more room would not have helped."""
    limit = job["StoppingCondition"].get("MaxRuntimeInSeconds", 0)
    return float(job.get("TrainingTimeInSeconds", 0)) > limit / 2


def _transitions(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("SecondaryStatusTransitions", ()))


def _end(transition: Mapping[str, Any]) -> datetime:
    return transition.get("EndTime") or datetime.now(UTC)
