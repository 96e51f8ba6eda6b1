"""One poller for each target in the triggerer: it describes all jobs that are waited for in one call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterable
from typing import ClassVar

from training_jobs.targets import open_service
from training_services.job import JobStatus, LogPage

log = logging.getLogger(__name__)
QUIET_SECONDS = 60.0  # after which a waiter hears of a job that says nothing: it may have to watch what it costs


class Poller:
    """Describes jobs of one target again and again and tells each waiter about its own.

    A failing call is a missed beat: it is logged and the next beat comes. It stops when nobody waits any more.
    It does not cancel anything, and does not decide what a state means.
    """

    _pollers: ClassVar[dict[str, Poller]] = {}

    def __init__(self, target: str) -> None:
        self.target = target
        self._service = open_service(target)
        self._waiters: dict[str, set[asyncio.Queue[tuple[JobStatus | None, LogPage]]]] = {}
        self._cursors: dict[str, int] = {}
        self._told: dict[str, float] = {}  # when a job's waiters last heard of it
        self._beating: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, target: str) -> Poller:
        """The poller of a target in this process."""
        if target not in cls._pollers:
            cls._pollers[target] = cls(target)
        return cls._pollers[target]

    async def watch(self, name: str) -> AsyncIterator[tuple[JobStatus | None, LogPage]]:
        """Status and new log lines of one job, for ever: at each beat at which there are lines or it is not active, and
        now and then without. With a job that has ended come the last of its lines.

        Status None: the service knows no such job.
        """
        queue: asyncio.Queue[tuple[JobStatus | None, LogPage]] = asyncio.Queue()
        self._waiters.setdefault(name, set()).add(queue)
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat())
        try:
            while True:
                yield await queue.get()
        finally:
            self._waiters[name].discard(queue)
            if not self._waiters[name]:
                del self._waiters[name]
                self._cursors.pop(name, None)
                self._told.pop(name, None)

    async def _beat(self) -> None:
        interval = self._service.interval
        while self._waiters:
            try:
                await self._look()
            except Exception as missed:
                log.warning(
                    "Could not ask %s about its jobs, asking again in %.0f s: %r", self.target, interval, missed
                )
            await asyncio.sleep(interval)

    async def _look(self) -> None:
        names = list(self._waiters)
        known = await asyncio.to_thread(self._service.describe, names)
        ended = {name for name in names if not (name in known and known[name].active)}
        pages = await self._read(names, ended)
        for name in names:
            page, status = pages[name], known.get(name)
            self._cursors[name] = page.cursor
            told, now = self._told.get(name, -QUIET_SECONDS), time.monotonic()
            # To wake thousands for nothing at each beat holds up the loop
            if name in ended or page.lines or now - told >= QUIET_SECONDS:
                self._told[name] = now
                for queue in self._waiters.get(name, ()):
                    queue.put_nowait((status, page))

    async def _read(self, names: Iterable[str], ended: Collection[str]) -> dict[str, LogPage]:
        """What is new in logs; in those of jobs that have ended all of it, however many pages that takes."""
        whole = {name: LogPage((), self._cursors.get(name, 0)) for name in names}
        wanted = list(whole)
        while wanted:
            cursors = {name: whole[name].cursor for name in wanted}
            pages = await asyncio.to_thread(self._service.log_pages, cursors)
            whole |= {name: LogPage(whole[name].lines + page.lines, page.cursor) for name, page in pages.items()}
            wanted = [name for name, page in pages.items() if page.lines and name in ended]
        return whole
