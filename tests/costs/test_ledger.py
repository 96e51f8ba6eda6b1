"""The ledger: whatever order, number and writers of its entries, a job comes to what it came to."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.costs.ledger import Entry, Kind, Ledger, LedgerError, Totals, accounts, month_of, totals
from include.store import Store

PROJECT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def entry(
    kind: Kind, dollars: str | int, job: str = "lanner-vertex-1-a1", minutes: int = 0, month: str = "2026-11"
) -> Entry:
    return Entry(
        collection="raccoon",
        job=job,
        month=month,
        kind=kind,
        dollars=Decimal(dollars),
        at=NOON + timedelta(minutes=minutes),
    )


@pytest.fixture(params=["folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "store") if request.param == "folder" else Store(f"memory://{tmp_path.name}")


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, "raccoon")


def test_an_empty_ledger_is_nothing(ledger: Ledger) -> None:
    assert ledger.entries() == []
    assert ledger.totals("2026-11") == totals([])


def test_reads_back_what_was_written(ledger: Ledger) -> None:
    written = [entry(Kind.ESTIMATED, "2.5"), entry(Kind.FINAL, "1.234567", minutes=9)]
    paths = [ledger.append(each) for each in written]
    assert sorted(ledger.entries(), key=lambda e: e.at) == written
    assert all(path.startswith("raccoon/ledger/2026-11/lanner-vertex-1-a1/") for path in paths)


def test_the_same_entry_twice_counts_once(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.append(entry(Kind.FINAL, 2))
    assert len(ledger.entries()) == 1
    assert ledger.totals("2026-11").spent == 2


def test_follows_a_job_from_its_promise_to_its_end(ledger: Ledger) -> None:
    ledger.append(entry(Kind.ESTIMATED, 6))
    assert ledger.totals("2026-11") == Totals(Decimal(0), Decimal(6))
    ledger.append(entry(Kind.ACCRUED, 1, minutes=10))
    ledger.append(entry(Kind.ACCRUED, 2, minutes=20))
    ledger.append(entry(Kind.ACCRUED, 1, minutes=30))  # a late writer
    assert (ledger.totals("2026-11").spent, ledger.totals("2026-11").committed) == (2, 4)
    ledger.append(entry(Kind.FINAL, "2.5", minutes=40))
    assert (ledger.totals("2026-11").spent, ledger.totals("2026-11").committed) == (Decimal("2.5"), 0)


def test_a_cancelled_job_keeps_what_it_cost_until_the_final_word(ledger: Ledger) -> None:
    ledger.append(entry(Kind.ESTIMATED, 6))
    ledger.append(entry(Kind.CANCELLED, 2, minutes=10))
    job = ledger.accounts()["lanner-vertex-1-a1"]
    assert (job.spent, job.committed, job.ended) == (2, 0, Kind.CANCELLED)
    ledger.append(entry(Kind.FINAL, 3, minutes=5))  # older, yet a final is the service's own word
    assert ledger.accounts()["lanner-vertex-1-a1"].spent == 3


def test_a_job_that_is_asked_for_again_is_promised_again(ledger: Ledger) -> None:
    ledger.append(entry(Kind.ESTIMATED, 6))
    ledger.append(entry(Kind.CANCELLED, 0, minutes=1))
    ledger.append(entry(Kind.ESTIMATED, 6, minutes=2))
    assert ledger.totals("2026-11").committed == 6


def test_a_running_job_of_last_month_is_promised_now_and_spent_then(ledger: Ledger) -> None:
    ledger.append(entry(Kind.ESTIMATED, 6, month="2026-10"))
    ledger.append(entry(Kind.ACCRUED, 2, month="2026-10"))
    assert (ledger.totals("2026-11").spent, ledger.totals("2026-11").committed) == (0, 4)
    assert ledger.totals("2026-10").spent == 2
    assert ledger.entries("2026-11") == []


KINDS = st.sampled_from(list(Kind))
ENTRIES = st.lists(
    st.builds(
        entry,
        KINDS,
        st.decimals(0, 1000, places=6).map(str),
        job=st.sampled_from(["a", "b", "c"]),
        minutes=st.integers(0, 5),
        month=st.sampled_from(["2026-10", "2026-11"]),
    ),
    max_size=12,
)


@given(ENTRIES, st.data())
def test_order_and_repetition_change_nothing_and_no_dollar_is_lost(entries: list[Entry], data: st.DataObject) -> None:
    repeated = entries + data.draw(st.lists(st.sampled_from(entries), max_size=8) if entries else st.just([]))
    jobs = accounts(entries)
    assert accounts(data.draw(st.permutations(repeated))) == jobs
    whole = totals(jobs.values())
    assert whole.spent == sum(job.spent for job in jobs.values())
    assert whole.spent == sum(totals(jobs.values(), month).spent for month in ("2026-10", "2026-11"))
    assert whole.committed == sum(job.committed for job in jobs.values() if not job.ended)
    assert whole.spent + whole.committed <= sum((e.dollars for e in entries), Decimal(0))


@given(entries=ENTRIES)
@settings(max_examples=30)
def test_the_store_keeps_every_entry_once(entries: list[Entry]) -> None:
    store = Store(f"memory://ledger-{abs(hash(tuple(entries)))}")
    ledger = Ledger(store, "raccoon")
    for each in [*entries, *reversed(entries)]:
        ledger.append(each)
    assert {e.path for e in ledger.entries()} == {e.path for e in entries}
    assert len(ledger.entries()) == len({e.path for e in entries})
    assert ledger.accounts() == accounts(entries)


WRITER = """
import sys
from datetime import UTC, datetime
from include.costs.ledger import Entry, Kind, Ledger
from include.store import Store
ledger = Ledger(Store(sys.argv[1]), "raccoon")
print(flush=True)
input()
for number in range(40):
    job = f"shared-{number}" if number % 2 else f"own-{sys.argv[2]}-{number}"
    at = datetime(2026, 11, 25, tzinfo=UTC)
    ledger.append(Entry(collection="raccoon", job=job, month="2026-11", kind=Kind.FINAL, dollars=1, at=at))
