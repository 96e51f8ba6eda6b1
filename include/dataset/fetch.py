"""Downloads one file over HTTP: goes on where a connection broke, checks what came, appears only when it is whole.

Beside ``<name>`` lies ``<name>.json`` with the hash and the size that were seen. An unfinished download is
``<name>.part`` with its ``<name>.part.json``, which names the version of the file (RFC 9110: strong ``ETag``, or
``Last-Modified``) so that the halves of two versions are never joined.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from include.dataset.archive import Say
from include.store import FULL, sha256_of

MAX_BYTES = 100 << 30
ATTEMPTS = 6  # a break after new bytes starts the count again
PAUSE = 1.0  # seconds before the second attempt, doubled with each
TIMEOUT = 30.0  # seconds without a byte
PROGRESS_SECONDS = 3.0
MISSING = {404, 410}
FORBIDDEN = {401, 403, 407}
PASSING = {408, 425, 429, 500, 502, 503, 504}


class FetchError(ValueError):
    """A download that did not succeed, and what to do."""


class Interrupted(Exception):
    """The connection or the server failed in a way that may pass."""


class Part(NamedTuple):
    """An unfinished download."""

    file: Path
    about: Path

    def version(self) -> str:
        """The validator of the version that the part belongs to; empty if it may not be continued."""
        try:
            return str(json.loads(self.about.read_text())["version"]) if self.file.stat().st_size else ""
        except (OSError, ValueError, KeyError):
            return ""

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def download(
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    pinned: bool = False,
    limit: int = MAX_BYTES,
    pause: float = PAUSE,
    say: Say = print,
) -> Path:
    """Download ``url`` into ``folder`` unless it is there. Returns the file.

    Args:
        sha256: in hex; what the file must hash to. It may also be given as the URL's fragment, ``#sha256=…``.
        pinned: the URL always means the same bytes: without a known hash, the one seen first is remembered, and a
            later download must agree with it.
        limit: bytes.
        say: told about progress, a line each.

    Raises:
        FetchError: no network, refused, not found, too large, no space, or another hash than expected.
    """
    url, _, fragment = url.partition("#")
    name = without_secrets(url)
    sha256 = sha256 or fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else sha256
    target = folder / local_name(url)
    about = target.with_name(f"{target.name}.json")
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(target.with_name(f"{target.name}.lock")):
        seen = json.loads(about.read_text())["sha256"] if about.exists() else None
        if target.exists() and seen:
            check_hash(name, seen, sha256, f"Remove {target} and {about} to download it again.")
            say(f"{target} was downloaded before; remove it to download it again.")
            return target
        part = Part(target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json"))
        found = fetch_whole(url, part, sha256, limit, pause, say)
        if sha256 is None and pinned and seen:
            check_hash(
                name, found, seen, f"It came with another hash before. If you trust the new one, remove {about}."
            )
        elif sha256 is None:
            say(f"not verified: no hash is known for {name}; seen sha256 {found}")
        about.write_text(json.dumps({"url": name, "sha256": found, "bytes": part.file.stat().st_size}))
        part.file.replace(target)
        part.forget()
    return target


def local_name(url: str) -> str:
    """A file name for a URL: its own last part, and enough of a hash to tell it from others."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[-80:] or 'file'}"


