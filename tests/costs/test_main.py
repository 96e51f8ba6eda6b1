"""``python -m include.costs``."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from include import settings
from include.costs.__main__ import main
from include.costs.ledger import Entry, Kind, Ledger


def append(kind: Kind, amount: str, job: str, month: str = "2026-11") -> None:
    at = datetime(2026, 11, 25, tzinfo=UTC)
    entry = Entry(collection="raccoon", job=job, month=month, kind=kind, dollars=Decimal(amount), at=at)
    Ledger(settings.load().open_store(), "raccoon").append(entry)


@pytest.fixture
def raccoon(lanner: Path) -> Path:
    settings.put_collection("raccoon", {"source": "images"})
    return lanner


def test_prints_a_price(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--estimate", "n1-standard-8", "2", "--accelerator", "NVIDIA_TESLA_T4", "--replicas", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("$3.36 for 2 h at $1.6790 an hour, on demand, us-central1, Vertex AI custom training\n")
    assert "prices of 2026-11-25" in said
    assert "NVIDIA_TESLA_T4 was not confirmed" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--estimate", "n9-standard-4", "2"], "add what you are charged for it"),
        (["--estimate", "n1-standard-4", "two"], "HOURS is 'two'; expected a number"),
        (["--estimate", "n1-standard-4", "nan"], "HOURS is 'nan'"),
        (["--estimate", "n1-standard-4", "1e999"], "expected a number between 0 and 1,000,000"),
        (["--estimate", "n1-standard-4", "1", "--region", "moon"], "no price for n1-standard-4 in moon"),
        (["--collection", "cats"], "There is no collection 'cats'"),
        (["--close", "a", "1"], "--close needs --collection"),
        (["--close", "nobody", "1", "--collection", "raccoon"], "There is no job 'nobody'"),
    ],
)
def test_says_what_is_wrong(
    raccoon: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_prints_the_ledger(raccoon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(Kind.ESTIMATED, "4", "job-a")
    append(Kind.FINAL, "1", "job-a")
    append(Kind.ESTIMATED, "2", "job-b")
    append(Kind.FINAL, "9", "job-c", month="2026-10")
    assert main(["--month", "2026-11"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "raccoon: $1.00 spent in 2026-11, $2.00 promised to running jobs",
        "  2026-11  job-a: $1.00, 25% of the $4.00 that it could have cost",
        "  2026-11  job-b: $0.00 so far, 0% of the $2.00 that it could have cost",
    ]
    assert main([]) == 0
    assert capsys.readouterr().out.startswith(
        "raccoon: $10.00 spent, $2.00 promised to running jobs\n  2026-10  job-c: "
    )


def test_closes_a_job_that_nothing_else_ends(raccoon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(Kind.ESTIMATED, "4", "job-a")
    assert main(["--collection", "raccoon", "--close", "job-a", "1.5"]) == 0
    assert capsys.readouterr().out == "job-a: $1.50, 38% of the $4.00 that it could have cost\n"
    assert Ledger(settings.load().open_store(), "raccoon").totals("2026-11").committed == 0


def test_without_collections_it_says_so(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "There is no collection" in capsys.readouterr().out
