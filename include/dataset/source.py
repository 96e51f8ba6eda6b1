"""The folder that a batch comes in: which files are in it, and reading them without being led out of it."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from include.dataset.quarantine import Problem, Refused

Kind = Literal["images", "xml", "json", "image_sets"]

ANNOTATIONS: dict[str, Kind] = {".xml": "xml", ".json": "json"}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
OTHER_SUFFIXES = {".xml", ".json", ".txt", ".csv", ".md", ".pbtxt", ".yaml", ".yml"}
SET_ASIDE = ".set-aside.jsonl"  # in the batch's folder: what an archive held that was not unpacked, and why
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe without a writer does not block the opening
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG files begin


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Paths relative to ``root``, with forward slashes, sorted.

    What an archive held and was not unpacked (``unread``) is listed like the rest, so that it is matched and counted
    like the rest; reading it is refused for the reason for which it was set aside.
    """

    root: Path
    images: tuple[str, ...]
    xml: tuple[str, ...]
    json: tuple[str, ...]
    image_sets: tuple[str, ...]  # ImageSets/Main/*.txt
    not_followed: tuple[str, ...]  # folders that are symbolic links
    unread: Mapping[str, Problem] = field(default_factory=dict)

    def read(self, relative: str, limit: int, *, head: int | None = None) -> bytes:
        """The contents of one of the files (see ``read_inside``); ``Refused`` if it cannot be had."""
        if problem := self.unread.get(relative):
            raise Refused(*problem)
        return read_inside(self.root, relative, limit, head=head)


def list_source(root: Path) -> SourceFiles:
    """Find a batch's files, in nested folders too. Hidden files and folders, and ``__MACOSX``, are passed over.

    An image is what has an image's suffix, in any case, or begins like a JPEG or PNG.

    Raises:
        NotADirectoryError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder. A batch is a folder of images and their annotations.")
    found: dict[Kind, list[str]] = {"images": [], "xml": [], "json": [], "image_sets": []}
    not_followed: list[str] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not passed_over(name))
        here = "" if Path(folder) == root else f"{Path(folder).relative_to(root).as_posix()}/"
        not_followed += [here + name for name in subfolders if Path(folder, name).is_symlink()]
        for name in names:
            if not passed_over(name) and (kind := kind_of(here + name) or kind_of_contents(Path(folder, name))):
                found[kind].append(here + name)
    unread = read_set_aside(root)
    for path in unread:
        if kind := kind_of(path):
            found[kind].append(path)
    images, xml, json_files, image_sets, links = (tuple(sorted(paths)) for paths in (*found.values(), not_followed))
    return SourceFiles(root, images, xml, json_files, image_sets, links, unread)


def passed_over(name: str) -> bool:
    """Is this the name of a file or folder that is nobody's data: hidden, or left by macOS in an archive?"""
    return name.startswith((".", "__MACOSX"))


def kind_of(path: str) -> Kind | None:
    """Which of a batch's kinds of files a path's name says, if it says any."""
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    suffix = dot + suffix.lower() if stem else ""
    if suffix in IMAGE_SUFFIXES:
        return "images"
    if suffix == ".txt":
        return "image_sets" if PurePosixPath(path).parts[-3:-1] == ("ImageSets", "Main") else None
    return ANNOTATIONS.get(suffix)


def kind_of_contents(path: Path) -> Kind | None:
    return "images" if path.suffix.lower() not in OTHER_SUFFIXES and begins_like_image(path) else None


def read_set_aside(root: Path) -> dict[str, Problem]:
    """What the unpacker of this folder, if it came from an archive, left out (see ``archive.py``)."""
    record = root / SET_ASIDE
    lines = record.read_text().splitlines() if record.is_file() else []
    return {(problem := Problem(*json.loads(line))).file: problem for line in lines}


def begins_like_image(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(SIGNATURES)
    except OSError:
        return False


def image_stem(path: str) -> str:
    """An image's name without folder and suffix; a dot in a name that is no suffix stays (``frame.0001``)."""
    name = path.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and dot + suffix.lower() in IMAGE_SUFFIXES else name


def read_inside(root: Path, relative: str, limit: int, *, head: int | None = None) -> bytes:
    """The contents of a file of the batch. What is checked is what is read: the file is opened once, and first.

    Args:
        head: read no more than so many bytes of its beginning.

    Raises:
        Refused: ``leaves_source``, ``bad_file_name``, ``file_too_large`` (more than ``limit`` bytes) or
            ``unreadable_file`` (also for pipes and devices, which could block for ever).
    """
    path = f"{root}/{relative}"
    try:
        relative.encode()
        if relative.startswith("/") or ".." in relative.split("/"):
            raise Refused("leaves_source", relative)
        file = os.open(path, OPEN_FLAGS | os.O_NOFOLLOW)
    except UnicodeEncodeError as error:
        raise Refused("bad_file_name", relative) from error
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) != errno.ELOOP:
            raise Refused("unreadable_file", relative, value=getattr(error, "strerror", None) or error) from error
        file = _open_link(root, relative)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("unreadable_file", relative, value=stat.filemode(status.st_mode))
        if status.st_size > limit:
            raise Refused("file_too_large", relative, value=f"{status.st_size} bytes, limit {limit}")
        return _read_all(file, status.st_size) if head is None else os.read(file, head)
    except OSError as error:
        raise Refused("unreadable_file", relative, value=error.strerror or error) from error
    finally:
        os.close(file)


def _open_link(root: Path, relative: str) -> int:
    """Open what a symbolic link of the batch means, if that is in the batch too."""
    path = root / relative
    try:
        target = path.resolve()
        if not target.is_relative_to(root.resolve()):
            raise Refused("leaves_source", relative, value=path.readlink())
        return os.open(target, OPEN_FLAGS | os.O_NOFOLLOW)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        raise Refused("unreadable_file", relative, value=getattr(error, "strerror", None) or error) from error


def _read_all(file: int, size: int) -> bytes:
    """All bytes of an open file, in one go where it did not change under us."""
    data = os.read(file, size + 1)
    while len(data) < size and (more := os.read(file, size + 1 - len(data))):  # Linux reads at most 2 GiB at once
        data += more
    return data
