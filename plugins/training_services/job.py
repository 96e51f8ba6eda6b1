"""The contract of a training target: what a job is, how it may stand, and what a service must be able to do.

A job's name is a promise: the same data, configuration, trainer and generation give the same name, and a service
never runs a second job of a name. So whoever asks again -- a retry, a cleared task, another run, a reinstalled
Airflow -- finds the job that there is instead of paying for another.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from include.documents import Reason, State

if TYPE_CHECKING:
    from include.scoring.detections import Detections

RENEWED_BY_ITSELF = frozenset({Reason.CAPACITY, Reason.THROTTLED, Reason.LOST})
MAX_ATTEMPTS_IN_A_ROW = 4  # that were lost without getting any further
MAX_ATTEMPTS = 99  # a name has room for two digits


def job_prefix(
    namespace: str, target: str, dataset_id: str, configuration: Mapping[str, Any], trainer: str, generation: int
) -> str:
    """``<namespace>-<target>-<dataset8>-<config8>-g<generation>``: a job's name without its attempt.

    Only what changes the trained model is hashed: the training configuration and the trainer's version, never
    machine, region or budget. Names are ≤ 63 of [a-z0-9-], which every service accepts.
    """
    canonical = json.dumps({"configuration": configuration, "trainer": trainer}, sort_keys=True)
    config8 = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    return f"{namespace}-{target.replace('_', '-')}-{dataset_id[:8]}-{config8}-g{generation}"


class Refused(RuntimeError):
    """A service would not take a job, for a reason that may pass: it may be asked again.

    Args:
        reason: what the result is to say if it never passes.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class TrainingJob:
    """What is asked of a target. Small and made of plain values, so that it may pass between tasks."""

    prefix: str
    target: str
    collection: str
    dataset: str  # path of dataset.json in the store
    configuration: dict[str, Any]
    owner: str  # the DAG run that asks; the one that may cancel what it submitted
    max_seconds: float
    attempt: int = 1
    machines: list[dict[str, Any]] = field(default_factory=list)  # in the order in which they are to be tried
    machine: int = 0  # which of them this attempt is for
    budget: float | None = None  # US dollars, for all attempts together

    @property
    def name(self) -> str:
        return f"{self.prefix}-a{self.attempt}"

    def as_attempt(self, number: int) -> TrainingJob:
        return replace(self, attempt=number)

    def after(self, history: Sequence[JobStatus]) -> TrainingJob:
        """The attempt after others: on the next machine for each time that there was no room on one."""
        refused = sum(status.reason is Reason.CAPACITY for status in history)
        return replace(self, attempt=len(history) + 1, machine=refused % max(len(self.machines), 1))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class JobStatus:
    """How a job stands now, as its service tells it."""

    name: str
    state: State
    reason: Reason | None = None
    message: str = ""
    owner: str | None = None
    seconds: float | None = None  # run time so far, as the service counts it
    progress: Mapping[str, Any] = field(default_factory=dict)  # step, steps, loss, seconds_left … where known
    console_url: str | None = None

    @property
    def active(self) -> bool:
        return self.state in {State.PENDING, State.RUNNING}

    @property
    def succeeded(self) -> bool:
        return self.state is State.SUCCEEDED

    @property
    def renewable(self) -> bool:
        """It ended through no fault of its own: the next attempt may go better."""
        return self.state is State.FAILED and self.reason in RENEWED_BY_ITSELF

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.name}: {self.state}{reason}" + (f": {self.message}" if self.message else "")


@dataclass(frozen=True)
class JobHandle:
    """A job that was found or submitted, and how it stood then."""

    job: TrainingJob
    status: JobStatus
    submitted: bool  # by this very call; False: it was there


@dataclass(frozen=True)
class LogPage:
    """New lines of a job's log, and where to go on."""

    lines: tuple[str, ...]
    cursor: int


