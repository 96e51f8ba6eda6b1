"""How many calls a second a resource may make, by kind of call."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from tests.standins.azure.custom_vision_account import Tier


class Rate:
    """A window of one second for each kind of call.

    Attributes:
        calls: allowed in a second, instead of the tier's; 0: as many as come.
    """

    def __init__(self, tier: Tier, calls: int | None = None) -> None:
        self.tier, self.calls = tier, calls
        self._made: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def allows(self, kind: str) -> bool:
        """Count a call, if it may be made now."""
        limit = self.tier.calls[kind] if self.calls is None else self.calls
        with self._lock:
            made, now = self._made[kind], time.monotonic()
            while made and made[0] <= now - 1:
                made.popleft()
            if limit and len(made) >= limit:
                return False
            made.append(now)
            return True
