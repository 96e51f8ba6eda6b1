"""Unpacks the archive that a batch came in. An archive is untrusted: nothing of it leaves its folder, nothing in the
folder is a link, and sizes, counts and growth are bounded.

A bad member does not cost the batch. It is left out and recorded beside what was unpacked (``source.SET_ASIDE``), so
that the check of the batch counts it as found and as quarantined, with its reason, like everything else.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple

from include.dataset.quarantine import Problem
from include.dataset.source import SET_ASIDE, passed_over
from include.store import FULL, sha256_of

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz")
COPY_BLOCK = 1 << 20  # bytes
DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
UNPACKING_ERRORS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError)
Say = Callable[[str], None]


class ArchiveError(ValueError):
    """An archive that cannot be used at all."""


class Limits(NamedTuple):
    """What an archive may grow to. Photographs hardly shrink when they are packed; what grows a lot is an attack."""

    members: int = 500_000
    bytes: int = 200 << 30  # unpacked, all together
    member_bytes: int = 1 << 30  # unpacked, each
    growth: int = 200  # unpacked bytes for each packed one…
    free_bytes: int = 64 << 20  # …beyond these


LIMITS = Limits()


class Member(NamedTuple):
    """One entry of an archive, of either kind."""

    name: str
    kind: Literal["file", "folder", "link", "special"]
    size: int  # bytes, unpacked, as the archive declares; no more than these are ever read
    packed: int | None  # bytes; None where the archive is packed as a whole
    open: Callable[[], IO[bytes]]


def is_archive_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def unpack(archive: Path, into: Path, *, inside: str = "", limits: Limits = LIMITS, say: Say = print) -> Path:
    """Unpack an archive into a folder below ``into`` that is named by the archive's hash. Returns the folder.

    An archive that was unpacked before is not unpacked again. The folder appears when it is complete.

    Args:
        inside: only this folder of the archive.

    Raises:
        ArchiveError: no archive, cut off, too large, growing too much, or there is no space for it.
    """
    name = sha256_of(archive)[:32]
    if inside:
        name += "-" + hashlib.sha256(inside.encode()).hexdigest()[:8]
    target = into / name
    if target.is_dir():
        return target
    say(f"Unpacking {archive.name}.")
    staging = into / f".{name}.{os.getpid()}.part"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        with translated(archive, into):
            problems = _unpack_members(archive, staging, PurePosixPath(inside), limits)
        write_set_aside(staging, problems)
        _appear(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if problems:
        say(f"{len(problems)} members of {archive.name} were not unpacked; they are in the batch's quarantine.")
    return target


def _unpack_members(archive: Path, staging: Path, inside: PurePosixPath, limits: Limits) -> list[Problem]:
    """Unpack what is sound; the rest is returned."""
    problems: dict[str, Problem] = {}
    written: set[str] = set()
    free = shutil.disk_usage(staging).free
    size = 0
    for number, member in enumerate(members(archive, limits), start=1):
        size += member.size
        if number > limits.members or size > limits.bytes:
            raise ArchiveError(f"it holds more than {limits.members} members or {limits.bytes >> 30} GiB")
        path = member_path(member.name)
        relative = path.relative_to(inside) if path and path.is_relative_to(inside) else None
        if path and (relative is None or member.kind == "folder" or any(map(passed_over, relative.parts))):
            continue
        shown = str(relative) if relative else member.name
        if not relative:
            problem: Problem | None = Problem("leaves_source", shown, "path in the archive", member.name)
        elif shown in written:
            problem = Problem("name_twice", shown)
        elif not (problem := refusal(member, shown, limits)):
            if size > free:
                raise OSError(errno.ENOSPC, f"{free >> 20} MiB are free, and it needs more")
            problem = _write(member, staging, shown)
        if problem is None:
            written.add(shown)
        else:
            problems[_numbered(shown, number) if shown in written or shown in problems else shown] = problem
    for shown in problems.keys() & written:  # a sound member came after one of the same name that was refused
        problems[_numbered(shown, 0)] = problems.pop(shown)
    return [problem._replace(file=shown) for shown, problem in sorted(problems.items())]


def _numbered(shown: str, number: int) -> str:
    """A name of its own for the second member of one name, so that both are counted."""
    path = PurePosixPath(shown)
    return str(path.with_name(f"{path.stem} (member {number}){path.suffix}")) if path.name else f"{shown}#{number}"


def member_path(name: str) -> PurePosixPath | None:
    """The relative path that a member's name means; None if it is absolute or leads upwards.

    Zip files from some Windows tools have backslashes.
    """
    name = name.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"[A-Za-z]:", name):
        return None
    return path


def refusal(member: Member, shown: str, limits: Limits) -> Problem | None:
    """Why a member whose path is right is not unpacked all the same, or None."""
    if member.kind == "link":
        return Problem("link_in_archive", shown)
    if member.kind == "special":
        return Problem("unreadable_file", shown, "type", "a device or a pipe")
    if member.size > limits.member_bytes:
        return Problem("file_too_large", shown, "size", f"{member.size} bytes, limit {limits.member_bytes}")
    if member.packed is not None and member.size > limits.free_bytes + limits.growth * member.packed:
        return Problem("decompression_bomb", shown, "size", f"{member.packed} bytes become {member.size}")
    return None


def _write(member: Member, staging: Path, shown: str) -> Problem | None:
    """Unpack one file. A failure that is the member's own fault is returned, what concerns all is raised."""
    target = staging / shown
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as sink:
            try:
                with member.open() as source:
                    shutil.copyfileobj(source, sink, COPY_BLOCK)
            except BaseException:
                target.unlink()
                raise
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:  # one member of a zip file
        return Problem("unreadable_file", shown, "contents", str(error))
    except OSError as error:
        if error.errno in FULL or error.errno is None:
            raise
        code = "bad_file_name" if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ) else "unreadable_file"
        return Problem(code, shown, "name", str(error.strerror))
    return None