def without_secrets(url: str) -> str:
    """A URL as it may be logged: without a password before the host, and without the query of a signed URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "…" if parts.query else "", ""))


def check_hash(name: str, found: str, expected: str | None, remedy: str) -> None:
    if expected and found != expected.lower():
        raise FetchError(f"{name} has the SHA-256 {found}, expected {expected.lower()}. {remedy}")


def fetch_whole(url: str, part: Part, sha256: str | None, limit: int, pause: float, say: Say) -> str:
    """Download into ``part`` until it is whole and, if its hash is known, right. Returns its SHA-256."""
    continued = fetch_patiently(url, part, limit, pause, say)
    found = sha256_of(part.file)
    if sha256 and found != sha256.lower() and continued:
        say("What was continued does not add up; downloading it from the start.")
        part.forget()
        fetch_patiently(url, part, limit, pause, say)
        found = sha256_of(part.file)
    if sha256 and found != sha256.lower():
        part.forget()
        check_hash(
            without_secrets(url),
            found,
            sha256,
            "It was altered, or another version was published. What came was thrown away.",
        )
    return found


def fetch_patiently(url: str, part: Part, limit: int, pause: float, say: Say) -> bool:
    """Download into ``part``, continuing after breaks, until it is whole. True if it came in several pieces."""
    failures = 0
    continued = False
    while True:
        before = part.file.stat().st_size if part.file.exists() else 0
        continued = continued or before > 0
        try:
            fetch_once(url, part, limit, say)
            return continued
        except Interrupted as interrupted:
            now = part.file.stat().st_size if part.file.exists() else 0
            failures = 1 if now > before else failures + 1
            if failures >= ATTEMPTS:
                kept = f" {now >> 20} MiB are kept, and it goes on there." if part.version() else ""
                raise FetchError(
                    f"{without_secrets(url)} could not be downloaded: {interrupted}. Check the network (and "
                    f"HTTPS_PROXY, if you need one), then run this again.{kept} Without a network, give a folder or a "
                    "file instead."
                ) from interrupted
            say(f"The download was interrupted ({interrupted}); trying again.")
            time.sleep(pause * 2 ** (failures - 1))


def fetch_once(url: str, part: Part, limit: int, say: Say) -> None:
    """One request, for all of the file or for the rest of it."""
    name = without_secrets(url)
    version = part.version()
    start = part.file.stat().st_size if version else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-", "If-Range": version} if version else {})
    say(f"Downloading {name}" + (f", from byte {start} on" if start else ""))
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT) as answer:
            start = starting_point(name, answer, part, start)
            total = total_bytes(answer, start)
            check_size(name, part, start, total, limit)
            part.about.write_text(json.dumps({"url": name, "version": version if start else version_of(answer)}))
            with part.file.open("ab" if start else "wb") as sink:
                size = start
                for chunk in told(answer.iter_raw(), start, total, say):
                    size += len(chunk)
                    if size > limit:
                        raise FetchError(f"{name} is larger than {limit} bytes. Give a smaller one, or a folder.")
                    sink.write(chunk)
            if total is not None and size != total:
                raise Interrupted(f"{size} of {total} bytes came")
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise FetchError(f"{name} leads elsewhere than to http or https: {error}. Give the address itself.") from error
    except httpx.TransportError as error:
        raise Interrupted(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno in FULL:
            raise FetchError(
                f"There is no space for {name} in {part.file.parent}. Make some, or set LANNER_HOME."
            ) from error
        raise


def starting_point(name: str, answer: httpx.Response, part: Part, asked: int) -> int:
    """From which byte on the answer is the file; ``part`` is dropped where it does not fit."""
    status = answer.status_code
    if status == 206 and asked:
        matched = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if matched and int(matched[1]) == asked and version_of(answer) in ("", part.version()):
            return asked
    if status in (206, 416):
        part.forget()
        raise Interrupted("the file changed on the server" if status == 206 else "there is nothing after what came")
    if status == 200:
        return 0
    if status in MISSING:
        raise FetchError(f"{name} is not there (HTTP {status}). Check the address.")
    if status in FORBIDDEN:
        raise FetchError(f"{name} is not open to us (HTTP {status}). Download it by hand and give the file.")
    if status in PASSING:
        raise Interrupted(f"HTTP {status}")
    raise FetchError(f"{name} was answered with HTTP {status}, expected 200. Check the address in a browser.")


def version_of(answer: httpx.Response) -> str:
    """What ``If-Range`` may carry: a strong ETag, else the date of the last change (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def total_bytes(answer: httpx.Response, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() and "Content-Encoding" not in answer.headers else None


def check_size(name: str, part: Part, start: int, total: int | None, limit: int) -> None:
    """Refuse a file that is larger than the limit, or than the space there is for it, before it is downloaded."""
    if total is not None and total > limit:
        raise FetchError(f"{name} has {total} bytes, the limit is {limit}. Give a smaller one, or a folder.")
    check_room_for(name, part.file.parent, (total or start) - start)


def check_room_for(name: str, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise FetchError(
            f"{name} needs {size >> 20} MiB in {folder}, {free >> 20} are free. Make space, or set LANNER_HOME."
        )


def told(chunks: Iterator[bytes], start: int, total: int | None, say: Say) -> Iterator[bytes]:
    """Pass chunks on, with a line about them every few seconds."""
    begun = last = time.monotonic()
    size = start
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if (now := time.monotonic()) - last > PROGRESS_SECONDS:
            last = now
            whole = f" of {total / 1e6:.1f}" if total else ""
            say(f"  {size / 1e6:.1f}{whole} MB, {(size - start) / 1e6 / (now - begun):.1f} MB/s")


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Two that download the same file: the second waits, and finds it there."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