class TrainingService(Protocol):
    """What every target can do. All methods may be called again at any time, from any process."""

    interval: float  # seconds between two looks at waiting jobs

    def check(self, job: TrainingJob) -> list[str]:
        """Every reason known beforehand why this job would fail, each with its remedy. Costs nothing."""

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """The job of this very name, whatever its state; submitted now if there is none. Never a second one.

        Raises:
            Refused: the service would not take it now; nothing was submitted.
        """

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        """How many jobs stand, in one call. Names that the service does not know are left out."""

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        """The lines of several jobs' logs, each after its cursor (0: from the start), in as few calls as can be."""

    def cancel(self, name: str, reason: Reason) -> None:
        """Stop a job; does nothing if it has ended or never was. Returns once the service has accepted it."""

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        """US dollars for so many seconds of the machine that an attempt is for; 0: it costs nothing.

        Raises:
            UnknownPrice: nobody knows what the machine costs; the message says how to tell.
        """

    def collect(self, name: str, into: Path) -> Path:
        """Fetch what the trainer of a succeeded job wrote into a local folder. Returns that folder."""


@runtime_checkable
class UploadingService(TrainingService, Protocol):
    """A service that is sent the data before there is a job, and keeps it, and is paid for keeping it."""

    def abandon(self, job: TrainingJob) -> None:
        """Remove what the job's owner brought for a job that it did not begin. Does nothing where there is none."""


Bill = Callable[[str, Decimal, str], None]  # told a name, US dollars, and for what


@runtime_checkable
class PredictingService(TrainingService, Protocol):
    """A service whose models cannot be run elsewhere: it answers for images itself, once a training is over."""

    def cost_of_answers(self, job: TrainingJob) -> Decimal:
        """US dollars that a model's answers for the hold-out can cost at most, besides its training."""

    def predict(
        self, name: str, images: Mapping[str, Path], class_ids: Sequence[int], bill: Bill
    ) -> Mapping[str, Detections]:
        """What the model of a succeeded job finds in images. Safe to call again; nothing is left in the cloud.

        Args:
            name: the job's.
            images: files by any name.
            class_ids: of the label map, in the order in which the service counts classes.
            bill: told what it cost, also where it failed; again with the same name for the same cost.

        Returns:
            For each image, by its name, its detections.
        """


def attempts(service: TrainingService, job: TrainingJob) -> list[JobStatus]:
    """How every attempt of a job stands that its service knows, the first one first."""
    names = [job.as_attempt(number).name for number in range(1, MAX_ATTEMPTS + 1)]
    known = service.describe(names)
    return [known[name] for name in itertools.takewhile(known.__contains__, names)]


def lost_in_a_row(history: Sequence[JobStatus]) -> int:
    """How many of the last attempts were lost, one after the other; one that got further than before starts anew.

    So a machine that is taken away every hour does not end a training of a day, and one that fails at the same step
    each time does not go on for ever.
    """
    reached = [0, *(status.progress.get("step", 0) for status in history)]
    count = 0
    for status, before, after in zip(reversed(history), reversed(reached[:-1]), reversed(reached[1:]), strict=True):
        if not status.renewable:
            break
        count += 1
        if after > before:
            break
    return count


def pursue(
    service: TrainingService,
    job: TrainingJob,
    *,
    insist: bool,
    before: Callable[[TrainingJob], None] = lambda job: None,
) -> JobHandle:
    """Find the attempt that runs or succeeded, or make the next one.

    Args:
        job: any attempt of the job; all of them are looked at.
        insist: a person asks (new run, cleared task), so a next attempt follows any failure. Without it only
            what the service lost or had no capacity for is tried again, and not for ever.
        before: called with each attempt that is about to be made; what it raises prevents it.

    Returns:
        A handle whose job is active or succeeded; or, without ``insist``, the failed attempt that stays the last.
    """
    history = attempts(service, job)
    if history:
        last = history[-1]
        again = insist or 0 < lost_in_a_row(history) < MAX_ATTEMPTS_IN_A_ROW
        if last.active or last.succeeded or not again:
            return JobHandle(job.after(history[:-1]), last, submitted=False)
        if len(history) == MAX_ATTEMPTS:
            raise RuntimeError(
                f"{job.prefix} has had {MAX_ATTEMPTS} attempts and none succeeded; the last: {last}. "
                "Mend the cause and start a new generation (parameter of the training DAG)."
            )
    attempt = job.after(history)
    before(attempt)
    return service.find_or_submit(attempt)
