"""Submit a training job, wait for it, cancel it: usable in any DAG, for any target of the table."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, TaskDeferralTimeout

from include.costs.budget import OverBudget
from include.costs.prices import UnknownPrice
from include.documents import Reason
from training_jobs.money import Purse
from training_jobs.targets import open_service
from training_jobs.trigger import TrainingTrigger
from training_services.job import (
    JobHandle,
    JobStatus,
    Refused,
    TrainingJob,
    TrainingService,
    UploadingService,
    attempts,
    pursue,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

DEFERRAL_MARGIN = timedelta(minutes=10)  # beyond the job's own limit: that one should speak first


class CheckFailed(AirflowFailException):
    """The job would fail for reasons known beforehand. Nothing was uploaded or submitted. Not retried."""


class TrainingFailed(AirflowFailException):
    """The job ended without a model, for a reason that trying again would not mend. Not retried."""


class ConsoleLink(BaseOperatorLink):
    """The job's page in its cloud's console, also while it is waited for."""

    name = "Job"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        return getattr(operator, "console_url", None) or ""


class EndsWhenTold(BaseOperator):
    """A task that ends at once when Airflow tells it to: marked as failed, cleared, taken over.

    A SIGTERM alone does not end a task: it goes on until it is killed, five seconds later, and of what it submitted in
    them the run's teardown would not know. Whoever comes next goes on with what is there.
    """

    def on_kill(self) -> None:
        sys.exit("Airflow told this try to end.")  # no Exception: nothing on the way out may take it for an error


class SubmitTraining(EndsWhenTold):
    """Check a job, then find it or submit it. Returns ``{"job": …, "adopted": bool}``.

    Safe to run any number of times: a job that runs or has succeeded is adopted, and the log says so.
    It does not wait, and does not cancel.

    Args:
        job: a ``TrainingJob`` as a dict (``TrainingJob.as_dict``); may come from another task.
    """

    template_fields = ("job",)
    ui_color = "#dbeafe"

    def __init__(self, *, job: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job

    def execute(self, context: Context) -> dict[str, Any]:
        job = TrainingJob(**self.job)
        service = open_service(job.target)
        if faults := service.check(job):
            refusal = "Nothing was submitted, because:\n" + "\n".join(f"- {fault}" for fault in faults)
            _leave_word(context, Reason.BAD_INPUT, refusal)
            raise CheckFailed(refusal)
        try:
            handle = pursue(service, job, insist=True, before=Purse(service, job).promise)
        except (OverBudget, UnknownPrice) as refused:
            _leave_word(context, Reason.BUDGET, f"Nothing was submitted. {refused}")
            raise CheckFailed(f"Nothing was submitted. {refused}") from None
        except PermissionError as denied:
            _leave_word(context, Reason.PERMISSION, f"Nothing was submitted. {denied}")
            raise
        except ValueError as wrong:
            _leave_word(context, Reason.BAD_INPUT, f"Nothing was submitted. {wrong}")
            raise
        except Refused as refused:
            _leave_word(context, refused.reason, f"Nothing was submitted. {refused}")
            raise
        if handle.submitted:
            self.log.info("Submitted %s.", handle.job.name)
        else:
            self.log.info("Adopted %s, which an earlier run submitted. Nothing is trained twice.", handle.status)
        return as_xcom(handle, job.owner)


class WaitForTraining(EndsWhenTold, BaseSensorOperator):
    """Wait, deferred, until a job has ended; its log lines appear in this task's log.

    When the service lost the job or had no room for it, this task makes the next attempt itself, so that a retried
    or cleared wait never stares at a dead job. It never cancels: the run's teardown does.

    Args:
        submitted: what ``SubmitTraining`` returned.
    """

    template_fields = ("submitted",)
    ui_color = "#e0e7ff"
    operator_extra_links = (ConsoleLink(),)
    console_url: str | None = None  # set before it defers: Airflow asks for the link at the end of each execution

    def __init__(self, *, submitted: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.submitted = submitted

    def execute(self, context: Context) -> dict[str, Any]:
        return self._go_on(TrainingJob(**self.submitted["job"]), context)

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        if over := event.get("over_budget"):
            _leave_word(context, Reason.BUDGET, over)
            raise TrainingFailed(f"{Reason.BUDGET}: {over}")
        self.log.info("%s has ended.", event["name"])
        return self._go_on(TrainingJob(**self.submitted["job"]), context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        try:
            return super(BaseSensorOperator, self).resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            job = TrainingJob(**self.submitted["job"])
            message = (
                f"{job.prefix} had not ended after {job.max_seconds:.0f} s, its limit, and {DEFERRAL_MARGIN}. "
                f"It is cancelled now. Raise max_hours of target {job.target} in lanner.yaml."
            )
            _leave_word(context, Reason.TIMEOUT, message)
            raise TrainingFailed(f"{Reason.TIMEOUT}: {message}") from None

    def _go_on(self, job: TrainingJob, context: Context) -> dict[str, Any]:
        """Defer while the job runs; next attempt where that helps; return when it has succeeded."""
        service = open_service(job.target)
        purse = Purse(service, job)
        insist = cancelled_by_its_owner(attempts(service, job), job.owner)
        try:
            handle = pursue(service, job, insist=insist, before=purse.promise)
        except OverBudget as refused:
            _leave_word(context, Reason.BUDGET, str(refused))
            raise TrainingFailed(f"{Reason.BUDGET}: there is no further attempt. {refused}") from None
        except Refused as refused:
            _leave_word(context, refused.reason, f"There is no further attempt. {refused}")
            raise
        status = handle.status
        self.console_url = status.console_url
        if handle.submitted:
            self.log.info("Submitted %s, which goes on from the checkpoint of the attempt before.", handle.job.name)
        if status.active:
            self.log.info("Waiting for %s.", status.name)
            self.defer(
                trigger=TrainingTrigger(
                    job.target, handle.job.name, owned=status.owner == job.owner, meter=purse.meter(handle.job)
                ),
                method_name="resume",
                timeout=timedelta(seconds=job.max_seconds) + DEFERRAL_MARGIN,
            )
        if not status.succeeded:
            raise TrainingFailed(f"{status.reason}: {status}")
        return as_xcom(handle, job.owner)


def cancelled_by_its_owner(history: list[JobStatus], owner: str) -> bool:
    """An adopted job was cancelled by the run that had submitted it; we still want it, so we make the next attempt."""
    return bool(history) and history[-1].reason is Reason.USER and history[-1].owner != owner


def _leave_word(context: Context, reason: Reason, message: str) -> None:
    """Tell the teardown, which writes the result, why this task gave up."""
    context["ti"].xcom_push(key="failure", value={"reason": reason.value, "message": message})


def as_xcom(handle: JobHandle, owner: str) -> dict[str, Any]:
    return {"job": handle.job.as_dict(), "adopted": handle.status.owner != owner}


def cancel_if_owned(service: TrainingService, job: TrainingJob, reason: Reason = Reason.USER) -> list[JobStatus]:
    """Cancel the newest attempt if this run submitted it and it is still active. Returns how all of them stand then.

    Of one that did not come so far, nothing is left, either.
    """
    history = attempts(service, job)
    goes_on = history and (history[-1].active or history[-1].succeeded)
    if isinstance(service, UploadingService) and not goes_on:
        service.abandon(job.as_attempt(len(history) + 1))
        history = attempts(service, job)
    if history and history[-1].active and history[-1].owner == job.owner:
        service.cancel(history[-1].name, reason)
        history[-1] = service.describe([history[-1].name])[history[-1].name]
    return history
