"""Copies a batch out of an object store (``s3://``, ``gs://``, ``az://`` … a folder or an archive), through fsspec.

Credentials are those that the store's own tools find: environment, configuration files, the machine's identity.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from include.dataset.archive import Say, member_path, write_set_aside
from include.dataset.fetch import MAX_BYTES, check_room_for
from include.dataset.quarantine import Problem
from include.dataset.source import passed_over

THREADS = 8
MAX_OBJECTS = 2_000_000
VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "generation",
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)


class ObjectStoreError(ValueError):
    """What a URL names in an object store cannot be copied, and what to do."""


def copy_objects(url: str, folder: Path, *, limit: int = MAX_BYTES, say: Say = print) -> Path:
    """Copy the file or the folder that ``url`` names to below ``folder``. Returns the copy.

    The copy is named by the names, sizes and versions of all objects: what did not change is not copied again, and
    a copy that was interrupted goes on with the objects that are missing.

    Raises:
        ObjectStoreError: nothing there, too large, refused, or no implementation of the protocol is installed.
    """
    files, path = open_filesystem(url)
    try:
        listed = files.find(path, detail=True)
    except Exception as error:  # each store's client has errors of its own
        raise ObjectStoreError(f"{url} cannot be listed: {error}. Check the address and your credentials.") from error
    if not listed:
        raise ObjectStoreError(f"There is nothing at {url}. Check the address, and that your credentials may list it.")
    total = sum(int(about.get("size") or 0) for about in listed.values())
    if len(listed) > MAX_OBJECTS or total > limit:
        raise ObjectStoreError(
            f"{url} has {len(listed)} objects, {total >> 30} GiB; limits {MAX_OBJECTS}, {limit >> 30}."
        )
    name = f"{fingerprint(url, listed)}-{re.sub(r'[^A-Za-z0-9._-]+', '_', PurePosixPath(path).name)[-80:]}"
    target, staging = folder / name, folder / f".{name}.part"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    check_room_for(url, folder, total)
    say(f"Copying {len(listed)} objects, {total / 1e6:.1f} MB, from {url}.")
    if list(listed) == [path]:  # a single file, an archive perhaps
        _copy(files, path, staging, total)
    else:
        _copy_all(files, path, listed, staging)
    staging.rename(target)
    return target


def open_filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it."""
    protocol = url.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as missing:
        package = known_implementations.get(protocol, {}).get("class", protocol).partition(".")[0]
        raise ObjectStoreError(
            f"{url} needs the package {package}, which is not installed. Install it: .venv/bin/uv pip install {package}"
        ) from missing
    except ValueError as unknown:
        raise ObjectStoreError(f"{url}: {unknown}. Expected https://, s3://, gs:// or az://.") from unknown
    except Exception as error:
        raise ObjectStoreError(f"{url} cannot be opened: {error}. Check your credentials for it.") from error


def fingerprint(url: str, listed: Mapping[str, Mapping[str, Any]]) -> str:
    """A hash of what a listing says: it changes when an object comes, goes or changes."""
    lines = [url]
    for path, about in sorted(listed.items()):
        version = next((str(about[key]) for key in VERSIONS if about.get(key)), "")
        lines.append(json.dumps([path, about.get("size"), version]))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _copy_all(files: Any, root: str, listed: Mapping[str, Mapping[str, Any]], staging: Path) -> None:
    """Copy a folder. Objects whose names are no paths inside it are set aside for the quarantine."""
    staging.mkdir(exist_ok=True)
    problems: list[Problem] = []
    wanted: list[tuple[str, Path, int]] = []
    for path, about in listed.items():
        name = path.removeprefix(root).lstrip("/")
        relative = member_path(name)
        if not relative or not relative.name:
            problems.append(Problem("leaves_source", name, "object", path))
        elif not any(map(passed_over, relative.parts)):
            wanted.append((path, staging / relative, int(about.get("size") or 0)))
    with ThreadPoolExecutor(THREADS) as pool:
        for copied in [pool.submit(_copy, files, *each) for each in wanted]:
            copied.result()
    write_set_aside(staging, problems)


def _copy(files: Any, path: str, target: Path, size: int) -> None:
    """Copy one object, unless an interrupted copy has it already."""
    if target.is_file() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:16]}.part")
    with files.open(path, "rb") as source, part.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    part.replace(target)
