"""A batch, in whichever form it is named (folder, archive, URL, object store, catalogue), as a folder on this machine.

What is downloaded or unpacked lies below the state folder (``downloads/``, ``unpacked/``), named by what it is, so
that nothing is fetched or unpacked twice. docs/data.md describes the forms.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from include.dataset.archive import Say, is_archive_name, unpack
from include.dataset.catalog import load_catalog
from include.dataset.fetch import download
from include.dataset.objects import copy_objects

CATALOG = "catalog:"  # how settings name a catalogue's entry
FORMS = "a folder, a .zip or .tar(.gz, .xz, .bz2) file, a URL (https, s3, gs, az), or a name from the catalogue"


class UnknownData(ValueError):
    """What was given names no data that we know how to get."""


def canonical(data: str) -> str:
    """``data`` as settings name it, whatever the working folder: an absolute path, a URL, or ``catalog:<name>``.

    An existing folder or file wins over a catalogue's entry of the same name.

    Raises:
        UnknownData: neither a file nor an entry; it lists the entries there are.
    """
    if data.startswith(CATALOG):
        return CATALOG + known(data.removeprefix(CATALOG))
    if "://" in data and not data.startswith("file://"):
        return data
    path = Path(unquote(urlsplit(data).path) if data.startswith("file://") else data).expanduser()
    if path.exists():
        return str(path.resolve())
    if re.fullmatch(r"[A-Za-z0-9_-]+", data):
        return CATALOG + known(data)
    raise UnknownData(f"{data} is not there. Expected {FORMS}.")


def known(name: str) -> str:
    if name not in load_catalog():
        raise UnknownData(
            f"{name} is neither a folder here nor in the catalogue, which has: {', '.join(load_catalog())}. "
            f"Expected {FORMS}."
        )
    return name


def data_name(source: str) -> str:
    """What a person would call the data: the folder's, archive's or entry's name, without suffix or version."""
    if source.startswith(CATALOG):
        return source.removeprefix(CATALOG)
    path = PurePosixPath(unquote(urlsplit(source).path) if "://" in source else source)
    name = re.sub(r"\.(zip|t[gxb]z2?|tar(\.\w+)?)$", "", path.name, flags=re.IGNORECASE)
    return name or urlsplit(source).netloc


def obtain(source: str, home: Path, *, say: Say = print) -> Path:
    """The folder that holds the data of ``source`` (as ``canonical`` gives it), fetched and unpacked if need be.

    Args:
        home: the state folder.
        say: told what is being done, a line each.

    Raises:
        ValueError: what went wrong and what to do (``UnknownData``, ``FetchError``, ``ArchiveError``,
            ``ObjectStoreError``).
    """
    downloads, unpacked = home / "downloads", home / "unpacked"
    if source.startswith(CATALOG):
        entry = load_catalog()[known(source.removeprefix(CATALOG))]
        archive = download(str(entry.url), downloads, sha256=entry.sha256, pinned=True, say=say)
        return unpack(archive, unpacked, inside=entry.folder, say=say)
    if source.startswith(("http://", "https://")):
        return unpack(download(source, downloads, say=say), unpacked, say=say)
    path = copy_objects(source, downloads, say=say) if "://" in source else Path(source)
    if path.is_dir():
        return path
    if path.is_file() and ("://" in source or is_archive_name(path.name)):
        return unpack(path, unpacked, say=say)
    if path.exists():
        raise UnknownData(f"{path} is neither a folder nor an archive. Expected {FORMS}.")
    raise UnknownData(f"{path} is not there. Expected {FORMS}.")
