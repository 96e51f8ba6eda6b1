"""The folder that a batch comes in: which files are in it, and reading them without being led out of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from include.dataset.quarantine import Refused

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
OTHER_SUFFIXES = {".xml", ".json", ".txt", ".csv", ".md", ".pbtxt", ".yaml", ".yml"}
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how JPEG and PNG files begin


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Paths relative to ``root``, with forward slashes, sorted."""

    root: Path
    images: tuple[str, ...]
    xml: tuple[str, ...]
    json: tuple[str, ...]
    image_sets: tuple[str, ...]  # ImageSets/Main/*.txt
    not_followed: tuple[str, ...]  # folders that are symbolic links


def list_source(root: Path) -> SourceFiles:
    """Find a batch's files, in nested folders too. Hidden files and folders, and ``__MACOSX``, are passed over.

    An image is what has an image's suffix, in any case, or begins like a JPEG or PNG.

    Raises:
        NotADirectoryError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder. A batch is a folder of images and their annotations.")
    images, xml, json, image_sets, not_followed = [], [], [], [], []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__MACOSX")))
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        not_followed += [str(here / name) for name in subfolders if Path(folder, name).is_symlink()]
        for name in names:
            relative, suffix = str(here / name), PurePosixPath(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix == ".xml":
                xml.append(relative)
            elif suffix == ".json":
                json.append(relative)
            elif suffix == ".txt" and here.parts[-2:] == ("ImageSets", "Main"):
                image_sets.append(relative)
            elif suffix in IMAGE_SUFFIXES or (suffix not in OTHER_SUFFIXES and begins_like_image(Path(folder, name))):
                images.append(relative)
    found = (tuple(sorted(paths)) for paths in (images, xml, json, image_sets, not_followed))
    return SourceFiles(root, *found)


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
    name = PurePosixPath(path)
    return name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name


def read_inside(root: Path, relative: str, limit: int) -> bytes:
    """The contents of a file of the batch.

    Raises:
        Refused: ``leaves_source``, ``bad_file_name``, ``file_too_large`` (more than ``limit`` bytes) or
            ``unreadable_file`` (also for pipes and devices, which could block for ever).
    """
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise Refused("bad_file_name", relative) from error
    path = root / relative
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            raise Refused("leaves_source", relative, value=path.readlink())
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused("unreadable_file", relative, value=stat.filemode(status.st_mode))
        if status.st_size > limit:
            raise Refused("file_too_large", relative, value=f"{status.st_size} bytes, limit {limit}")
        return path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links, before Python 3.13
        raise Refused("unreadable_file", relative, value=getattr(error, "strerror", None) or error) from error
