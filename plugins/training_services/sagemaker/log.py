"""What SageMaker's jobs say, from CloudWatch Logs, several jobs at a time: an account may ask five times a second.

Each machine of a job has a stream of its own, ``<job>/algo-<number>-<…>``, in one group for all jobs.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from include.clouds.aws_account import AwsAccount
from training_services.job import LogPage
from training_services.sagemaker.listing import common_start

GROUP = "/aws/sagemaker/TrainingJobs"
PAGES = 5  # of one question at one look; the rest comes at the next
MOST_PAGES = 50  # where they hold nothing: the service may answer so and ask for patience
TOGETHER = 15 * 60_000  # milliseconds behind now, up to which jobs are asked for together
SETTLED = 6 * 60_000  # milliseconds after which no line comes any more, whatever the clocks
ALONE = 10  # jobs further behind that are asked for at one look, each by itself, in turn
UNIT = 10_000  # of a cursor: milliseconds since 1970 times this, and how many lines of that millisecond were read
FIRST = "algo-1"


class SageMakerLog:
    """The log of all jobs of one account and region."""

    def __init__(self, account: AwsAccount) -> None:
        self.account = account
        self._asked_alone: dict[str, float] = {}  # when

    def pages(self, cursors: Mapping[str, int], begun: Mapping[str, int]) -> dict[str, LogPage]:
        """The lines of each job's log after its cursor.

        Args:
            cursors: by name; 0: from the start.
            begun: when each job got its machines, in milliseconds since 1970; one that has none yet has no lines.
        """
        pages = {name: LogPage((), since) for name, since in cursors.items()}
        starts = {name: max(cursors[name], begun[name] * UNIT) for name in cursors if name in begun}
        now = round(time.time() * 1000)
        near = {name for name, start in starts.items() if now - start // UNIT <= TOGETHER}
        if near:
            pages |= self._read(near, starts, now)
        for name in self._in_turn(starts.keys() - near):
            pages |= self._read({name}, starts, now)
        return pages

    def _in_turn(self, names: Collection[str]) -> list[str]:
        """Those that have waited longest for a look."""
        chosen = sorted(names, key=lambda name: self._asked_alone.get(name, 0.0))[:ALONE]
        self._asked_alone = {name: at for name, at in self._asked_alone.items() if name in names}
        self._asked_alone |= dict.fromkeys(chosen, time.monotonic())
        return chosen

    def _read(self, names: set[str], starts: Mapping[str, int], now: int) -> dict[str, LogPage]:
        since = min(starts[name] for name in names) // UNIT
        events, read_up_to = self._events(common_start([f"{name}/" for name in names]), since, now)
        told: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for event in events:
            if (name := event["logStreamName"].partition("/")[0]) in told:
                told[name].append(event)
        settled = min(read_up_to, now - SETTLED) * UNIT
        return {name: _page(told[name], starts[name], settled) for name in names}

    def _events(self, stream_prefix: str, since: int, now: int) -> tuple[list[dict[str, Any]], int]:
        """What was said since a moment, in the order of time, and the moment up to which that is all."""
        asked: dict[str, Any] = {"logGroupName": GROUP, "logStreamNamePrefix": stream_prefix, "startTime": since}
        asked["interleaved"] = True  # which the service always does
        found: list[dict[str, Any]] = []
        for number in range(MOST_PAGES):
            try:
                answer = self.account.call("logs", "filter_log_events", **asked)
            except FileNotFoundError:  # no job of this account has said anything yet
                return [], now
            found += answer.get("events", ())
            if not answer.get("nextToken"):
                return sorted(found, key=_moment), now
            if found and number + 1 >= PAGES:
                break
            asked["nextToken"] = answer["nextToken"]
        return sorted(found, key=_moment), max(map(_moment, found), default=since)


def _moment(event: Mapping[str, Any]) -> int:
    return int(event["timestamp"])


def _page(events: list[dict[str, Any]], start: int, settled: int) -> LogPage:
    """The lines after a cursor, and where to go on: after the last, or where all that will be said has been said."""
    moment, read = divmod(start, UNIT)
    at_start = [event for event in events if _moment(event) == moment]
    fresh = at_start[read:] + [event for event in events if _moment(event) > moment]
    if not fresh:
        return LogPage((), max(start, settled))
    last = _moment(fresh[-1])
    count = sum(_moment(event) == last for event in events)
    return LogPage(tuple(map(_text, fresh)), last * UNIT + min(count, UNIT - 1))


def _text(event: Mapping[str, Any]) -> str:
    """A line; of other machines than the first, with which of them says it."""
    machine = "-".join(event["logStreamName"].partition("/")[2].split("-")[:2])
    said = str(event["message"]).rstrip("\n")
    return said if machine == FIRST else f"{machine}: {said}"