"""


def test_several_processes_append_at_the_same_moment(tmp_path: Path) -> None:
    """Each writes 20 jobs of its own and 20 that all of them write, to a folder."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:  # all are ready: go
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    reader = Ledger(Store(tmp_path), "raccoon")
    seen = 0
    while any(writer.poll() is None for writer in writers):
        now = len(reader.entries())  # a reader beside them sees whole entries only, and never fewer than before
        assert now >= seen
        seen = now
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(reader.entries()) == 4 * 20 + 20
    assert reader.totals("2026-11").spent == 100


def test_several_threads_append_at_the_same_moment_to_an_object_store(tmp_path: Path) -> None:
    """fsspec's memory store is one process's own, so here the writers are threads."""
    ledger = Ledger(Store(f"memory://{tmp_path.name}"), "raccoon")
    mine = [entry(Kind.FINAL, 1, job=f"own-{number}") for number in range(100)]
    shared = [entry(Kind.FINAL, 1, job="shared")] * 100
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ledger.append, [e for pair in zip(mine, shared, strict=True) for e in pair]))
    assert ledger.totals("2026-11").spent == 101


def test_a_damaged_entry_is_named(ledger: Ledger) -> None:
    path = ledger.append(entry(Kind.FINAL, 2))
    ledger.store.write(path, b'{"collection": "raccoon"')
    with pytest.raises(LedgerError, match=rf"{path} in .* is no entry of the ledger: .*Restore the file"):
        ledger.entries()


def test_an_altered_entry_is_named(ledger: Ledger) -> None:
    path = ledger.append(entry(Kind.FINAL, 2))
    ledger.store.write(path, entry(Kind.FINAL, 1).encoded)
    with pytest.raises(LedgerError, match="was altered or moved"):
        ledger.entries()


@pytest.mark.parametrize(
    "wrong",
    [{"job": "../../etc"}, {"job": "A"}, {"month": "2026-13"}, {"month": "x/../y"}, {"dollars": Decimal(-1)},
     {"dollars": Decimal("NaN")}, {"collection": "../other"}, {"at": datetime(2026, 11, 25)}],
)  # fmt: skip
def test_refuses_what_is_no_entry(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        Entry.model_validate(entry(Kind.FINAL, 2).model_dump() | wrong)


def test_refuses_the_entry_of_another_collection(store: Store) -> None:
    with pytest.raises(ValueError, match="'raccoon' for the ledger of 'cats'"):
        Ledger(store, "cats").append(entry(Kind.FINAL, 1))


def test_months_are_utc() -> None:
    assert month_of(datetime.fromisoformat("2026-12-01T00:30:00+02:00")) == "2026-11"
