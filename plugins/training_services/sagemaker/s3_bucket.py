"""Files to a bucket of S3 and back: only what differs, several at a time, verified by checksum.

boto3's transfer manager does the work; what is here decides what has to be done. Every upload carries the CRC-32 of the
whole file, which S3 compares with what arrived and keeps, however many pieces it was sent in. What is there already is
told by its ETag, which a list has: usually the MD5 of what was sent. Only where it is not, as with a KMS key, S3 is
asked for the CRC-32 of each.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.aws_account import AwsAccount, translated
from training_services.transfer import WORKERS, Transfer, TransferDamaged, inside, summed

if TYPE_CHECKING:
    from s3transfer.manager import TransferManager

READ_BYTES = 1 << 20
SENT_WHOLE = 64 << 20  # bytes up to which a file goes in one piece
PIECE_BYTES = 16 << 20  # of larger ones; read from the file as they are sent
REMOVED_AT_ONCE = 1000  # the most that S3 deletes in one call


class Listed(NamedTuple):
    """An object as a list has it."""

    key: str
    size: int  # bytes
    etag: str  # without its quotation marks


@dataclass(frozen=True)
class S3Bucket:
    """One bucket. Errors are those of ``include.aws_account.translated``.

    Args:
        kms_key: encrypts what is written; empty: as the bucket is set up.
    """

    account: AwsAccount
    name: str
    kms_key: str = ""

    def upload(self, files: Mapping[str, Path], say: Callable[[str], None] = lambda _: None) -> Transfer:
        """Bring files to the bucket, leaving those that are there already with the same contents.

        Args:
            files: local file by key.
            say: told of every file that was sent.

        Raises:
            TransferDamaged: an object is not there as it was sent.
        """
        there = self._listed(files)

        def send(key: str) -> int | None:
            file = files[key]
            if key in there and self._is_same(there[key], file):
                return None
            with translated(f"s3://{self.name}/{key}"):
                extra = {"ChecksumCRC32": crc32_of(file), "ChecksumAlgorithm": "CRC32", **self._encryption}
                self._transfers.upload(str(file), self.name, key, extra_args=extra).result()
            size = file.stat().st_size
            say(f"{key}: {size / 1e6:.1f} MB")
            return size

        with ThreadPoolExecutor(WORKERS) as pool:
            moved = dict(zip(files, pool.map(send, files), strict=True))
        self._check_arrived({key: size for key, size in moved.items() if size is not None})
        return summed(moved.values())

    def download(self, prefix: str, into: Path, skip: Callable[[str], bool] = lambda _: False) -> Transfer:
        """Bring all objects below a prefix into a folder.

        boto3 compares each with its checksum, where it has one and came in one piece; all are compared by size.

        Args:
            skip: says of a name, relative to the prefix, that it is not wanted.

        Raises:
            ValueError: an object's name would leave the folder.
            TransferDamaged: a file is not as large as its object.
        """
        start = prefix.rstrip("/") + "/"
        wanted = {
            relative: each
            for each in self.objects(start)
            if (relative := each.key.removeprefix(start)) and not relative.endswith("/") and not skip(relative)
        }

        def fetch(relative: str) -> int | None:
            file, there = inside(into, relative), wanted[relative]
            if file.is_file() and self._is_same(there, file):
                return None
            self.fetch(there.key, file)
            if (found := file.stat().st_size) != there.size:
                file.unlink()
                raise TransferDamaged(f"s3://{self.name}/{there.key} arrived with {found} bytes, not {there.size}.")
            return found

        with ThreadPoolExecutor(WORKERS) as pool:
            return summed(pool.map(fetch, wanted))

    def fetch(self, key: str, file: Path) -> Path:
        """One object into a file, which appears when it is complete. ``FileNotFoundError`` if there is none."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.part")
        with translated(f"s3://{self.name}/{key}"):
            self._transfers.download(self.name, key, str(temporary)).result()
        return temporary.replace(file)

    def claim(self, key: str, words: bytes) -> bytes:
        """Write a small object unless one is there, and return what it holds then: ``words``, or what another said."""
        try:
            self._call("put_object", Key=key, Body=words, IfNoneMatch="*", **self._encryption)
        except FileExistsError:
            return self.read(key)
        return words

    def read(self, key: str, tail: int | None = None) -> bytes:
        """The last bytes of an object; none if it is not there."""
        part = {"Range": f"bytes=-{tail}"} if tail else {}
        try:
            with translated(f"s3://{self.name}/{key}"):
                return bytes(self.account.client("s3").get_object(Bucket=self.name, Key=key, **part)["Body"].read())
        except FileNotFoundError:
            return b""

    def exists(self, key: str) -> bool:
        try:
            self._call("head_object", Key=key)
        except FileNotFoundError:
            return False
        return True

    def objects(self, prefix: str, delimiter: str = "") -> Iterator[Listed]:
        """Every object whose key begins with a prefix (and has no ``delimiter`` after it)."""
        arguments = {"Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
        while True:
            answer = self._call("list_objects_v2", **arguments)
            for each in answer.get("Contents", ()):
                yield Listed(each["Key"], each["Size"], each["ETag"].strip('"'))
            if not answer.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def remove(self, prefix: str) -> int:
        """Delete every object whose key begins with a prefix. Returns how many there were."""
        keys = [each.key for each in self.objects(prefix)]
        for start in range(0, len(keys), REMOVED_AT_ONCE):
            some = [{"Key": key} for key in keys[start : start + REMOVED_AT_ONCE]]
            failed = self._call("delete_objects", Delete={"Objects": some, "Quiet": True}).get("Errors", [])
            if failed:
                raise OSError(f"s3://{self.name}/{failed[0]['Key']} could not be deleted: {failed[0].get('Message')}")
        return len(keys)

    @cached_property
    def _transfers(self) -> TransferManager:
        from boto3.s3.transfer import TransferConfig, create_transfer_manager

        config = TransferConfig(
            multipart_threshold=SENT_WHOLE,
            multipart_chunksize=PIECE_BYTES,
            max_concurrency=WORKERS,
            preferred_transfer_client="classic",
        )
        return create_transfer_manager(self.account.client("s3"), config)

    @property
    def _encryption(self) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return self.account.call("s3", operation, Bucket=self.name, **arguments)

    def _checksum(self, key: str) -> str | None:
        """CRC-32 of a whole object as S3 keeps it; None if it has none, or there is no object."""
        try:
            answer = self._call("head_object", Key=key, ChecksumMode="ENABLED")
        except FileNotFoundError:
            return None
        return None if answer.get("ChecksumType") == "COMPOSITE" else answer.get("ChecksumCRC32")

    def _is_same(self, there: Listed, file: Path) -> bool:
        """Whether an object holds what a file does."""
        if there.size != file.stat().st_size:
            return False
        return there.etag == etag_of(file) or self._checksum(there.key) == crc32_of(file)

    def _check_arrived(self, sizes: Mapping[str, int]) -> None:
        there = self._listed(sizes)
        for key, size in sizes.items():
            if key not in there or there[key].size != size:
                found = f"has {there[key].size}" if key in there else "is not there; it had"
                raise TransferDamaged(
                    f"s3://{self.name}/{key} {found} bytes, {size} were sent. Something else writes there; clear the "
                    "task to send it again."
                )

    def _listed(self, keys: Iterable[str]) -> dict[str, Listed]:
        """Those of these objects that there are, by one listing for each folder."""
        wanted = set(keys)
        folders = {key.rpartition("/")[0] + "/" for key in wanted}
        return {
            each.key: each for folder in sorted(folders) for each in self.objects(folder, "/") if each.key in wanted
        }


def crc32_of(file: Path) -> str:
    """CRC-32 of a local file as S3 writes it: base64 of the big-endian value."""
    checksum = 0
    with file.open("rb") as opened:
        while block := opened.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def etag_of(file: Path) -> str:
    """The ETag that an object has that was sent from a local file as we send it, and is not encrypted by a KMS key."""
    if file.stat().st_size < SENT_WHOLE:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, _md5).hexdigest()
    whole, pieces = _md5(), 0
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            whole.update(_md5(piece).digest())
            pieces += 1
    return f"{whole.hexdigest()}-{pieces}"


def _md5(content: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(content, usedforsecurity=False)
