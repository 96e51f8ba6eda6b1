"""What could not be looked at, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Notes:
    """What could not be learned, and why."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def learned(self, what: str, look: Callable[[], T]) -> T | None:
        """What a look brings; None and a note if it fails."""
        try:
            return look()
        except Exception as unknown:
            self.all.append(f"{what}: {unknown}")
            return None
