"""Where everything lies: one object store (or folder), one root, paths relative to it.

Documents and files name each other by paths *relative to the store's root*, so that a store can be moved or
mounted elsewhere and the hash of a document does not depend on where it lies. Every write is atomic: a reader
sees the old content or the new, never half of either, and two writers of the same bytes do no harm.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

if TYPE_CHECKING:
    from include.documents import Document

    D = TypeVar("D", bound=Document)

COPY_BLOCK = 1 << 20  # bytes
READERS = 16  # files that are read at the same time: what is waited for is the object store's answer
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def sha256_of(file: Path) -> str:
    """SHA-256 of a local file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class NotInStore(FileNotFoundError):
    """A path that a document names is not in the store."""


class StoreFull(OSError):
    """There is no room left where the store lies. What was being written is not there, not even in part."""


class StoreNotWritable(PermissionError):
    """The store may be read, not written."""


class Store:
    """A folder or bucket that holds the documents, shards, models and reports of all collections.

    Args:
        root: a folder or an fsspec URL (``gs://bucket/prefix``).
        storage_options: what fsspec needs to reach it (endpoint, credentials); never written anywhere.

    Paths given to its methods are relative to ``root``, with forward slashes; absolute paths and ``..`` are
    refused with ``ValueError``, because some of them are derived from names that other people chose.
    """

    def __init__(self, root: str | Path, **storage_options: Any) -> None:
        is_url = "://" in str(root)
        self.root = UPath(str(root), **storage_options) if is_url else UPath(Path(root).absolute())
        self.is_local = not is_url

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def path(self, relative: str) -> UPath:
        """The full path of something in the store."""
        parts = relative.split("/")
        if relative.startswith("/") or ".." in parts or "" in parts or "\\" in relative or "\0" in relative:
            raise ValueError(f"Got {relative!r} as a path in the store; it must be relative and stay inside.")
        return self.root.joinpath(*parts)

    def exists(self, relative: str) -> bool:
        return self.path(relative).exists()

    def read(self, relative: str) -> bytes:
        """The bytes of one file; ``NotInStore`` if it is not there."""
        try:
            return self.path(relative).read_bytes()
        except FileNotFoundError as missing:
            raise NotInStore(
                f"{relative} is not in the store {self.root}. Was the store moved, or a file removed by hand? "
                "Run the task that writes it again (clear it in Airflow)."
            ) from missing

    def write(self, relative: str, data: bytes) -> str:
        """Write one file atomically, replacing what was there. Returns ``relative``."""
        with self.writing(relative) as temporary:
            temporary.write_bytes(data)
        return relative

    @contextmanager
    def writing(self, relative: str) -> Iterator[Path]:
        """A local path to write to; it appears in the store as ``relative`` only if the block succeeds.

        In a folder the file is written beside its place and renamed. Object stores show an upload only when
        it is complete, so there the file is written locally and uploaded at the end.
        """
        target = self.path(relative)
        directory = Path(str(target.parent)) if self.is_local else Path(tempfile.gettempdir())
        temporary = directory / f".{uuid.uuid4().hex}.part"
        with self._explaining(relative):
            try:
                directory.mkdir(parents=True, exist_ok=True)
                yield temporary
                if self.is_local:
                    temporary.replace(str(target))
                else:
                    with temporary.open("rb") as source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink, COPY_BLOCK)
            finally:
                with suppress(OSError):  # on a disk that has become read-only it cannot have been written either
                    temporary.unlink(missing_ok=True)

    @contextmanager
    def _explaining(self, relative: str) -> Iterator[None]:
        """Say what to do about a disk that is full or may not be written."""
        try:
            yield
        except OSError as error:
            what = f"{relative} cannot be written: {self.root}"
            if error.errno in FULL:
                raise StoreFull(
                    error.errno,
                    f"{what} is full. Nothing of it was left behind. Make room, or move the store ('store:' in "
                    "lanner.yaml, LANNER_HOME); then clear the task in Airflow, if it has not gone on by itself.",
                ) from error
            if error.errno in NOT_WRITABLE and str(error.filename or "").startswith(str(self.root)):
                raise StoreNotWritable(
                    error.errno,
                    f"{what} may not be written by this user, or is mounted read-only. Expected a folder that "
                    "Airflow's user may write; change its owner or the mount, then clear the task in Airflow.",
                ) from error
            raise

    def create(self, relative: str, data: bytes) -> bool:
        """Write a file only if none is there, atomically (a *claim*).

        Returns:
            Whether the file now holds these very bytes. So who asks again, because the answer was lost on the way,
            hears the same; ``data`` must say who claims, where two could claim with the same words.
        """
        target = self.path(relative)
        try:
            with self._explaining(relative):
                if self.is_local:
                    _link(Path(str(target)), data)
                else:
                    target.fs.pipe_file(target.path, data, mode="create")
        except FileExistsError:
            return self.read(relative) == data
        return True

    def copy_in(self, local: Path, relative: str) -> str:
        """Copy a local file, or a folder with all that is in it, into the store. Returns ``relative``."""
        if local.is_dir():
            for file in sorted(p for p in local.rglob("*") if p.is_file()):
                self.copy_in(file, f"{relative}/{file.relative_to(local).as_posix()}")
            return relative
        with self.writing(relative) as temporary:
            shutil.copyfile(local, temporary)
        return relative

    def copy_out(self, relative: str, local: Path) -> Path:
        """Copy a file, or a folder with all that is in it, out of the store. Returns ``local``."""
        source = self.path(relative)
        if source.is_dir():
            for file in sorted(p for p in source.rglob("*") if p.is_file()):
                inside = file.relative_to(source).as_posix()
                self.copy_out(f"{relative}/{inside}", local / inside)
            return local
        local.parent.mkdir(parents=True, exist_ok=True)
        temporary = local.parent / f".{uuid.uuid4().hex}.part"
        try:
            with source.open("rb") as reader, temporary.open("wb") as writer:
                shutil.copyfileobj(reader, writer, COPY_BLOCK)
            temporary.replace(local)
        finally:
            temporary.unlink(missing_ok=True)
        return local

    def files(self, relative: str) -> list[str]:
        """The paths of all files in a folder of the store and in its folders, sorted; none if there is no such folder.

        What other writers finished before the call is in it: listings that fsspec keeps are not used.
        """
        folder = self.path(relative)
        folder.fs.invalidate_cache()
        try:
            found = folder.fs.find(folder.path)
        except FileNotFoundError:  # some stores say so, others answer with nothing
            return []
        names = (f"{relative}/{str(path)[len(folder.path) :].lstrip('/')}" for path in found)
        return sorted(name for name in names if not name.endswith(".part"))  # what is still being written

    def read_many(self, relatives: Sequence[str]) -> list[bytes]:
        """The bytes of many small files in their order, several at a time; ``NotInStore`` for a missing one."""
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.read, relatives))

    # --- documents: immutable, named by their hash -- and one pointer per key to the newest

    def put(self, document: Document) -> str:
        """Store a document under the hash of its contents and point its key to it. Returns its path."""
        relative = document.path
        if not self.exists(relative):
            self.write(relative, document.encoded)
        self.write(document.pointer, relative.encode())
        return relative

    def get(self, kind: type[D], relative: str) -> D:
        """Read a document and check that its bytes still have the hash that names them."""
        data = self.read(relative)
        found = hashlib.sha256(data).hexdigest()
        if not relative.endswith(f"/{found}.json"):
            raise ValueError(
                f"{relative} in {self.root} was altered: its contents now hash to {found}. Restore it from a backup."
            )
        return kind.model_validate_json(data)

    def newest(self, kind: type[D], collection: str, key: str) -> tuple[str, D] | None:
        """Path and contents of the newest document of one kind for a key, or None."""
        pointer = kind.pointer_for(collection, key)
        if not self.exists(pointer):
            return None
        relative = self.read(pointer).decode()
        return relative, self.get(kind, relative)


def _link(file: Path, data: bytes) -> None:
    """Write a local file that must not exist, complete from the start; a link, unlike a rename, replaces nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.parent / f".{uuid.uuid4().hex}.part"
    try:
        temporary.write_bytes(data)
        os.link(temporary, file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
