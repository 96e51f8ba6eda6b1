"""Shows what training has cost, and what a machine would cost, by hand, without Airflow."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from include import settings
from include.costs.budget import dollars, report
from include.costs.ledger import Entry, Kind, Ledger, totals
from include.costs.prices import PriceList, WorkerPool

ORDINARY, WRONG = 0, 2  # exit codes
MOST = 10**6  # hours or dollars; more is a slip


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        if options.estimate:
            return print_estimate(options)
        return close_job(options) if options.close else print_ledger(options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.costs",
        description="Without options: the ledger of every collection of lanner.yaml, a line for each job. "
        "Amounts are US dollars, months are UTC and a job belongs to the one in which it was submitted. "
        "docs/costs.md says what is counted and what is not.",
        epilog="examples: python -m include.costs --month 2026-11     "
        "python -m include.costs --estimate n1-standard-8 2.5 --accelerator NVIDIA_TESLA_T4 --spot",
    )
    parser.add_argument("--collection", help="only this collection's ledger")
    parser.add_argument("--month", help='only jobs submitted in it: "2026-11"')
    estimate = parser.add_argument_group("a price, instead of the ledger")
    estimate.add_argument("--estimate", nargs=2, metavar=("MACHINE", "HOURS"), help="what a machine costs for so long")
    estimate.add_argument("--cloud", default="google", help="whose prices (default: %(default)s)")
    estimate.add_argument("--region", default="us-central1", help="default: %(default)s")
    estimate.add_argument("--replicas", type=int, default=1, help="number of machines (default: %(default)s)")
    estimate.add_argument("--accelerator", metavar="KIND", help="NVIDIA_TESLA_T4, TPU_V2 …")
    estimate.add_argument("--accelerators", type=int, metavar="N", help="of them in each machine (default: 1 if named)")
    estimate.add_argument("--spot", action="store_true", help="machines that may be taken away at any time")
    close = parser.add_argument_group("a correction, instead of the ledger")
    close.add_argument(
        "--close",
        nargs=2,
        metavar=("JOB", "DOLLARS"),
        help="record what a job came to, when nothing else did: its service no longer knows it, or the bill says "
        "otherwise; needs --collection",
    )
    return parser


def print_estimate(options: argparse.Namespace) -> int:
    machine, hours = options.estimate[0], _number(options.estimate[1], "HOURS")
    number = options.accelerators if options.accelerators is not None else int(bool(options.accelerator))
    pool = WorkerPool(machine, options.replicas, options.accelerator, number)
    prices = PriceList.of(settings.load(), options.cloud)
    hourly = prices.hourly([pool], options.region, spot=options.spot)
    total = prices.job([pool], float(hours * 3600), options.region, spot=options.spot)
    kind = "spot" if options.spot else "on demand"
    print(f"{dollars(total)} for {hours} h at ${hourly:.4f} an hour, {kind}, {options.region}, {prices.table.service}")
    print(f"prices of {prices.table.date}, storage and network not counted; see docs/costs.md")
    for name in prices.unconfirmed([pool], options.region):
        print(f"note: the figure for {name} was not confirmed on the service's own price page")
    return ORDINARY


def print_ledger(options: argparse.Namespace) -> int:
    current = settings.load()
    if options.collection:
        current.collection(options.collection)  # says which there are
    store, month = current.open_store(), options.month
    for collection in [options.collection] if options.collection else sorted(current.collections):
        jobs = Ledger(store, collection).accounts().values()
        shown = [job for job in jobs if month in (None, job.month)]
        summed = totals(jobs, month)
        print(
            f"{collection}: {dollars(summed.spent)} spent{f' in {month}' if month else ''}, "
            f"{dollars(summed.committed)} promised to running jobs"
        )
        for job in sorted(shown, key=lambda job: (job.month, job.job)):
            print(f"  {job.month}  {job.job}: {report(job)}")
    if not current.collections:
        print(f"There is no collection in {settings.settings_file()} yet, hence nothing in a ledger.")
    return ORDINARY


def close_job(options: argparse.Namespace) -> int:
    if not options.collection:
        raise ValueError("--close needs --collection, the collection whose job it is.")
    current = settings.load()
    current.collection(options.collection)
    job, amount = options.close[0], _number(options.close[1], "DOLLARS")
    ledger = Ledger(current.open_store(), options.collection)
    account = ledger.accounts().get(job)
    if account is None:
        raise ValueError(
            f"There is no job {job!r} in the ledger of {options.collection}; --collection alone lists them."
        )
    now = datetime.now(UTC)
    ledger.append(
        Entry(
            collection=options.collection,
            job=job,
            month=account.month,
            kind=Kind.FINAL,
            dollars=amount,
            at=now,
            target=account.target,
            note="recorded by hand",
        )
    )
    print(f"{job}: {report(ledger.accounts()[job])}")
    return ORDINARY


def _number(text: str, name: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or not 0 <= number <= MOST:
        raise ValueError(f"{name} is {text!r}; expected a number between 0 and {MOST:,}.")
    return number


if __name__ == "__main__":
    sys.exit(main())
