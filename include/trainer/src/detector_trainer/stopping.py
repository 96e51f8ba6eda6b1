"""Being asked to stop: a signal sets a flag, and the training loop ends at its next step."""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Answers True once SIGTERM or SIGINT came. A second one ends the process at once.

    So does the first, until the loop has asked for the first time, after its first step: while TensorFlow is loaded
    and the step compiled, which can take half a minute, there is nothing yet that a checkpoint would save.
    """

    def __init__(self) -> None:
        self._requested = self._asked = False
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        signal.signal(number, signal.SIG_DFL)

    def __call__(self) -> bool:
        if not self._asked:
            self._asked = True
            for number in SIGNALS:
                signal.signal(number, self._on_signal)
        return self._requested
