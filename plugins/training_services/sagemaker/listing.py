"""Training jobs of SageMaker found by name, many in few calls.

The service lists jobs in pages of 100 and has a limit of calls for each account, which it does not publish. A look at
many jobs lists only what changed since the look before, and only a job that changed is described.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from include.clouds.aws_account import AwsAccount
from training_services.sagemaker.states import OVER, RUNNING

PAGE = 100  # jobs, the most that one listing returns
OVERLAP = timedelta(minutes=10)  # of two looks; more than clocks may differ by before AWS refuses a signature (5)
DESCRIPTIONS = 100  # at one look; the rest comes at the next
AT_ONCE = 4
DOUBTED_AFTER = 900.0  # seconds after which a job that seems unchanged is described all the same…
DOUBTS = 2  # …but so few at one look

Stamp = tuple[str, str, datetime | None]


class SageMakerListing:
    """The jobs of one account and region, as they were last seen."""

    def __init__(self, account: AwsAccount) -> None:
        self.account = account
        self._stamps: dict[str, Stamp] = {}  # of the listing, by name
        self._jobs: dict[str, dict[str, Any]] = {}
        self._described: dict[str, tuple[Stamp, float]] = {}  # as it was listed then, and when
        self._watched: set[str] = set()  # those for which nothing before ``_since`` is unknown
        self._since: datetime | None = None

    def find(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """The job of each name, as the service describes it; names that it does not know are left out."""
        wanted = set(names)
        if len(wanted) == 1:
            found = self._described_now(wanted)
            self._jobs |= found
            return found
        self._look(wanted)
        self._forget_all_but(wanted)
        changed = sorted(self._changed(), key=lambda name: self._stamps[name][0] not in OVER)
        known = self._described_now(changed[:DESCRIPTIONS]) if changed else {}
        now = time.monotonic()
        for name, job in known.items():
            self._jobs[name], self._described[name] = job, (self._stamps[name], now)
        for name in set(changed[:DESCRIPTIONS]) - known.keys():  # deleted in between
            self._stamps.pop(name, None)
            self._jobs.pop(name, None)
        for name in changed[DESCRIPTIONS:]:
            self._jobs.setdefault(name, self._not_yet_described(name))
        return {name: self._jobs[name] for name in names if name in self._jobs}

    def begun(self, names: Collection[str]) -> dict[str, int]:
        """When each job got its machines, in milliseconds since 1970; without a call for those that were found."""
        if set(names) - self._jobs.keys():
            self.find(names)
        known = {name: self._jobs[name].get("TrainingStartTime") for name in names if name in self._jobs}
        return {name: round(at.timestamp() * 1000) for name, at in known.items() if at}

    def all(self, namespace: str) -> list[str]:
        """The name of every job of a namespace."""
        begins = f"{namespace}-"
        return [job["TrainingJobName"] for job in self._pages(begins) if job["TrainingJobName"].startswith(begins)]

    def _look(self, wanted: set[str]) -> None:
        """List what changed of those that were looked at before, and everything of the others."""
        begun = datetime.now(UTC)
        new = wanted - self._watched
        if new:
            self._note(self._pages(common_start(new)), wanted)
        if wanted & self._watched and self._since is not None:
            self._note(self._pages(common_start(wanted), LastModifiedTimeAfter=self._since - OVERLAP), wanted)
            self._since = begun
        self._since = self._since or begun
        self._watched |= new

    def _note(self, listed: Iterable[dict[str, Any]], wanted: set[str]) -> None:
        for job in listed:
            if (name := job["TrainingJobName"]) in wanted:
                self._stamps[name] = _stamp(job)

    def _changed(self) -> list[str]:
        """Jobs whose description is not of the state in which they are listed, and a few that might have changed."""
        never: tuple[Stamp, float] = (("", "", None), 0.0)
        changed = [name for name, stamp in self._stamps.items() if self._described.get(name, never)[0] != stamp]
        before = time.monotonic() - DOUBTED_AFTER
        doubted = sorted(
            (at, name)
            for name, (stamp, at) in self._described.items()
            if at < before and stamp[0] not in OVER and self._stamps.get(name) == stamp
        )
        return changed + [name for _, name in doubted[:DOUBTS]]

    def _described_now(self, names: Collection[str]) -> dict[str, dict[str, Any]]:
        def describe(name: str) -> dict[str, Any] | None:
            try:
                return self.account.call("sagemaker", "describe_training_job", TrainingJobName=name)
            except FileNotFoundError:
                return None

        if len(names) == 1:
            return {name: job for name in names if (job := describe(name))}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = zip(names, pool.map(describe, names), strict=True)
            return {name: job for name, job in found if job}

    def _not_yet_described(self, name: str) -> dict[str, Any]:
        """What stands for a job until it is described: it may have ended, but nobody can say yet how."""
        region = self.account.region
        arn = f"arn:aws:sagemaker:{region}:000000000000:training-job/{name}"
        return {"TrainingJobName": name, "TrainingJobArn": arn, "TrainingJobStatus": RUNNING}

    def _forget_all_but(self, wanted: set[str]) -> None:
        self._watched &= wanted
        for known in (self._stamps, self._jobs, self._described):
            for name in known.keys() - wanted:
                del known[name]

    def _pages(self, contained: str, **filters: Any) -> list[dict[str, Any]]:
        """All of what a filter finds: half a list would let jobs go unseen."""
        asked = {"NameContains": contained, "MaxResults": PAGE, **filters}
        found: list[dict[str, Any]] = []
        while True:
            answer = self.account.call("sagemaker", "list_training_jobs", **asked)
            found += answer.get("TrainingJobSummaries", ())
            if not answer.get("NextToken"):
                return found
            asked["NextToken"] = answer["NextToken"]


def common_start(names: Collection[str]) -> str:
    """With what all of some names begin.

    >>> common_start(["lanner-sagemaker-1-a1", "lanner-sagemaker-1-a2", "lanner-sagemaker-2-a1"])
    'lanner-sagemaker-'
    """
    first, last = min(names), max(names)
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(one for one, _ in alike)


def _stamp(job: dict[str, Any]) -> Stamp:
    return job["TrainingJobStatus"], job.get("SecondaryStatus", ""), job.get("LastModifiedTime")
