"""Files to a bucket of S3 and back: only what differs, several at a time, verified by checksum.

boto3's transfer manager does the work; what is here decides what has to be done. Every upload carries the CRC-32 of the
whole file, which S3 compares with what arrived and keeps, however many pieces it was sent in.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.aws_account import AwsAccount, translated
from training_jobs.transfer import WORKERS, Transfer, TransferDamaged, inside, summed

if TYPE_CHECKING:
    from s3transfer.manager import TransferManager

READ_BYTES = 1 << 20
SENT_WHOLE = 64 << 20  # bytes up to which a file goes in one piece
PIECE_BYTES = 16 << 20  # of larger ones; read from the file as they are sent
REMOVED_AT_ONCE = 1000  # the most that S3 deletes in one call


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
            TransferDamaged: an object's checksum is not its file's after it was sent.
        """
        sizes = self._listed(files)

        def send(key: str) -> int | None:
            file = files[key]
            checksum, size = crc32_of(file), file.stat().st_size
            if sizes.get(key) == size and self._checksum(key) == checksum:
                return None
            with translated(f"s3://{self.name}/{key}"):
                extra = {"ChecksumCRC32": checksum, "ChecksumAlgorithm": "CRC32", **self._encryption}
                self._transfers.upload(str(file), self.name, key, extra_args=extra).result()
            if (found := self._checksum(key)) != checksum:
                raise TransferDamaged(
                    f"s3://{self.name}/{key} has CRC-32 {found}, {file} has {checksum}. Something else writes there, "
                    "or the transfer was damaged; clear the task to send it again."
                )
            say(f"{key}: {size / 1e6:.1f} MB")
            return size

        with ThreadPoolExecutor(WORKERS) as pool:
            return summed(pool.map(send, files))

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
            relative: size
            for key, size in self.objects(start)
            if (relative := key.removeprefix(start)) and not relative.endswith("/") and not skip(relative)
        }

        def fetch(relative: str) -> int | None:
            file, key = inside(into, relative), start + relative
            if file.is_file() and file.stat().st_size == wanted[relative] and self._checksum(key) == crc32_of(file):
                return None
            self.fetch(key, file)
            if (found := file.stat().st_size) != wanted[relative]:
                file.unlink()
                raise TransferDamaged(f"s3://{self.name}/{key} arrived with {found} bytes, not {wanted[relative]}.")
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

    def objects(self, prefix: str, delimiter: str = "") -> Iterator[tuple[str, int]]:
        """Key and size of every object whose key begins with a prefix (and has no ``delimiter`` after it)."""
        for each in self.listing(prefix, delimiter):
            yield each["Key"], each["Size"]

    def listing(self, prefix: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        """The same as S3 lists them; ``ETag`` changes with the contents."""
        arguments = {"Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
        while True:
            answer = self._call("list_objects_v2", **arguments)
            yield from answer.get("Contents", ())
            if not answer.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = answer["NextContinuationToken"]

    def remove(self, prefix: str) -> int:
        """Delete every object whose key begins with a prefix. Returns how many there were."""
        keys = [key for key, _ in self.objects(prefix)]
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

    def _listed(self, keys: Iterable[str]) -> dict[str, int]:
        """Size of those of these objects that there are, by one listing for each folder."""
        wanted = set(keys)
        folders = {key.rpartition("/")[0] + "/" for key in wanted}
        return {key: size for folder in sorted(folders) for key, size in self.objects(folder, "/") if key in wanted}


def crc32_of(file: Path) -> str:
    """CRC-32 of a local file as S3 writes it: base64 of the big-endian value."""
    checksum = 0
    with file.open("rb") as opened:
        while block := opened.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()
