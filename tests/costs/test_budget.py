"""A budget is kept: before, during and after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.costs.budget import OverBudget, dollars, exceeded, refuse, report, reserve
from include.costs.ledger import Entry, JobAccount, Kind, Ledger
from include.store import Store

AMOUNTS = st.decimals(0, 100, places=2)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def estimate(job: str, amount: int, kind: Kind = Kind.ESTIMATED) -> Entry:
    return Entry(collection="raccoon", job=job, month="2026-11", kind=kind, dollars=Decimal(amount), at=NOON)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(tmp_path), "raccoon")


def test_refuses_what_could_pass_the_budget() -> None:
    said = refuse(Decimal(5), budget=Decimal(10), spent=Decimal(3), committed=Decimal("2.5"))
    assert said is not None
    assert said.startswith("The job can cost $5.00, and $4.50 is left of the budget of $10.00 ($3.00 spent, $2.50 pro")
    assert "Raise the budget" in said
    assert refuse(Decimal(5), budget=Decimal(10), spent=Decimal(3), committed=Decimal(2)) is None
    assert refuse(Decimal(10**6), budget=None) is None
    assert refuse(Decimal(0), budget=Decimal(0)) is None


def test_stops_what_has_passed_it() -> None:
    said = exceeded(Decimal("7.01"), budget=Decimal(10), spent=Decimal(3))
    assert said == (
        "The job has cost $7.01 and $3.00 by others; the budget is $10.00. It is cancelled. Raise the budget and start "
        "it again: it goes on from its last checkpoint."
    )
    assert exceeded(Decimal(7), budget=Decimal(10), spent=Decimal(3)) is None
    assert exceeded(Decimal(10**6), budget=None) is None


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_what_was_let_through_and_kept_to_its_estimate_is_never_stopped(
    estimated: Decimal, accrued: Decimal, spent: Decimal, committed: Decimal, budget: Decimal
) -> None:
    if refuse(estimated, budget=budget, spent=spent, committed=committed) is None and accrued <= estimated:
        assert exceeded(accrued, budget=budget, spent=spent + committed) is None


def test_reports_in_one_line() -> None:
    job = JobAccount("a", "vertex", "2026-11", Decimal(4), Decimal(1), Kind.FINAL)
    assert report(job, budget=Decimal(10)) == (
        "$1.00, 25% of the $4.00 that it could have cost, 10% of the budget of $10.00"
    )
    assert report(JobAccount("a", "", "2026-11", Decimal(0), Decimal(1), None)) == "$1.00 so far"


@pytest.mark.parametrize(
    ("amount", "shown"), [("0", "$0.00"), ("1.5", "$1.50"), ("0.000400", "$0.0004"), ("0.01", "$0.01")]
)
def test_small_amounts_stay_visible(amount: str, shown: str) -> None:
    assert dollars(Decimal(amount)) == shown


def test_promises_until_the_budget_is_full(ledger: Ledger) -> None:
    reserve(ledger, estimate("a", 6), Decimal(10))
    with pytest.raises(OverBudget, match=r"\$4\.00 is left"):
        reserve(ledger, estimate("b", 6), Decimal(10))
    assert ledger.totals("2026-11").committed == 6
    reserve(ledger, estimate("a", 6), Decimal(10))  # asked for again
    reserve(ledger, estimate("c", 4), Decimal(10))


def test_a_running_job_is_not_taken_back(ledger: Ledger) -> None:
    reserve(ledger, estimate("a", 6), Decimal(10))
    ledger.append(estimate("a", 1, Kind.ACCRUED))
    reserve(ledger, estimate("a", 6), Decimal(2))  # the budget was lowered meanwhile; `exceeded` judges from now on
    assert ledger.accounts()["a"].ended is None


def test_of_many_at_the_same_moment_no_more_than_fit_are_let_through(ledger: Ledger) -> None:
    def attempt(number: int) -> bool:
        try:
            reserve(ledger, estimate(f"job-{number}", 3), Decimal(10))
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        passed = sum(threads.map(attempt, range(8)))
    assert passed <= 3
    assert ledger.totals("2026-11").committed == 3 * passed
