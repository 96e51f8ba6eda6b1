"""What the next jobs of a stand-in are to suffer, kept on disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import UnionType
from typing import Any

from training_services.local_runner import write

_FIELDS: dict[str, type | UnionType] = {"fault": str, "hold": str, "count": int, "after": int | float, "region": str}


class Wishes:
    """Wishes for jobs to come, the oldest first; each is used up after ``count`` jobs.

    A wish has a ``fault`` (with ``after``, seconds of running) or a ``hold`` (the state in which the job stays until
    it is released), and perhaps a ``region`` outside of which it does not count.

    Args:
        faults, holds: that there are.
        invalid: the service's refusal of a request that it does not understand.
    """

    def __init__(
        self, file: Path, faults: Collection[str], holds: Collection[str], invalid: Callable[[str], Exception]
    ) -> None:
        self.file, self.faults, self.holds, self._invalid = file, faults, holds, invalid
        self._lock = threading.Lock()

    def add(self, wish: dict[str, Any]) -> None:
        for name, value in wish.items():
            if name not in _FIELDS or not isinstance(value, _FIELDS[name]):
                raise self._invalid(f"{name}={value!r}: a wish has {', '.join(_FIELDS)}")
        if (wish.get("fault") in self.faults) == (wish.get("hold") in self.holds):
            raise self._invalid(f"one fault of {sorted(self.faults)} or one hold of {sorted(self.holds)}, not {wish}")
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
