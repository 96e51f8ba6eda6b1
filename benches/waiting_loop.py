"""An asyncio loop as a triggerer has it, in which many triggers wait for a job each.

The triggers are started as a triggerer does, in small groups, over one interval. What they log goes the triggerer's
way, as JSON, to nowhere. Told are lines of JSON: number of the job and moment of the event, or, as ``[null, seconds]``,
how long the loop was blocked when Airflow would complain.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

GROUP = 50  # triggers that a triggerer starts before it lets others run
BLOCKED = 0.2  # seconds; Airflow's own threshold

Waits = Callable[[int], AsyncIterator[Any]]


def run(side: Callable[[], Waits], count: int, seconds: float, events: Path) -> None:
    """Wait for so many jobs, and tell a file of each that ended.

    Args:
        side: how it waits for the job of a number.
        seconds: over which the triggers are started.
    """
    from airflow.sdk.log import configure_logging

    with Path(os.devnull).open("wb") as nowhere, events.open("w", buffering=1) as file:
        configure_logging(json_output=True, output=nowhere)
        asyncio.run(wait_for_all(side(), count, seconds, lambda told: print(json.dumps(told), file=file)))


async def wait_for_all(waits: Waits, count: int, seconds: float, tell: Callable[[list[Any]], None]) -> None:
    async def fire(number: int) -> None:
        async for _ in waits(number):
            tell([number, time.time()])
            return

    async def watch() -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.1)
            if (blocked := time.monotonic() - begun) > BLOCKED:
                tell([None, blocked])

    watching = asyncio.create_task(watch())
    waiting = []
    for number in range(count):
        waiting.append(asyncio.create_task(fire(number)))
        if number % GROUP == GROUP - 1:
            await asyncio.sleep(seconds * GROUP / count)
    await asyncio.gather(*waiting)
    watching.cancel()
