"""What the next jobs are to suffer, set through the stand-in's control endpoint and kept on disk.

===============  =======================================================================================
``quota``        refused: the quota for its instances is used up
``permission``   refused: the caller may not create jobs
``throttled``    refused: too many calls
``capacity``     accepted, fails before it runs: no instances
``internal``     fails by the service's own fault
``user_code``    the program is replaced by one that raises
``memory``       the first host's program is killed, as if it had run out of memory
``interrupted``  its instances are taken away once, as from a spot job, and it goes on from its checkpoints
===============  =======================================================================================
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import UnionType
from typing import Any

from tests.standins import sagemaker_machines as machines
from tests.standins.aws_errors import THROTTLED, Refusal, denied, invalid
from tests.standins.sagemaker_status import DOWNLOADING, STARTING, UPLOADING
from training_jobs.local_runner import write

STRIKING = frozenset({"memory", "internal", "interrupted"})  # a job that runs
KINDS = STRIKING | {"quota", "permission", "throttled", "capacity", "user_code"}
HOLDS = frozenset({STARTING, DOWNLOADING, UPLOADING})
_FIELDS: dict[str, type | UnionType] = {"fault": str, "hold": str, "count": int, "after": int | float, "region": str}


class Faults:
    """Wishes for jobs to come, the oldest first; each is used up after ``count`` jobs.

    A wish has a ``fault`` (with ``after``, seconds of running) or a ``hold`` (the secondary status in which the job
    stays until it is released), and perhaps a ``region`` outside of which it does not count.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def add(self, wish: dict[str, Any]) -> None:
        for name, value in wish.items():
            if name not in _FIELDS or not isinstance(value, _FIELDS[name]):
                raise invalid(f"{name}={value!r}: a wish has {', '.join(_FIELDS)}")
        if (wish.get("fault") in KINDS) == (wish.get("hold") in HOLDS):
            raise invalid(f"one fault of {sorted(KINDS)} or one hold of {sorted(HOLDS)}, not {wish}")
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


def refuse_as_wished(wish: dict[str, Any], account: str, operation: str, quota: str, count: int) -> None:
    """Refuse a job if that is the wish.

    Args:
        quota: the name of the quota that it needs.
        count: how many instances of it.
    """
    match wish.get("fault"):
        case "quota":
            raise machines.exceeded(quota, 0, 0, count)
        case "permission":
            raise denied(operation, account)
        case "throttled":
            raise Refusal(THROTTLED, "Rate exceeded")
