"""Staging files to a bucket, and staging them again, against Google's own tools for it.

2,000 files of 100 KB and one of 500 MB, all of random bytes, to an emulator of Cloud Storage on this machine
(fake-gcs-server, a new one for each timing, its objects in a folder). Ours is what a submission does before it asks for
a job: look at what is there, send what differs, eight at a time, compare every checksum. Against it:

- ``transfer_manager.upload_many`` of Google's client with eight threads, everything else as it comes;
- ``gcloud storage rsync``, where gcloud is installed. Its start is part of its seconds: it starts each time.

Both could also send one large file in several parts at a time; the emulator lacks what they need for that.

Each is a process of its own; what it imports is not counted. Elapsed seconds hold the emulator's work as well, which
shares the machine; CPU seconds are the client's alone. The second run is the same call once more. Nothing is encrypted
and nothing is far away: what is measured is what the client itself costs, not a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benches.measure import Asked, Goal, Row, Timing, main
from benches.staging_sides import BUCKET, cloud
from include.settings import PROJECT
from tests.standins.google.gcs import gcs_standin, why_not

SMALL, SMALL_BYTES = 2000, 100_000
LARGE_BYTES = 500_000_000
FILES = f"{SMALL:,} files of {SMALL_BYTES // 1000} KB, one of {LARGE_BYTES / 1e6:.0f} MB"
BLOCK = 1_000_000
MEMORY = 200.0  # MB, the most that ours may take
REPETITIONS = 3
SIDES = {"ours": "", "transfer_manager": "transfer_manager, threads", "gcloud": "gcloud storage rsync"}


@dataclass(frozen=True)
class Staged:
    """A folder staged twice.

    Attributes:
        first, again: elapsed seconds, and CPU seconds of the client.
        memory: peak of the process in bytes; None where it is several, as gcloud.
        objects: a checksum by name, as the bucket has it in the end.
    """

    first: tuple[float, float]
    again: tuple[float, float]
    memory: int | None
    objects: dict[str, str]


def bench(asked: Asked) -> list[Row]:
    if why := why_not():
        print(f"{why}: staging is left out.")
        return []
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        folder = write_files(Path(scratch, "files"), SMALL, SMALL_BYTES, LARGE_BYTES)
        names = [name for name in SIDES if name != "gcloud" or shutil.which("gcloud")]
        return compare(lambda side: stage(folder, side), {name: SIDES[name] for name in names}, "staging", FILES)


def write_files(folder: Path, count: int, size: int, large: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.bin").write_bytes(os.urandom(size))
    with (folder / "large.bin").open("wb") as file:
        for start in range(0, large, BLOCK):
            file.write(os.urandom(min(BLOCK, large - start)))
    return folder


def compare(stage: Callable[[str], Staged], sides: dict[str, str], work: str, on: str) -> list[Row]:
    """Stage in turns by each side.

    Args:
        stage: the files by a side, to a new emulator.
        sides: what each is called; the first is ours.
        work: what is done.
        on: which files.
    """
    staged: dict[str, list[Staged]] = {name: [] for name in sides}
    for _ in range(REPETITIONS):
        for name in sides:
            staged[name].append(stage(name))
    others = [name for name in sides if name != "ours"]
    rows = []
    for number, (what, unit) in enumerate((("elapsed", "s"), ("CPU of the client", "CPU s"))):
        first, again = (
            {name: Timing(tuple(getattr(each, run)[number] for each in runs)) for name, runs in staged.items()}
            for run in ("first", "again")
        )
        for name in others:
            goal = Goal("≤", 1.1) if what == "elapsed" else None
            rows.append(row(f"{work}, {what}", sides[name], on, first["ours"], first[name], unit, goal))
            rows.append(row(f"{work} again, {what}", sides[name], on, again["ours"], again[name], unit))
        share = (again["ours"], first["ours"])
        rows.append(row(f"{work} again, {what}", "ours, the first time", on, *share, unit, Goal("≤", 1 / 20)))
    memory = {name: found for name, runs in staged.items() if (found := peaks(runs))}
    most = Timing((MEMORY,) * REPETITIONS)
    rows.append(row(f"peak memory of {work}", "the most that it may be", on, memory["ours"], most, "MB", Goal("≤", 1)))
    return rows + [
        row(f"peak memory of {work}", sides[name], on, memory["ours"], memory[name], "MB")
        for name in others
        if name in memory
    ]


def peaks(runs: Sequence[Staged]) -> Timing | None:
    """Peak memory of each, in MB."""
    peaks = [each.memory / 1e6 for each in runs if each.memory is not None]
    return Timing(tuple(peaks)) if peaks else None


def row(work: str, against: str, on: str, ours: Timing, theirs: Timing, unit: str, goal: Goal | None = None) -> Row:
    mine, its = (f"{each.median:,.{0 if unit == 'MB' else 2}f} {unit}" for each in (ours, theirs))
    return Row(work, against, on, mine, its, ours.times(theirs), goal)


def stage(folder: Path, side: str) -> Staged:
    """By one side, to a new emulator."""
    with TemporaryDirectory(prefix="lanner-bench-") as state, gcs_standin(Path(state)) as emulator:
        bucket = cloud(emulator.url).storage.create_bucket(BUCKET)
        first, again, memory = twice("benches.staging_sides", side, emulator.url, folder)
        return Staged(first, again, memory, {blob.name: blob.crc32c for blob in bucket.list_blobs()})


def twice(sides: str, side: str, url: str, folder: Path) -> list[Any]:
    """What a module of sides says of staging a folder twice."""
    command = [sys.executable, "-m", sides, side, url, str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{side} did not stage:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main(__doc__, bench)
