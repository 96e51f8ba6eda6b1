"""Checksums of local files, and a memory of them, so that what has not changed is not read again.

As git's index does it: a file is what it was while device, inode, size and both of its times are the same; one that was
changed a moment ago is not remembered, since its times might not tell the next change.
https://github.com/git/git/blob/master/Documentation/technical/racy-git.adoc
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READ_BYTES = 1 << 20
MEMORY = ".checksums.json"  # in the folder whose files are remembered
SETTLED_NS = 2_000_000_000  # without a change, after which times tell every further one on any file system

Checksum = Callable[[Path], str]
ChecksumOf = Callable[[Path, Checksum], str]


def crc32_of(file: Path) -> str:
    """CRC-32 of a local file as S3 writes it: base64 of the big-endian value."""
    checksum = 0
    with file.open("rb") as opened:
        while block := opened.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def md5_of(file: Path) -> str:
    """MD5 of a local file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def read_again(file: Path, checksum: Checksum) -> str:
    """A checksum of a file, without a memory."""
    return checksum(file)


@contextmanager
def remembered(folder: Path) -> Iterator[ChecksumOf]:
    """What says a checksum of a file, as ``read_again``, reading those files alone that it does not know.

    It may be asked from several threads. What it learned is written down at the end; of two that end at the same time,
    one is forgotten.

    Args:
        folder: what lies in it is remembered, and nothing else.
    """
    known, learned = _read(folder / MEMORY), dict[str, Any]()
    inside = f"{folder}{os.sep}"

    def checksum_of(file: Path, checksum: Checksum) -> str:
        name = str(file).removeprefix(inside)
        if name == str(file):
            return checksum(file)
        entry, stamp = f"{name}:{checksum.__name__}", _stamp(file)
        if isinstance(found := known.get(entry), list) and found[:-1] == stamp:
            return str(found[-1])
        began, value = time.time_ns(), checksum(file)
        if began - max(stamp[-2:]) > SETTLED_NS and _stamp(file) == stamp:
            learned[entry] = [*stamp, value]
        return value

    try:
        yield checksum_of
    finally:
        if learned:
            _write(folder, known | learned)


def _stamp(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(memory: Path) -> dict[str, Any]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError):  # none yet, or damaged: all is read again
        return {}
    return known if isinstance(known, dict) else {}


def _write(folder: Path, known: dict[str, Any]) -> None:
    there = {entry: found for entry, found in known.items() if (folder / entry.rpartition(":")[0]).exists()}
    temporary = folder / f".{uuid.uuid4().hex}.part"
    with contextlib.suppress(OSError):  # a folder that may not be written: all is read again
        try:
            temporary.write_text(json.dumps(there))
            temporary.replace(folder / MEMORY)
        finally:
            temporary.unlink(missing_ok=True)
