"""What a training may cost and has cost: the ledger is asked before each submission, and told how each attempt ended.

A job that costs nothing where it runs is in no ledger.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from include import settings
from include.costs.budget import OverBudget, dollars, exceeded, refuse, report, reserve
from include.costs.ledger import NOTHING, Entry, JobAccount, Kind, Ledger, Totals, month_of, totals
from include.documents import State
from training_services.job import JobStatus, PredictingService, TrainingJob, TrainingService

ACCRUE_SECONDS = 600.0  # between two entries of what a running job has cost
HOUR = 3600


@dataclass
class Meter:
    """What a waiting task must know to watch the cost of the job that it waits for. Plain values.

    Attributes:
        hourly: US dollars.
        budget: what this attempt may cost, in US dollars; None: no limit.
    """

    collection: str
    target: str
    job: str
    month: str
    hourly: float
    budget: float | None

    def __post_init__(self) -> None:
        self._told = -ACCRUE_SECONDS  # when the ledger was last told

    def read(self, seconds: float) -> str | None:
        """Why the job must stop after so many seconds, or None. Tells the ledger now and then what has accrued."""
        spent = Decimal(str(self.hourly * seconds / HOUR))
        over = exceeded(spent, budget=None if self.budget is None else Decimal(str(self.budget)))
        if over or time.monotonic() - self._told >= ACCRUE_SECONDS:
            self._told = time.monotonic()
            Ledger(settings.load().open_store(), self.collection).append(
                _entry(self.collection, self.target, self.job, self.month, Kind.ACCRUED, spent)
            )
        return over


class Purse:
    """The money side of one training: all attempts of a job.

    Args:
        job: any attempt of it.
    """

    def __init__(self, service: TrainingService, job: TrainingJob, current: settings.Settings | None = None) -> None:
        current = current or settings.load()
        self.service, self.job = service, job
        self.ledger = Ledger(current.open_store(), job.collection)
        monthly = current.collection(job.collection).monthly_budget
        self.monthly = None if monthly is None else Decimal(str(monthly))
        self.budget = None if job.budget is None else Decimal(str(job.budget))

    def promise(self, job: TrainingJob) -> None:
        """Write down what an attempt can cost at most, before it is submitted, its model's answers with it.

        The first attempt is not let through either if one of its fall-back machines would be too dear.

        Raises:
            OverBudget: more than the training's budget, or than what is left of the collection's month.
            UnknownPrice: of one of the machines.
        """
        choices = [replace(job, machine=number) for number in range(len(job.machines))] if job.attempt == 1 else [job]
        known = self._attempts()
        others = _besides(known, job.name)
        answers = self.service.cost_of_answers(job) if isinstance(self.service, PredictingService) else NOTHING
        for choice in choices or [job]:
            most = self.service.cost(choice, job.max_seconds) + answers
            if reason := refuse(most, budget=self.budget, spent=others.spent, committed=others.committed):
                raise OverBudget(f"{_machine(choice)}: {reason}")
        estimate = self.service.cost(job, job.max_seconds) + answers
        if estimate:
            besides = f", {dollars(answers)} of it for its model's answers" if answers else ""
            note = f"{_machine(job)}, at most {job.max_seconds / HOUR:g} h{besides}"
            reserve(self.ledger, self._entry(known, job.name, Kind.ESTIMATED, estimate, note), self.monthly)
            print(f"{job.name} can cost {dollars(estimate)} at most ({note}).")

    def meter(self, job: TrainingJob) -> dict[str, Any] | None:
        """A ``Meter`` for the trigger that waits for an attempt; None if it costs nothing."""
        hourly = self.service.cost(job, HOUR)
        if not hourly:
            return None
        known = self._attempts()
        left = None if self.budget is None else float(max(self.budget - _besides(known, job.name).spent, NOTHING))
        meter = Meter(job.collection, job.target, job.name, _month(known, job.name), float(hourly), left)
        return asdict(meter)

    def settle(self, history: Sequence[JobStatus]) -> tuple[float, list[str]]:
        """Record how every attempt ended. Returns what all of them came to in US dollars, and a line for each.

        A promise whose job never came is taken back.
        """
        known = self._attempts()
        for number, status in enumerate(history):
            attempt = self.job.after(history[:number])
            spent = self.service.cost(attempt, status.seconds or 0.0)
            if not status.active and self.service.cost(attempt, HOUR):
                kind = Kind.CANCELLED if status.state is State.CANCELLED else Kind.FINAL
                self.ledger.append(self._entry(known, attempt.name, kind, spent, _machine(attempt)))
        for account in known.values():
            is_known = account.job in {status.name for status in history}
            if _is_attempt(account.job) and not is_known and not account.ended:
                self.ledger.append(self._entry(known, account.job, Kind.CANCELLED, NOTHING, "never submitted"))
        known = self._attempts()
        lines = [f"{name}: {report(account, budget=self.budget)}" for name, account in known.items()]
        return float(totals(known.values()).spent), lines

    def spend(self, name: str, amount: Decimal, note: str) -> None:
        """Record what something cost that belongs to this job besides its attempts, such as a model's answers.

        Args:
            name: begins with that of an attempt, so that it counts as the job's. The same again counts once.
        """
        self.ledger.append(self._entry(self._attempts(), name, Kind.FINAL, amount, note))

    def set_aside(self, begins: str, most: Decimal, note: str) -> str:
        """Promise what something besides the attempts can cost at most. Returns its name in the ledger.

        Args:
            begins: its name but for a number, which it gets if the ledger has closed one of that name before. One that
                is still open is what this is about, asked for once more.

        Raises:
            OverBudget: more than what is left of the training's budget, or of the collection's month.
        """
        known = self._attempts()
        names = (f"{begins}{number if number > 1 else ''}" for number in itertools.count(1))
        name = next(name for name in names if name not in known or not known[name].ended)
        others = _besides(known, name)
        if reason := refuse(most, budget=self.budget, spent=others.spent, committed=others.committed):
            raise OverBudget(reason)
        reserve(self.ledger, self._entry(known, name, Kind.ESTIMATED, most, note), self.monthly)
        print(f"{name} can cost {dollars(most)} at most ({note}).")
        return name

    def take_back(self, name: str) -> None:
        """Close a promise for which nothing was spent."""
        known = self._attempts()
        if name in known and not known[name].ended:
            self.ledger.append(self._entry(known, name, Kind.CANCELLED, NOTHING, "never made"))

    def _attempts(self) -> dict[str, JobAccount]:
        """What the ledger says of every attempt of this job, and of what else was spent for it."""
        return {
            name: account
            for name, account in self.ledger.accounts().items()
            if name.rpartition("-a")[0] == self.job.prefix
        }

    def _entry(self, known: Mapping[str, JobAccount], name: str, kind: Kind, amount: Decimal, note: str) -> Entry:
        return _entry(self.job.collection, self.job.target, name, _month(known, name), kind, amount, note)


def _besides(known: Mapping[str, JobAccount], name: str) -> Totals:
    """What the other attempts and all else of a job cost, and may still cost."""
    return totals(account for other, account in known.items() if other != name)


def _is_attempt(name: str) -> bool:
    """Of a job, and nothing besides, such as its model's answers."""
    return name.rpartition("-a")[2].isdecimal()


def _month(known: Mapping[str, JobAccount], name: str) -> str:
    """The month in which a job was submitted; this one, if it is about to be."""
    return known[name].month if name in known else month_of(datetime.now(UTC))


def _entry(collection: str, target: str, job: str, month: str, kind: Kind, amount: Decimal, note: str = "") -> Entry:
    return Entry(
        collection=collection,
        job=job,
        month=month,
        kind=kind,
        dollars=amount,
        at=datetime.now(UTC),
        target=target,
        note=note,
    )


def _machine(job: TrainingJob) -> str:
    """The machine of an attempt in words."""
    if not job.machines:
        return f"{job.target}'s first machine"
    choice = job.machines[job.machine]
    beside = f"with evaluator {choice['evaluator']}" if choice.get("evaluator") else ""
    return " ".join(filter(None, [choice["preset"], beside, choice.get("region"), choice.get("spot") and "spot"]))
