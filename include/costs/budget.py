"""A budget is kept before, during and after a job: pure rules, and the one write that makes the first of them safe."""

from __future__ import annotations

from decimal import Decimal

from include.costs.ledger import NOTHING, Entry, JobAccount, Kind, Ledger, totals


class OverBudget(ValueError):
    """A job was not let through, or has to stop. Nothing but a person mends it."""


def refuse(
    estimate: Decimal, *, budget: Decimal | None, spent: Decimal = NOTHING, committed: Decimal = NOTHING
) -> str | None:
    """Before: why a job must not be submitted, or None.

    Args:
        estimate: what it can cost at most.
        budget: for all jobs together; None: no limit.
        spent: what others have cost.
        committed: what others that are running may still cost.
    """
    if budget is None or estimate + spent + committed <= budget:
        return None
    left = max(budget - spent - committed, NOTHING)
    return (
        f"The job can cost {dollars(estimate)}, and {dollars(left)} is left of the budget of {dollars(budget)} "
        f"({dollars(spent)} spent, {dollars(committed)} promised to running jobs). Raise the budget, lower the job's "
        "limit of hours, choose a cheaper machine or spot, or wait until running jobs have ended."
    )


def exceeded(accrued: Decimal, *, budget: Decimal | None, spent: Decimal = NOTHING) -> str | None:
    """During: why a running job must stop, or None.

    Args:
        accrued: what it has cost so far.
        spent: what others have cost. What they may still cost is no reason to stop a job that was let through.
    """
    if budget is None or accrued + spent <= budget:
        return None
    others = f" and {dollars(spent)} by others" if spent else ""
    return (
        f"The job has cost {dollars(accrued)}{others}; the budget is {dollars(budget)}. It is cancelled. Raise the "
        "budget and start it again: it goes on from its last checkpoint."
    )


def report(job: JobAccount, *, budget: Decimal | None = None) -> str:
    """After: what a job came to, against its estimate and the budget, in one line."""
    parts = [f"{dollars(job.spent)}{'' if job.ended else ' so far'}"]
    if job.estimated:
        parts.append(f"{job.spent / job.estimated:.0%} of the {dollars(job.estimated)} that it could have cost")
    if budget:
        parts.append(f"{job.spent / budget:.0%} of the budget of {dollars(budget)}")
    if job.ended is Kind.CANCELLED:
        parts.append("cancelled")
    return ", ".join(parts)


def reserve(ledger: Ledger, estimated: Entry, budget: Decimal | None) -> None:
    """Promise a job's estimate before it is submitted, or refuse it. Two at the same moment never both pass the budget.

    The promise is written first and the budget looked at afterwards, so of two that do not both fit at least one sees
    the other (both may: then both are refused). A refused promise is taken back. Asking again for the same job is
    harmless: its own entries do not count against it, and one that already costs something is let through, because
    that is for ``exceeded`` to judge.

    Args:
        budget: US dollars for the jobs that are submitted in ``estimated.month``; None: no limit.

    Raises:
        OverBudget: it does not fit.
    """
    ledger.append(estimated)
    jobs = ledger.accounts()
    own = jobs[estimated.job]
    others = [job for job in jobs.values() if job is not own]
    already = totals(others, estimated.month)
    reason = refuse(estimated.dollars, budget=budget, spent=already.spent, committed=already.committed)
    if reason is None or (own.spent and not own.ended):
        return
    ledger.append(estimated.replace(kind=Kind.CANCELLED, dollars=own.spent, note="over budget"))
    raise OverBudget(reason)


def dollars(amount: Decimal) -> str:
    """Two digits after the point, more only where they would hide all of it: "$1.50", "$0.0004"."""
    return f"${amount:.2f}" if not amount or amount >= Decimal("0.01") else f"${amount.normalize():f}"
