"""Files to a bucket of S3 and back: only what differs, several at a time, verified by checksum.

boto3's transfer manager does the work; what is here decides what has to be done. Every upload carries the CRC-32 of the
whole file, which S3 compares with what arrived and keeps, however many pieces it was sent in. What is there already is
told by its ETag, which a list has for a thousand objects at a time: usually the MD5 of what was sent. S3 is asked for
the CRC-32 of one object only where the ETag says nothing, as with a KMS key, and of a large one, since a CRC-32 is
reckoned four times as fast as an MD5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from include.clouds.aws_account import AwsAccount, translated
from training_services.checksums import ChecksumOf, crc32_of, md5_of, read_again, remembered
from training_services.transfer import WORKERS, Transfer, TransferDamaged, inside, summed

if TYPE_CHECKING:
    from s3transfer.manager import TransferManager

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
    """One bucket. Errors are those of ``include.clouds.aws_account.translated``.

    Args:
        kms_key: encrypts what is written; empty: as the bucket is set up.
        folder: whose files' checksums are remembered, so that they are read once; None: all are read each time.
    """

    account: AwsAccount
    name: str
    kms_key: str = ""
    folder: Path | None = None

    def upload(self, files: Mapping[str, Path], say: Callable[[str], None] = lambda _: None) -> Transfer:
        """Bring files to the bucket, leaving those that are there already with the same contents.

        Args:
            files: local file by key.
            say: told of every file that was sent.

        Raises:
            TransferDamaged: an object is not there as it was sent.
        """
        with remembered(self.folder) if self.folder else nullcontext(read_again) as checksum_of:
            moved = self._brought(files, checksum_of, say)
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

    def _brought(
        self, files: Mapping[str, Path], checksum_of: ChecksumOf, say: Callable[[str], None]
    ) -> dict[str, int | None]:
        """Send what is not there as it is here. Returns the size of each file by its key, None where it was there."""

        def send(key: str, is_there: Callable[[], bool]) -> int | None:
            if is_there():
                return None
            file, size = files[key], sizes[key]
            with translated(f"s3://{self.name}/{key}"):
                extra = {"ChecksumCRC32": checksum_of(file, crc32_of), "ChecksumAlgorithm": "CRC32", **self._encryption}
                self._transfers.upload(str(file), self.name, key, extra_args=extra).result()
            if self.folder and size < SENT_WHOLE:
                checksum_of(file, md5_of)  # for the next time
            say(f"{key}: {size / 1e6:.1f} MB")
            return size

        sizes = {key: file.stat().st_size for key, file in files.items()}
        small = {key for key, size in sizes.items() if size < SENT_WHOLE}
        pool = ThreadPoolExecutor(WORKERS)
        try:  # large ones before the list is there: one may take as long as all the others
            moving = {
                key: pool.submit(send, key, partial(self._holds, key, file, checksum_of))
                for key, file in files.items()
                if key not in small
            }
            for there in self._listed(small):
                is_same = partial(self._is_same, there, files[there.key], checksum_of)
                moving[there.key] = pool.submit(send, there.key, is_same)
            moving |= {key: pool.submit(send, key, lambda: False) for key in files if key not in moving}
            return {key: each.result() for key, each in moving.items()}
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_same(self, there: Listed, file: Path, checksum_of: ChecksumOf = read_again) -> bool:
        """Whether an object holds what a file does."""
        if there.size != (size := file.stat().st_size):
            return False
        if size < SENT_WHOLE and there.etag == checksum_of(file, md5_of):
            return True
        return self._holds(there.key, file, checksum_of)

    def _holds(self, key: str, file: Path, checksum_of: ChecksumOf = read_again) -> bool:
        """Whether S3 keeps the size and the CRC-32 of a file for an object."""
        try:
            there = self._call("head_object", Key=key, ChecksumMode="ENABLED")
        except FileNotFoundError:
            return False
        if there["ContentLength"] != file.stat().st_size or there.get("ChecksumType") == "COMPOSITE":
            return False
        return there.get("ChecksumCRC32") == checksum_of(file, crc32_of)

    def _check_arrived(self, sizes: Mapping[str, int]) -> None:
        there = {each.key: each for each in self._listed(sizes)}
        for key, size in sizes.items():
            if key not in there or there[key].size != size:
                found = f"has {there[key].size}" if key in there else "is not there; it had"
                raise TransferDamaged(
                    f"s3://{self.name}/{key} {found} bytes, {size} were sent. Something else writes there; clear the "
                    "task to send it again."
                )

    def _listed(self, keys: Iterable[str]) -> Iterator[Listed]:
        """Those of these objects that there are, by one listing for each folder."""
        wanted = set(keys)
        for folder in sorted({key.rpartition("/")[0] + "/" for key in wanted}):
            yield from (each for each in self.objects(folder, "/") if each.key in wanted)
