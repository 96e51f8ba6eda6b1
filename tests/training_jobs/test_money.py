"""A training keeps to its budget: refused before, stopped during, and told what it came to."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include import settings
from include.costs.budget import OverBudget
from include.costs.ledger import Kind, Ledger
from include.documents import Reason, State
from include.store import Store
from training_jobs.money import Meter, Purse
from training_jobs.poller import Poller
from training_jobs.trigger import TrainingTrigger
from training_services.job import JobStatus, TrainingJob, pursue
from training_services.local import LocalService

HOURLY = {"small": Decimal(1), "large": Decimal(10)}  # US dollars
HOUR = 3600


class Rented(LocalService):
    """This machine, as if somebody charged for it."""

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        return HOURLY[job.machines[job.machine]["preset"]] * Decimal(str(seconds)) / HOUR


@pytest.fixture
def service(lanner: Path) -> Rented:
    (lanner / "lanner.yaml").write_text("collections:\n  toy: {source: images, monthly_budget: 5}\n")
    return Rented(lanner / "state" / "jobs", Store(lanner / "state" / "store"))


@pytest.fixture
def job() -> TrainingJob:
    return TrainingJob("lanner-rented-1-1-g1", "local", "toy", "d", {}, "run", 2 * HOUR, machines=[{"preset": "small"}])


@pytest.fixture
def ledger(service: Rented) -> Ledger:
    return Ledger(service.store, "toy")


def ended(job: TrainingJob, seconds: float, state: State = State.SUCCEEDED, reason: Reason | None = None) -> JobStatus:
    return JobStatus(job.name, state, reason, owner="run", seconds=seconds)


def test_what_it_can_cost_is_promised_before_it_is_submitted(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    Purse(service, job).promise(job)
    account = ledger.accounts()[job.name]
    assert (account.estimated, account.committed, account.spent) == (2, 2, 0)


class Answering(Rented):
    """One whose models answer elsewhere, which costs besides."""

    def cost_of_answers(self, job: TrainingJob) -> Decimal:
        return Decimal("0.5")

    def predict(self, *_: Any) -> dict[str, Any]:
        raise AssertionError


def test_so_is_what_its_models_answers_can_cost(
    service: Rented, job: TrainingJob, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    answering = Answering(service.jobs, service.store)
    with pytest.raises(OverBudget, match=r"small: The job can cost \$2.50, and \$2.40 is left"):
        Purse(answering, replace(job, budget=2.4)).promise(job)
    purse = Purse(answering, replace(job, budget=2.5))
    purse.promise(job)
    assert ledger.accounts()[job.name].committed == Decimal("2.5")
    assert "can cost $2.50 at most (small, at most 2 h, $0.50 of it for its model's answers)" in capsys.readouterr().out
    purse.spend(f"{job.name}-score", Decimal("0.25"), "batch transform")
    assert purse.settle([ended(job, HOUR)])[0] == 1.25
    assert sum(account.committed for account in ledger.accounts().values()) == 0


def test_over_its_own_budget_it_is_not_submitted(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    dear = replace(job, budget=1.5)
    with pytest.raises(OverBudget, match=r"small: The job can cost \$2.00, and \$1.50 is left"):
        pursue(service, dear, insist=True, before=Purse(service, dear).promise)
    assert service.describe([dear.name]) == {}
    assert ledger.accounts() == {}


def test_a_fall_back_that_is_too_dear_is_refused_at_once(service: Rented, job: TrainingJob) -> None:
    """Not hours later, when there is no room on the first machine."""
    asked = replace(job, budget=3.0, machines=[{"preset": "small"}, {"preset": "large", "region": "r1", "spot": True}])
    with pytest.raises(OverBudget, match=r"^large r1 spot: The job can cost \$20.00"):
        Purse(service, asked).promise(asked)


def test_the_month_is_shared_by_all_jobs_of_a_collection(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    for generation in (1, 2):
        other = replace(job, prefix=f"other-g{generation}")
        Purse(service, other).promise(other)
    with pytest.raises(OverBudget, match=r"budget of \$5.00 \(\$0.00 spent, \$4.00 promised"):
        Purse(service, job).promise(job)
    assert ledger.accounts()[job.name].committed == 0, "a refused promise is taken back"


def test_attempts_share_the_budget_of_their_training(service: Rented, job: TrainingJob) -> None:
    asked = replace(job, budget=3.0)
    purse = Purse(service, asked)
    purse.promise(asked)
    history = [ended(asked, HOUR * 1.5, State.FAILED, Reason.LOST)]
    purse.settle(history)
    with pytest.raises(OverBudget, match=r"\$1.50 is left"):
        purse.promise(asked.after(history))
    meter = purse.meter(asked.after(history))
    assert meter is not None
    assert (meter["hourly"], meter["budget"]) == (1.0, 1.5)


def test_each_attempt_costs_what_its_own_machine_costs(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    asked = replace(job, machines=[{"preset": "small"}, {"preset": "large"}])
    refused = ended(asked, 0.0, State.FAILED, Reason.CAPACITY)
    trained = ended(asked.as_attempt(2), HOUR / 2)
    cost, lines = Purse(service, asked).settle([refused, trained])
    assert cost == 5.0
    assert len(lines) == 2
    assert {name: account.ended for name, account in ledger.accounts().items()} == dict.fromkeys(
        [refused.name, trained.name], Kind.FINAL
    )


def test_a_promise_whose_job_never_came_is_taken_back(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    Purse(service, job).promise(job)
    assert Purse(service, job).settle([])[0] == 0.0
    assert ledger.accounts()[job.name].committed == 0


def test_what_still_runs_for_another_is_not_closed(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    Purse(service, job).promise(job)
    Purse(service, job).settle([ended(job, HOUR, State.RUNNING)])
    assert ledger.accounts()[job.name].ended is None


def test_a_job_that_costs_nothing_is_in_no_ledger(service: Rented, job: TrainingJob, ledger: Ledger) -> None:
    free = LocalService(service.jobs, service.store)
    purse = Purse(free, replace(job, budget=0.01))
    purse.promise(job)
    assert purse.meter(job) is None
    assert purse.settle([ended(job, HOUR)]) == (0.0, [])
    assert ledger.entries() == []


def test_over_the_budget_the_wait_ends_while_the_job_runs(
    service: Rented, job: TrainingJob, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training_services.local.LocalService.interval", 0.02)
    monkeypatch.setattr(Poller, "_pollers", {})
    folder = settings.load().jobs / job.name
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"owner": "run"}))
    (folder / "started").touch()
    os.utime(folder / "started", (time.time() - HOUR, time.time() - HOUR))

    async def fire(budget: float) -> object:
        meter = asdict(Meter("toy", "local", job.name, "2026-11", hourly=1.0, budget=budget))
        async for event in TrainingTrigger("local", job.name, True, json.loads(json.dumps(meter))).run():
            return event.payload
        raise AssertionError

    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it runs
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(fire(budget=2.0), 1))
        payload = asyncio.run(asyncio.wait_for(fire(budget=0.5), 5))
    assert "has cost $1.00" in str(payload)
    assert "the budget is $0.50" in str(payload)
    assert ledger.accounts()[job.name].spent >= 1
