"""Lines for the log of a waiting task: Custom Vision itself says nothing of a training but that it runs."""

from __future__ import annotations

from collections.abc import Mapping

from include.documents import State
from training_services.job import JobStatus, LogPage

ENDED = 1 << 40  # the cursor of a job of which all has been said; any other is the minutes that were told of, and one


def new_lines(known: Mapping[str, JobStatus], cursors: Mapping[str, int]) -> dict[str, LogPage]:
    """A line for each minute that a training has gone on, and one for its end."""
    return {name: _page(known.get(name), since) for name, since in cursors.items()}


def _page(status: JobStatus | None, since: int) -> LogPage:
    if status is None or since == ENDED:
        return LogPage((), since)
    minutes = int(status.progress.get("minutes", 0))
    if not status.active:
        return LogPage((f"{status}, {minutes} min",), ENDED)
    if minutes < since:
        return LogPage((), since)
    most = status.progress.get("of_minutes")
    doing = "waits for its turn" if status.state is State.PENDING else "trains"
    return LogPage((f"Custom Vision {doing}, {minutes} min{f' of at most {most}' if most else ''}",), minutes + 1)
