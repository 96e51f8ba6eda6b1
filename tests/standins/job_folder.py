"""What the folder of a stand-in's job has in common, whatever the cloud: who owns it, and what holds it."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path


def is_held(folder: Path, state: str) -> bool:
    """Is this the state that a job may not leave?"""
    with contextlib.suppress(FileNotFoundError):
        return (folder / "hold").read_text() == state
    return False


@contextlib.contextmanager
def owning(folder: Path) -> Iterator[bool]:
    """Be the one who writes a job's status; False: another one is."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def tries(count: int) -> Iterator[int]:
    """Numbers of tries, a second apart."""
    for number in range(count):
        if number:
            time.sleep(1.0)
        yield number
