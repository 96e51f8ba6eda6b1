"""What moving files to a bucket and back has in common on every cloud."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WORKERS = 8  # files at a time


class TransferDamaged(OSError):
    """What arrived is not what was sent."""


@dataclass(frozen=True)
class Transfer:
    """What was moved, and what was there already."""

    files: int
    bytes: int
    already_there: int

    def __str__(self) -> str:
        return f"{self.files} files ({self.bytes / 1e6:.1f} MB) moved, {self.already_there} were there"


def summed(sizes: Iterable[int | None]) -> Transfer:
    """Of the sizes of what was moved, None where it was there."""
    every = list(sizes)
    moved = [size for size in every if size is not None]
    return Transfer(len(moved), sum(moved), len(every) - len(moved))


def inside(folder: Path, relative: str) -> Path:
    """Where an object of a bucket goes in a folder. ``ValueError`` if its name would leave the folder."""
    parts = relative.split("/")
    if "" in parts or ".." in parts or "." in parts or "\\" in relative or "\0" in relative:
        raise ValueError(f"The bucket holds an object named {relative!r}, which would leave {folder}.")
    return folder.joinpath(*parts)
