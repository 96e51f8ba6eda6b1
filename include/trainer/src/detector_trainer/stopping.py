"""Being asked to stop: a signal sets a flag, and the training loop ends at its next step."""

from __future__ import annotations

import signal
from types import FrameType


class StopRequest:
    """Answers True once SIGTERM or SIGINT came. A second one ends the process at once."""

    def __init__(self) -> None:
        self._requested = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        signal.signal(number, signal.SIG_DFL)

    def __call__(self) -> bool:
        return self._requested
