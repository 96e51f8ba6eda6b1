"""What the next jobs are to suffer, set through the stand-in's control endpoint and kept on disk.

==============  =======================================================================================
``quota``       refused: the quota for its machine is used up
``permission``  refused: the caller may not create jobs
``capacity``    accepted, fails before it runs: no machines in the region
``user_code``   the module is replaced by one that raises
``memory``      the primary replica is killed, as if it had run out of memory
``internal``    fails by the service's own fault
``preempted``   its machines are taken away once, and it begins anew
==============  =======================================================================================
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import UnionType
from typing import Any

from tests.standins import vertex_machines as machines
from tests.standins.google_errors import Refusal, permission_denied, quota_exceeded
from tests.standins.vertex_status import PENDING, QUEUED
from training_jobs.local_runner import write

STRIKING = frozenset({"memory", "internal", "preempted"})  # a job that runs
KINDS = STRIKING | {"quota", "permission", "capacity", "user_code"}
HOLDS = frozenset({QUEUED, PENDING})
_FIELDS: dict[str, type | UnionType] = {"fault": str, "hold": str, "count": int, "after": int | float, "region": str}


class Faults:
    """Wishes for jobs to come, the oldest first; each is used up after ``count`` jobs.

    A wish has a ``fault`` (with ``after``, seconds of running) or a ``hold`` (the state in which the job stays until
    it is released), and perhaps a ``region`` outside of which it does not count.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def add(self, wish: dict[str, Any]) -> None:
        for name, value in wish.items():
            if name not in _FIELDS or not isinstance(value, _FIELDS[name]):
                raise Refusal("INVALID_ARGUMENT", f"{name}={value!r}: a wish has {', '.join(_FIELDS)}")
        if (wish.get("fault") in KINDS) == (wish.get("hold") in HOLDS):
            raise Refusal(
                "INVALID_ARGUMENT", f"one fault of {sorted(KINDS)} or one hold of {sorted(HOLDS)}, not {wish}"
            )
        with self._lock:
            self._write([*self.waiting(), {"count": 1} | wish])

    def waiting(self) -> list[dict[str, Any]]:
        return json.loads(self.file.read_text()) if self.file.exists() else []

    def clear(self) -> None:
        with self._lock:
            self._write([])

    def take(self, region: str) -> dict[str, Any]:
        """The wish for a job that is submitted now; empty if there is none."""
        with self._lock:
            waiting = self.waiting()
            found = next((wish for wish in waiting if wish.get("region", region) == region), None)
            if found is None:
                return {}
            found["count"] -= 1
            self._write([wish for wish in waiting if wish["count"] > 0])
            return found

    def _write(self, wishes: list[dict[str, Any]]) -> None:
        write(self.file, json.dumps(wishes))


def refuse_as_wished(wish: dict[str, Any], parent: str, job_spec: dict[str, Any]) -> None:
    """Refuse the job if that is the wish."""
    if wish.get("fault") == "quota":
        raise quota_exceeded(sorted(machines.quota_use(job_spec)))
    if wish.get("fault") == "permission":
        raise permission_denied("aiplatform.customJobs.create", parent)
