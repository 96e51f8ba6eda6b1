"""The manifest of a batch: JSON lines, one per sound image, sorted by path; and other files named by their hash."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from include.dataset.annotation import Box
from include.documents import Side
from include.store import Store


class SoundImage(NamedTuple):
    """One image that may be used, with all of its boxes (in pixels, inside the image)."""

    file: str  # relative to the batch's source
    sha256: str
    bytes: int
    width: int
    height: int
    format: Literal["jpeg", "png"]
    dhash: str  # 16 hex digits
    boxes: tuple[Box, ...]
    given_side: Side | None = None
    crc32c: int | None = None  # by which it is recognised when it is converted, at a fifth of the cost of its SHA-256

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> SoundImage:
        fields["boxes"] = tuple(map(Box._make, fields["boxes"]))
        return cls(**fields)


def read_manifest(store: Store, path: str) -> Iterator[SoundImage]:
    return (SoundImage.from_json(line) for line in read_lines(store, path))


def read_lines(store: Store, path: str) -> Iterator[dict[str, Any]]:
    """Stream a file of JSON lines out of the store."""
    with store.path(path).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def encode_line(line: dict[str, Any]) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def write_hashed(store: Store, pieces: Iterable[bytes], name: Callable[[str], str]) -> str:
    """Write pieces into one file that is named by the SHA-256 of its contents. Returns its path in the store.

    The pieces are streamed; memory does not grow with the file.
    """
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="lanner-") as folder:
        temporary = Path(folder, "contents")
        with temporary.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        path = name(digest.hexdigest())
        if not store.exists(path):
            store.copy_in(temporary, path)
    return path
