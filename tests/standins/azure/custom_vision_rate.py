"""How many calls a second a resource may make, by kind of call."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standins.azure.custom_vision_account import Tier
from tests.standins.azure.custom_vision_errors import invalid
from training_services.local_runner import write


class Rate:
    """A window of one second for each kind of call.

    Args:
        file: keeps what was set.
        calls: allowed in a second while nothing else was set, instead of the tier's; 0: as many as come.
    """

    def __init__(
        self, tier: Tier, file: Path, calls: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tier, self.file, self._clock = tier, file, clock
        self.calls = json.loads(file.read_text())["calls_per_second"] if file.exists() else calls
        self._made: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def set(self, calls: Any) -> None:
        """Allow another number; None: the tier's.

        Raises:
            Refusal: it is no number of calls.
        """
        if calls is not None and (not isinstance(calls, int) or calls < 0):
            raise invalid(f"calls_per_second={calls!r}: a number, 0 for no limit, or null for the tier's.")
        write(self.file, json.dumps({"calls_per_second": calls}))
        self.calls = calls

    def allows(self, kind: str) -> bool:
        """Count a call, if it may be made now."""
        limit = self.tier.calls[kind] if self.calls is None else self.calls
        with self._lock:
            made, now = self._made[kind], self._clock()
            while made and made[0] <= now - 1:
                made.popleft()
            if limit and len(made) >= limit:
                return False
            made.append(now)
            return True
