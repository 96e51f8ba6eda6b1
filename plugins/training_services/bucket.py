"""Files to a bucket of Cloud Storage and back: only what differs, several at a time, verified by checksum.

Google's own client does the work (its retries know which of its calls may be repeated); what is here decides what has
to be done. Uploads carry a precondition, so that the answer to one that was lost on the way costs nothing: the repeated
call finds the object there (412), and its checksum says that it is ours.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from training_services.transfer import WORKERS, Transfer, TransferDamaged, inside, summed

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

READ_BYTES = 1 << 20
PIECES_BYTES = 32 << 20  # of large files that all workers together send at a time; in memory it is twice that
PIECE_UNIT = 256 << 10  # Cloud Storage takes multiples of it
SENT_WHOLE = 8 << 20  # bytes up to which Google's client sends a file in one call
TIMEOUT = 120  # seconds without an answer


def upload(bucket: Bucket, files: Mapping[str, Path], say: Callable[[str], None] = lambda _: None) -> Transfer:
    """Bring files to a bucket, leaving those that are there already with the same contents.

    Args:
        files: local file by object name.
        say: told of every file that was sent.

    Raises:
        TransferDamaged: an object's checksum is not its file's after it was sent.
    """
    there = _listed(bucket, files)
    piece = _piece(files.values())

    def send(name: str) -> int | None:
        file, blob = files[name], there.get(name)
        checksum = crc32c_of(file)
        if blob is not None and blob.crc32c == checksum:
            return None
        _send(bucket.blob(name, chunk_size=piece), file, checksum, blob.generation if blob is not None else 0)
        say(f"{name}: {file.stat().st_size / 1e6:.1f} MB")
        return file.stat().st_size

    with ThreadPoolExecutor(WORKERS) as pool:
        return summed(pool.map(send, files))


def upload_once(bucket: Bucket, name: str, make: Callable[[], Path]) -> None:
    """Bring a file to a bucket unless there is an object of that name; whose contents are as good, if not the same.

    Args:
        make: makes the file, if it is wanted.
    """
    from google.api_core.exceptions import PreconditionFailed

    blob = bucket.blob(name)
    if not blob.exists(timeout=TIMEOUT):
        with contextlib.suppress(PreconditionFailed):
            blob.upload_from_filename(str(make()), if_generation_match=0, timeout=TIMEOUT, checksum="crc32c")


def download(bucket: Bucket, prefix: str, into: Path, skip: Callable[[str], bool] = lambda _: False) -> Transfer:
    """Bring all objects below a prefix into a folder.

    Args:
        skip: says of a name, relative to the prefix, that it is not wanted.

    Raises:
        ValueError: an object's name would leave the folder.
        TransferDamaged: a file's checksum is not its object's.
    """
    wanted: dict[str, Blob] = {}
    for blob in bucket.list_blobs(prefix=prefix.rstrip("/") + "/", timeout=TIMEOUT):
        relative = blob.name.removeprefix(prefix.rstrip("/") + "/")
        if relative and not relative.endswith("/") and not skip(relative):
            wanted[relative] = blob

    def fetch(relative: str) -> int | None:
        file, blob = inside(into, relative), wanted[relative]
        if file.is_file() and crc32c_of(file) == blob.crc32c:
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.part")
        blob.download_to_filename(str(temporary), timeout=TIMEOUT)
        if (found := crc32c_of(temporary)) != blob.crc32c:
            temporary.unlink()
            raise TransferDamaged(f"gs://{bucket.name}/{blob.name} arrived with CRC-32C {found}, not {blob.crc32c}.")
        temporary.replace(file)
        return file.stat().st_size

    with ThreadPoolExecutor(WORKERS) as pool:
        return summed(pool.map(fetch, wanted))


def claim(bucket: Bucket, name: str, words: bytes) -> bytes:
    """Write a small object unless one is there, and return what it holds then: ``words``, or what another said."""
    from google.api_core.exceptions import PreconditionFailed

    blob = bucket.blob(name)
    try:
        blob.upload_from_string(words, if_generation_match=0, timeout=TIMEOUT)
    except PreconditionFailed:
        return bytes(blob.download_as_bytes(timeout=TIMEOUT))
    return words


def crc32c_of(file: Path) -> str:
    """CRC-32C of a local file as Cloud Storage writes it: base64 of the big-endian value."""
    checksum = google_crc32c.Checksum()
    with file.open("rb") as opened:
        while block := opened.read(READ_BYTES):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()


def _listed(bucket: Bucket, names: Iterable[str]) -> dict[str, Blob]:
    """Which of these objects there are, by one listing for each folder."""
    folders = {name.rpartition("/")[0] + "/" for name in names}
    wanted = set(names)
    listings = (bucket.list_blobs(prefix=folder, delimiter="/", timeout=TIMEOUT) for folder in sorted(folders))
    return {blob.name: blob for blobs in listings for blob in blobs if blob.name in wanted}


def _piece(files: Iterable[Path]) -> int:
    """Bytes of a large file to be sent in one call. The client's own 100 MiB would be held once for each worker."""
    large = sum(file.stat().st_size > SENT_WHOLE for file in files)
    share = PIECES_BYTES // max(min(large, WORKERS), 1)
    return share - share % PIECE_UNIT


def _send(blob: Blob, file: Path, checksum: str, generation: int) -> None:
    from google.api_core.exceptions import PreconditionFailed

    try:
        blob.upload_from_filename(str(file), if_generation_match=generation, timeout=TIMEOUT, checksum="crc32c")
    except PreconditionFailed:  # another was faster, or it was we ourselves and the answer was lost
        blob.reload(timeout=TIMEOUT)
    if blob.crc32c != checksum:
        raise TransferDamaged(
            f"gs://{blob.bucket.name}/{blob.name} has CRC-32C {blob.crc32c}, {file} has {checksum}. Something else "
            "writes there, or the transfer was damaged; clear the task to send it again."
        )
