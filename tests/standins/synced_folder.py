"""A folder of a job in step with a prefix of a bucket: what was there is there at the start, what changes is uploaded.

The services delete nothing from the bucket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

Stamp = tuple[int, int]  # time of the last change in ns, size


class Bucket(Protocol):
    """What moves files to and from a bucket."""

    def fetch_prefix(self, uri: str, to: Path) -> None: ...

    def upload(self, file: Path, uri: str) -> None: ...


class SyncedFolder:
    """One folder.

    Args:
        uri: of the prefix.
        patient: a file is uploaded once it has not changed between two looks; else as it is at each look.
    """

    def __init__(self, bucket: Bucket, folder: Path, uri: str, *, patient: bool = True) -> None:
        self.bucket, self.folder, self.uri, self.patient = bucket, folder, uri.rstrip("/"), patient
        self._known: dict[Path, Stamp] = {}
        self._growing: dict[Path, Stamp] = {}

    def restore(self) -> None:
        self.bucket.fetch_prefix(self.uri, self.folder)
        self._known = dict(self._stamps())

    def upload_changes(self, *, last: bool = False) -> None:
        for file, stamp in list(self._stamps()):
            if self._known.get(file) == stamp:
                continue
            if last or not self.patient or self._growing.get(file) == stamp:
                with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
                    self.bucket.upload(file, f"{self.uri}/{file.relative_to(self.folder).as_posix()}")
                    self._known[file] = stamp
            self._growing[file] = stamp

    def _stamps(self) -> Iterator[tuple[Path, Stamp]]:
        for file in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if file.is_file():
                    found = file.stat()
                    yield file, (found.st_mtime_ns, found.st_size)
