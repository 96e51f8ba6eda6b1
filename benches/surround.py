"""What surrounds a training: where each second of a ``make run`` goes that is not the training process itself.

``--home`` reads a finished run from its state folder (``LANNER_HOME``), ``--run`` does one first, from nothing: an
empty state folder, so that Airflow's database is created as well. The environment (``.venv``) is there already.

The run's time is laid out without gap or overlap. A second belongs to the training process while that runs; else to
the task that was started last; else it is waiting: for Airflow to start, to see that something has ended, to start the
next task. Tasks that only wait (deferred) have no second of their own. Goal: no more than 15 % of the training
process's time and 60 s.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benches.measure import machine, today
from benches.page import write_section
from include.settings import PROJECT

SHARE, SECONDS = 0.15, 60.0  # of the goal
TRAINING = "the training process"
CLOCK = "bench-surround.json"  # in the state folder: when the command was started and had ended
WAITS = "WaitFor%"  # operators that hold no worker while they run


@dataclass(frozen=True)
class Span:
    """Something that ran from ``began`` to ``ended``, in seconds since 1970."""

    name: str
    began: float
    ended: float


@dataclass(frozen=True)
class Phase:
    """``waited``: seconds just before it in which nothing ran; ``ran``: seconds that are its own."""

    name: str
    waited: float
    ran: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="the state folder of a run (with --run: where to run; default: new)")
    parser.add_argument("--run", action="store_true", help="do a run first")
    parser.add_argument("--data", help="DATA of the run")
    parser.add_argument("--weights", help="WEIGHTS of the run")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    asked = parser.parse_args()
    if not asked.run and asked.home is None:
        parser.error("Say --home, or --run.")
    home = asked.home or Path(tempfile.mkdtemp(prefix="lanner-surround-"))
    about = f"{today()}, {machine()}"
    if asked.run:
        options = [
            part for name in ("data", "weights") if (value := vars(asked)[name]) for part in (f"--{name}", value)
        ]
        run(home, options)
    text = f"{about}\n\n{describe(home)}"
    print(text)
    if asked.write:
        write_section("surround", text)


def run(home: Path, options: Sequence[str]) -> None:
    """``make run``, once its environment is there."""
    environment = os.environ | {"LANNER_HOME": str(home), "LANNER_SETTINGS": str(home / "lanner.yaml"), "CI": "1"}
    home.mkdir(parents=True, exist_ok=True)
    began = time.time()
    subprocess.run([sys.executable, "-m", "include.laptop", *options], env=environment, cwd=PROJECT, check=True)
    (home / CLOCK).write_text(json.dumps({"began": began, "ended": time.time()}))


def describe(home: Path) -> str:
    """The table, and how the sum compares with the goal."""
    training, tasks = training_of(home), list(tasks_of(home))
    clock = home / CLOCK
    spans = [training, *tasks]
    known = {"began": min(span.began for span in spans), "ended": max(span.ended for span in spans)}
    known |= json.loads(clock.read_text()) if clock.exists() else {}
    rows = phases(training, tasks, known["began"], known["ended"])
    whole, bare = known["ended"] - known["began"], training.ended - training.began
    around, allowed = whole - bare, SHARE * bare + SECONDS
    lines = ["| phase | waited before it, s | ran, s |", "| --- | --- | --- |"]
    lines += [f"| {row.name} | {row.waited:.1f} | {row.ran:.1f} |" for row in rows]
    return "\n".join(
        [
            *lines,
            f"| **all but the training process** | **{sum(row.waited for row in rows):.1f}** "
            f"| **{sum(row.ran for row in rows if row.name != TRAINING):.1f}** |",
            "",
            f"From {'the command' if clock.exists() else 'the first task'} to the end {whole:.0f} s, the training "
            f"process {bare:.0f} s, what surrounds it {around:.0f} s. Goal: at most {SHARE:.0%} + {SECONDS:.0f} s = "
            f"{allowed:.0f} s; {'reached' if around <= allowed else '**not reached**'}.",
        ]
    )


def phases(training: Span, tasks: Sequence[Span], began: float, ended: float) -> list[Phase]:
    """Lay the time from ``began`` to ``ended`` out; phases in the order in which they first run, then the end.

    >>> tasks = [Span("a", 2, 5), Span("b", 4, 12), Span("c", 13, 14)]
    >>> for phase in phases(Span(TRAINING, 6, 10), tasks, 0, 15):
    ...     print(phase)
    Phase(name='a', waited=2.0, ran=2)
    Phase(name='b', waited=0, ran=4)
    Phase(name='the training process', waited=0, ran=4)
    Phase(name='c', waited=1, ran=1)
    Phase(name='until the command ends', waited=1, ran=0)
    """
    waited: dict[str, float] = {}
    ran: dict[str, float] = {}
    idle = 0.0
    moments = sorted({began, ended, *(at for span in (training, *tasks) for at in (span.began, span.ended))})
    for start, stop in pairwise(moments):
        active = [span for span in tasks if span.began <= start < span.ended]
        if training.began <= start < training.ended:
            name = training.name
        elif active:
            name = max(active, key=lambda span: span.began).name
        else:
            idle += stop - start
            continue
        waited[name] = waited.get(name, 0) + idle
        ran[name] = ran.get(name, 0) + stop - start
        idle = 0
    return [*(Phase(name, waited[name], ran[name]) for name in ran), Phase("until the command ends", idle, 0)]


def training_of(home: Path) -> Span:
    """The newest training job of a state folder."""
    ended = max((home / "jobs").glob("*/ended"), key=lambda file: file.stat().st_mtime)
    return Span(TRAINING, ended.with_name("started").stat().st_mtime, ended.stat().st_mtime)


def tasks_of(home: Path) -> Iterator[Span]:
    """The tasks that did something, from Airflow's own database (SQLite, as ``make run`` makes it)."""
    with closing(sqlite3.connect(f"file:{home / 'airflow' / 'airflow.db'}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT dag_id || '.' || task_id, start_date, end_date FROM task_instance "
            "WHERE end_date IS NOT NULL AND start_date IS NOT NULL AND operator NOT LIKE ? ORDER BY start_date",
            (WAITS,),
        ).fetchall()
    for name, began, ended in rows:
        yield Span(name, *(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for at in (began, ended)))


if __name__ == "__main__":
    main()
