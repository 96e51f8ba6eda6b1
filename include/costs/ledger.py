"""What jobs were expected to cost, cost so far and came to: an append-only ledger in the store.

Each entry is a file of its own, named by the hash of its contents and never changed, so any number of writers may
append at the same moment on any object store, and the same entry twice is one file. Entries of a job are not added up:
of each kind the one that counts is chosen by a rule that knows no order, so that a retried task, a late writer or a
second one that says nearly the same changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, ValidationError

from include.documents import Record
from include.settings import Name
from include.store import Store

MILLIONTH = Decimal("0.000001")
NOTHING = Decimal(0)


def _millionths(dollars: Decimal) -> Decimal:
    return dollars.quantize(MILLIONTH, ROUND_CEILING)


Dollars = Annotated[Decimal, Field(ge=0, le=10**9), AfterValidator(_millionths)]
JobName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class LedgerError(ValueError):
    """A file in the ledger is no entry of it."""


class Kind(StrEnum):
    """What an entry says of a job."""

    ESTIMATED = "estimated"  # what it can cost at most; a promise that counts against the budget until the job's end
    ACCRUED = "accrued"  # what it has cost since it began, all of it, not since the entry before
    FINAL = "final"  # what it came to, however it ended
    CANCELLED = "cancelled"  # what it had cost when it was cancelled; 0 if it was never submitted


class Entry(Record):
    """One line of the ledger."""

    schema_version: Literal[1] = 1
    collection: Name
    job: JobName
    month: Month  # in which the job was submitted (UTC); the same in all of its entries
    kind: Kind
    dollars: Dollars
    at: AwareDatetime  # when it was found
    target: str = ""
    note: str = ""  # for people: "1 x n1-standard-4 in us-central1, at most 6 h"

    def replace(self, **changes: Any) -> Entry:
        """With some fields changed, and checked again."""
        return Entry.model_validate(self.model_dump() | changes)

    @property
    def encoded(self) -> bytes:
        """Canonical JSON, the time in UTC: the same entry has the same bytes on every machine."""
        fields = self.model_dump(mode="json") | {"at": self.at.astimezone(UTC).isoformat()}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def path(self) -> str:
        name = hashlib.sha256(self.encoded).hexdigest()[:32]
        return f"{folder_of(self.collection)}/{self.month}/{self.job}/{self.kind}-{name}.json"


def folder_of(collection: str) -> str:
    """The folder of a collection's ledger in the store."""
    return f"{collection}/ledger"


def month_of(moment: datetime) -> str:
    """The month of a moment with a time zone, in UTC: "2026-11"."""
    return moment.astimezone(UTC).strftime("%Y-%m")


@dataclass(frozen=True)
class JobAccount:
    """What the entries of one job say together. Amounts in US dollars."""

    job: str
    target: str
    month: str
    estimated: Decimal
    spent: Decimal  # what it came to, or has cost so far
    ended: Kind | None  # FINAL or CANCELLED; None: it may still cost something

    @property
    def committed(self) -> Decimal:
        """What it may still cost by its estimate."""
        return NOTHING if self.ended else max(self.estimated - self.spent, NOTHING)


@dataclass(frozen=True)
class Totals:
    """US dollars over several jobs."""

    spent: Decimal
    committed: Decimal


class Ledger:
    """One collection's ledger."""

    def __init__(self, store: Store, collection: str) -> None:
        self.store = store
        self.collection = collection

    def append(self, entry: Entry) -> str:
        """Write an entry; the same one again changes nothing. Returns its path in the store.

        When this returns, every reader that begins afterwards sees the entry.
        """
        if entry.collection != self.collection:
            raise ValueError(f"Got an entry of collection {entry.collection!r} for the ledger of {self.collection!r}.")
        return self.store.write(entry.path, entry.encoded)

    def entries(self, month: str | None = None) -> list[Entry]:
        """All entries, or those of the jobs that were submitted in one month.

        Raises:
            LedgerError: a file in the ledger is no entry, or was altered.
        """
        folder = folder_of(self.collection) + (f"/{month}" if month else "")
        names = [name for name in self.store.files(folder) if name.endswith(".json")]
        return [self._parse(name, data) for name, data in zip(names, self.store.read_many(names), strict=True)]

    def accounts(self, month: str | None = None) -> dict[str, JobAccount]:
        """What each job came to, by its name."""
        return accounts(self.entries(month))

    def totals(self, month: str) -> Totals:
        """What the collection spent on jobs submitted in a month, and what all its running jobs may still cost."""
        return totals(self.accounts().values(), month)

    def _parse(self, name: str, data: bytes) -> Entry:
        try:
            entry = Entry.model_validate_json(data)
        except ValidationError as invalid:
            first = invalid.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the whole file"
            raise LedgerError(
                f"{name} in {self.store.root} is no entry of the ledger: {field}: {first['msg']}. Restore the file "
                "from a backup, or move it out of the folder if it does not belong there."
            ) from invalid
        if entry.path != name:
            raise LedgerError(
                f"{name} in {self.store.root} was altered or moved: its contents belong to {entry.path}. "
                "Restore it from a backup."
            )
        return entry


def accounts(entries: Iterable[Entry]) -> dict[str, JobAccount]:
    """Entries as one account for each job. Neither their order nor how often each occurs matters."""
    by_job: dict[str, list[Entry]] = {}
    for entry in entries:
        by_job.setdefault(entry.job, []).append(entry)
    return {job: _account(job, of_job) for job, of_job in sorted(by_job.items())}


def totals(jobs: Iterable[JobAccount], month: str | None = None) -> Totals:
    """Sums over jobs; with a month, only what jobs of that month spent, but what any of them may still cost."""
    known = list(jobs)
    spent = sum((job.spent for job in known if month in (None, job.month)), NOTHING)
    return Totals(spent, sum((job.committed for job in known), NOTHING))


def _account(job: str, entries: list[Entry]) -> JobAccount:
    """The highest estimate, the highest accrual, and the end: the newest final; else the newest cancellation.

    A cancellation that an estimate follows is none: the same job was asked for again. Of two entries of the same
    moment the dearer one counts.
    """

    def best(kind: Kind) -> Entry | None:
        return max((e for e in entries if e.kind is kind), key=lambda e: (e.at, e.dollars), default=None)

    def highest(*kinds: Kind) -> Decimal:
        return max((entry.dollars for entry in entries if entry.kind in kinds), default=NOTHING)

    final, cancelled, estimated = best(Kind.FINAL), best(Kind.CANCELLED), best(Kind.ESTIMATED)
    if final is None and cancelled is not None and estimated is not None and estimated.at > cancelled.at:
        cancelled = None
    end = final or cancelled
    return JobAccount(
        job=job,
        target=max(entry.target for entry in entries),
        month=min(entry.month for entry in entries),
        estimated=highest(Kind.ESTIMATED),
        spent=end.dollars if end else highest(Kind.ACCRUED, Kind.CANCELLED),
        ended=end.kind if end else None,
    )
