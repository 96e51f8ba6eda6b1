"""1,000 and 5,000 jobs waited for in one triggerer: what it asks, what it costs, and when it notices that one ended.

Ours is the project's trigger with its poller. Against it, at the same interval, one poll for each job, written plainly
with the same client, and the provider's own: the trigger of ``CreateCustomJobOperator(deferrable=True)``, with the
client that it brings, over gRPC. Both of these ask for no log lines; ours streams them, a line a minute from each job,
and its calls for them are counted.

The service only pretends its jobs (``waiting_service``): nothing is far away, nothing is encrypted, no quota is
enforced. Each side is a process with an asyncio loop, as a triggerer is (``waiting_sides``). Measured is one window
after every job was asked for at least once; in it some of the jobs end, evenly spread. The time to the event is from
that moment to the trigger's event: what Airflow does then, until the task has ended, is the same for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benches.measure import Asked, Ratio, Row, main
from benches.peak import peak_memory
from benches.waiting_service import NAMESPACE, PROJECT, Jobs, Service
from include.settings import PROJECT as HERE

COUNTS = (1000, 5000)
INTERVAL = 20.0  # seconds between two looks at a job; the default of google.poll_seconds
WINDOW = 80.0  # seconds
ENDING = 200  # jobs that end in the window
PATIENCE = 300.0  # seconds until every job was asked for once, and until every event came
SIDES = {"ours": "", "poll_per_job": "one poll for each job", "provider": "the provider's deferrable operator"}


@dataclass(frozen=True)
class Waited:
    """What one side needed.

    Attributes:
        calls: a minute.
        cpu: CPU seconds a minute.
        memory: peak of the process, bytes.
        delays: seconds from a job's end to its event, in order.
        blocked: seconds of the longest time for which nothing else could run in the loop; 0 if Airflow would not mind.
    """

    calls: float
    cpu: float
    memory: int
    delays: tuple[float, ...]
    blocked: float


@dataclass(frozen=True)
class Cloud:
    """Whose jobs are waited for.

    Attributes:
        jobs: so many, that are only pretended.
        service: that tells of them; has ``url`` and ``address``.
        sides: module of the programs that wait.
        deployment: environment of a triggerer whose settings and connection are of this cloud, from a folder for its
            files, the service's URL and the seconds between two looks.
    """

    jobs: Callable[[int], Any]
    service: Callable[[Any], Any]
    sides: str
    deployment: Callable[[Path, str, float], dict[str, str]]


def bench(asked: Asked) -> list[Row]:
    rows = []
    for count in COUNTS:
        waited = {side: wait(VERTEX, side, count, ENDING, INTERVAL, WINDOW) for side in SIDES}
        on = f"{count:,} jobs, a look every {INTERVAL:.0f} s"
        for side, against in list(SIDES.items())[1:]:
            rows += compare(waited["ours"], waited[side], against, on)
    return rows


def compare(mine: Waited, theirs: Waited, against: str, on: str) -> list[Row]:
    figures = (
        ("API calls", mine.calls, theirs.calls, "{:,.0f} a minute"),
        ("CPU", mine.cpu, theirs.cpu, "{:.2f} CPU s a minute"),
        ("peak memory", mine.memory / 1e6, theirs.memory / 1e6, "{:,.0f} MB"),
        ("job's end to event, median", median(mine.delays), median(theirs.delays), "{:.1f} s"),
        ("job's end to event, 99 %", percentile(mine.delays), percentile(theirs.delays), "{:.1f} s"),
        ("longest block of the loop", mine.blocked, theirs.blocked, "{:.2f} s"),
    )
    return [
        Row(f"waiting: {work}", against, on, form.format(one), form.format(other), _ratio(one, other))
        for work, one, other, form in figures
        if other  # a loop that was never blocked for long is no measure
    ]


def percentile(delays: tuple[float, ...]) -> float:
    return quantiles(delays, n=100, method="inclusive")[98]


def _ratio(mine: float, theirs: float) -> Ratio:
    ratio = mine / theirs
    return Ratio(ratio, ratio, ratio)


def wait(cloud: Cloud, side: str, count: int, ending: int, interval: float, window: float) -> Waited:
    """One side waits for so many jobs, of which some end within the window."""
    jobs = cloud.jobs(count)
    with TemporaryDirectory(prefix="lanner-bench-") as scratch, cloud.service(jobs) as service:
        events = Path(scratch, "events.jsonl")
        command = [sys.executable, "-m", cloud.sides, side, str(count), str(interval), service.address]
        environment = os.environ | cloud.deployment(Path(scratch), service.url, interval)
        errors = Path(scratch, "errors.txt")
        with errors.open("w") as file:
            process = subprocess.Popen(
                [*command, str(events)], cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=file
            )
        try:
            _until(lambda: len(jobs.seen) == count, process, errors)
            usage, calls = psutil.Process(process.pid), sum(jobs.calls.values())
            begun, before, earlier = time.time(), usage.cpu_times(), len(_told(events))
            step = count // ending
            jobs.ends = {number * step: begun + window * number / ending for number in range(ending)}
            time.sleep(window)
            after, calls = usage.cpu_times(), sum(jobs.calls.values()) - calls
            minutes = (time.time() - begun) / 60
            _until(lambda: sum(number is not None for number, _ in _told(events)) == ending, process, errors)
            memory = peak_memory(process.pid)
        finally:
            process.kill()
            process.wait()
        told = _told(events)[earlier:]
    delays = sorted(at - jobs.ends[number] for number, at in told if number is not None)
    blocked = max((seconds for number, seconds in told if number is None), default=0.0)
    cpu = after.user + after.system - before.user - before.system
    return Waited(calls / minutes, cpu / minutes, memory, tuple(delays), blocked)


def _told(events: Path) -> list[tuple[int | None, float]]:
    return [tuple(json.loads(line)) for line in events.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes], errors: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The triggers did not come that far:\n{errors.read_text()[-3000:]}")
        time.sleep(0.1)


def deployment(scratch: Path, settings: str, connection: str, described: Mapping[str, Any]) -> dict[str, str]:
    """Environment of a triggerer.

    Args:
        scratch: for its files.
        settings: the part of ``lanner.yaml`` that is about the cloud.
        connection: name of the Airflow connection, and what it holds.
    """
    file = scratch / "lanner.yaml"
    file.write_text(f"namespace: {NAMESPACE}\n{settings}\ncollections: {{}}\n")
    return {
        "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        f"AIRFLOW_CONN_{connection.upper()}": json.dumps(described),
        "LANNER_HOME": str(scratch / "state"),
        "LANNER_SETTINGS": str(file),
    }


def google_deployment(scratch: Path, url: str, interval: float) -> dict[str, str]:
    settings = f"google: {{bucket: our-bucket, poll_seconds: {interval}}}"
    endpoints = dict.fromkeys(("aiplatform", "logging", "storage"), url)
    extra = {"is_anonymous": True, "project": PROJECT, "endpoints": endpoints}
    described = {"conn_type": "google_cloud_platform", "extra": extra}
    return deployment(scratch, settings, "google_cloud_default", described)


VERTEX = Cloud(Jobs, Service, "benches.waiting_sides", google_deployment)

if __name__ == "__main__":
    main(__doc__, bench)