def members(archive: Path, limits: Limits = LIMITS) -> Iterator[Member]:
    """The members of an archive in their order. A member can be opened until the next one is asked for."""
    with archive.open("rb") as file:
        start = file.read(8)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        yield from _zip_members(archive)
        return
    opener = next((opener for magic, opener in DECOMPRESSORS.items() if start.startswith(magic)), Path.open)
    with opener(archive, "rb") if opener is not Path.open else archive.open("rb") as stream:  # type: ignore[call-arg]
        most = limits.free_bytes + limits.growth * archive.stat().st_size
        bounded: Any = Bounded(stream, most)
        with tarfile.open(fileobj=bounded, mode="r:", errorlevel=1) as tar:
            for info in tar:
                kind = _kind(
                    link=info.issym() or info.islnk(), folder=info.isdir(), file=info.isfile() and not info.issparse()
                )
                yield Member(info.name, kind, info.size, None, lambda info=info: tar.extractfile(info))  # type: ignore
                tar.members = []  # type: ignore[attr-defined]  # else it remembers every one of them


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            kind = _kind(link=mode == stat.S_IFLNK, folder=info.is_dir(), file=mode in (0, stat.S_IFREG))
            yield Member(info.filename, kind, info.file_size, info.compress_size, lambda info=info: file.open(info))  # type: ignore


def _kind(*, link: bool, folder: bool, file: bool) -> Literal["file", "folder", "link", "special"]:
    return "link" if link else "folder" if folder else "file" if file else "special"


class Bounded:
    """An unpacked stream that refuses to grow without end, and to be read into memory in one piece."""

    LARGEST_READ = 16 << 20  # tarfile reads extended headers whole, at the size that they claim

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int) -> bytes:
        if size > self.LARGEST_READ:
            raise ArchiveError(f"a header claims {size} bytes")
        self._check(self.tell())
        return self._stream.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        self._check(position)
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise ArchiveError(f"it grows to more than {self._most} bytes when it is unpacked")


@contextmanager
def translated(archive: Path, into: Path) -> Iterator[None]:
    """Errors of the unpackers as ``ArchiveError`` with what to do."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{archive} was not unpacked: {error}. If you trust it, unpack it by hand.") from error
    except (*UNPACKING_ERRORS, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise ArchiveError(
            f"{archive} cannot be unpacked: {error or 'it ends too early'}. Expected a whole .zip, .tar, .tar.gz, "
            ".tar.xz or .tar.bz2 file. If it was downloaded or copied, remove it and do that again."
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise ArchiveError(f"There is no space in {into} to unpack {archive}: {error.strerror}.") from error
        raise


def write_set_aside(folder: Path, problems: list[Problem]) -> None:
    """Record what is left out of a folder, for the check of the batch."""
    if problems:
        (folder / SET_ASIDE).write_text("".join(json.dumps(problem) + "\n" for problem in problems))


def _appear(staging: Path, target: Path) -> None:
    try:
        staging.rename(target)
    except OSError:
        if not target.is_dir():  # somebody else was first
            raise
