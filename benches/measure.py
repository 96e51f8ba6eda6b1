"""Measures two ways of doing the same work side by side, and says how they compare.

What is measured is CPU seconds of this process and of the children that it has waited for, because a machine that is
busy with other things changes them little. The ways take turns, so that what changes during the measurement meets
both. Nothing here fails because something is slow: a timed assertion is no test.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

LEAST_SECONDS = 0.3  # of one timing
REPETITIONS = 7

Way = Callable[[], object]


def cpu_seconds() -> float:
    """User and system time so far, of this process, its threads, and its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def side_by_side(
    *ways: Way,
    repetitions: int = REPETITIONS,
    clock: Callable[[], float] = cpu_seconds,
    warm: bool = True,
    least: float = LEAST_SECONDS,
) -> list[Timing]:
    """Do the same work in several ways, in turns, and time each.

    Args:
        warm: do each way once before, untimed, so that imports, caches and files are equally warm.
        least: seconds; a warm way that is done sooner is repeated within each timing. 0: never.
    """
    passes = [1] * len(ways)
    for index, way in enumerate(ways if warm else ()):
        way()
        if least:
            passes[index] = math.ceil(least / max(_timed(way, 1, clock), 1e-6))
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(repetitions):
        for index, way in enumerate(ways):
            seconds[index].append(_timed(way, passes[index], clock))
    return [Timing(tuple(each)) for each in seconds]


def _timed(way: Way, passes: int, clock: Callable[[], float]) -> float:
    gc.collect()
    start = clock()
    for _ in range(passes):
        way()
    return (clock() - start) / passes


@dataclass(frozen=True)
class Timing:
    """Seconds that the same work took, repetition by repetition."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def rate(self, count: int, of: str, per: str = "CPU s") -> str:
        """How many of something that is: "3,051 images/CPU s"."""
        return f"{count / self.median:,.0f} {of}/{per}"

    def times(self, other: Timing) -> Ratio:
        """How many times as long as another this took."""
        pairs = [mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)]
        return Ratio(self.median / other.median, min(pairs), max(pairs))


@dataclass(frozen=True)
class Ratio:
    """Of two medians; and the extremes of the ratios of each repetition."""

    value: float
    lowest: float
    highest: float

    def scaled(self, factor: float) -> Ratio:
        return Ratio(self.value * factor, self.lowest * factor, self.highest * factor)


@dataclass(frozen=True)
class Goal:
    sense: Literal["≥", "≤"]
    value: float

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.value if self.sense == "≥" else ratio <= self.value


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        work, against: what is compared with what.
        on: the data.
        ours, theirs: as measured, with the unit.
        goal: what was hoped for; None where a figure is only told.
    """

    work: str
    against: str
    on: str
    ours: str
    theirs: str
    ratio: Ratio
    goal: Goal | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Row:
        goal = fields["goal"]
        return cls(**fields | {"ratio": Ratio(**fields["ratio"]), "goal": Goal(**goal) if goal else None})

    def cells(self) -> tuple[str, ...]:
        ratio = f"{_short(self.ratio.value)} ({_short(self.ratio.lowest)}–{_short(self.ratio.highest)})"
        goal, reached = "–", "–"
        if self.goal:
            goal = f"{self.goal.sense} {self.goal.value:g}"
            reached = "yes" if self.goal.is_met(self.ratio.value) else "**no**"
        return self.work, self.against, self.on, self.ours, self.theirs, ratio, goal, reached


HEAD = ("work", "against", "on", "ours", "theirs", "ratio (lowest–highest)", "goal", "reached")


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(map(line, lines))


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def machine() -> str:
    """This machine and what is going on on it, in words."""
    names = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    processor = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {processor}, {memory:.0f} GiB of memory, {platform.system()}, "
        f"Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f}"
    )


def today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class Asked:
    """What a bench is given to measure on; each makes do without."""

    data: Sequence[Path] = ()
    homes: Sequence[Path] = ()


def options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders of images with Pascal VOC XML")
    parser.add_argument("--homes", type=Path, nargs="*", default=[], help="state folders of finished `make run`s")
    return parser


def main(description: str | None, bench: Callable[[Asked], list[Row]]) -> None:
    """A bench as a program: ``python -m benches.<name> [--data folder …] [--homes folder …]``."""
    parser = options(description)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    asked = parser.parse_args()
    print(f"{today()}, {machine()}")
    rows = bench(Asked(asked.data, asked.homes))
    print(table(rows))
    if asked.json:
        asked.json.write_text(json.dumps([row.to_json() for row in rows]))


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text() if file.exists() else ""
