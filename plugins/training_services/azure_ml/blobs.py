"""Files to a container of Blob storage and back: only what differs, several at a time, verified by checksum.

Azure's own client does the work; what is here decides what has to be done. Every upload says the MD5 of the whole file,
which the service keeps, and sends the MD5 of each piece, which it compares. A listing has the first: what is there
already is told by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from include.clouds.azure_management import translated
from training_services.transfer import WORKERS, Transfer, TransferDamaged, inside, summed

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, ContainerClient

REMOVED_AT_ONCE = 16
TIMEOUT = 120  # seconds without an answer


class Listed(NamedTuple):
    """A blob as a list has it."""

    name: str
    size: int  # bytes
    md5: bytes | None  # None: whoever wrote it did not say


@dataclass(frozen=True)
class BlobContainer:
    """One container. Errors are those of ``include.clouds.azure_management.translated``."""

    client: ContainerClient

    @property
    def url(self) -> str:
        return str(self.client.url)

    def upload(self, files: Mapping[str, Path], say: Callable[[str], None] = lambda _: None) -> Transfer:
        """Bring files to the container, leaving those that are there already with the same contents.

        Args:
            files: local file by the blob's name.
            say: told of every file that was sent.

        Raises:
            TransferDamaged: a blob is not there as it was sent.
        """
        there = self._listed(files)

        def send(name: str) -> int | None:
            file = files[name]
            size, md5 = file.stat().st_size, md5_of(file)
            if name in there and (there[name].size, there[name].md5) == (size, md5):
                return None
            self._send(name, file, size, md5)
            say(f"{name}: {size / 1e6:.1f} MB")
            return size

        with ThreadPoolExecutor(WORKERS) as pool:
            moved = dict(zip(files, pool.map(send, files), strict=True))
        self._check_arrived({name: files[name] for name, size in moved.items() if size is not None})
        return summed(moved.values())

    def download(self, prefix: str, into: Path, skip: Callable[[str], bool] = lambda _: False) -> Transfer:
        """Bring all blobs below a prefix into a folder. Each is compared by its MD5, where it has one, and by size.

        Args:
            skip: says of a name, relative to the prefix, that it is not wanted.

        Raises:
            ValueError: a blob's name would leave the folder.
            TransferDamaged: a file is not what its blob is.
        """
        start = prefix.rstrip("/") + "/"
        wanted = {
            relative: each
            for each in self.blobs(start)
            if (relative := each.name.removeprefix(start)) and not relative.endswith("/") and not skip(relative)
        }

        def fetch(relative: str) -> int | None:
            file, there = inside(into, relative), wanted[relative]
            if file.is_file() and there.md5 is not None and there.md5 == md5_of(file):
                return None
            self._fetch(there, file)
            return there.size

        with ThreadPoolExecutor(WORKERS) as pool:
            return summed(pool.map(fetch, wanted))

    def claim(self, name: str, words: bytes) -> bytes:
        """Write a small blob unless one is there, and return what it holds then: ``words``, or what another said."""
        try:
            with translated(f"{self.url}/{name}"):
                self.client.upload_blob(name, words, overwrite=False, timeout=TIMEOUT)
        except FileExistsError:
            return self.read(name)
        return words

    def read(self, name: str, *, since: int = 0, most: int | None = None) -> bytes:
        """The bytes of a blob from one on, at most so many; none if it is not there, or has no more."""
        try:
            with translated(f"{self.url}/{name}"):
                return self.client.download_blob(name, offset=since, length=most, timeout=TIMEOUT).readall()
        except (FileNotFoundError, EOFError):
            return b""

    def tail(self, name: str, most: int) -> bytes:
        """The last bytes of a blob; none if it is not there."""
        try:
            with translated(f"{self.url}/{name}"):
                size = int(self.client.get_blob_client(name).get_blob_properties(timeout=TIMEOUT).size)
        except FileNotFoundError:
            return b""
        return self.read(name, since=max(0, size - most))

    def exists(self, name: str) -> bool:
        with translated(f"{self.url}/{name}"):
            return bool(self.client.get_blob_client(name).exists(timeout=TIMEOUT))

    def blobs(self, prefix: str, delimiter: str = "") -> Iterator[Listed]:
        """Every blob whose name begins with a prefix (and has no ``delimiter`` after it)."""
        from azure.storage.blob import BlobProperties

        with translated(f"{self.url}/{prefix}"):
            found = (
                self.client.walk_blobs(prefix, delimiter=delimiter)
                if delimiter
                else self.client.list_blobs(name_starts_with=prefix)
            )
            for each in found:
                if isinstance(each, BlobProperties):  # else it is a folder
                    yield _listed(each)

    def remove(self, prefix: str) -> int:
        """Delete every blob whose name begins with a prefix. Returns how many there were."""

        def delete(each: Listed) -> None:
            try:
                with translated(f"{self.url}/{each.name}"):
                    self.client.delete_blob(each.name, timeout=TIMEOUT)
            except FileNotFoundError:  # the answer to the call before was lost
                pass

        names = list(self.blobs(prefix))
        with ThreadPoolExecutor(REMOVED_AT_ONCE) as pool:
            list(pool.map(delete, names))
        return len(names)

    def _send(self, name: str, file: Path, size: int, md5: bytes) -> None:
        from azure.storage.blob import ContentSettings

        with file.open("rb") as opened, translated(f"{self.url}/{name}"):
            self.client.upload_blob(
                name,
                opened,
                length=size,
                overwrite=True,
                validate_content=True,
                content_settings=ContentSettings(content_md5=bytearray(md5)),
                timeout=TIMEOUT,
            )

    def _fetch(self, there: Listed, file: Path) -> None:
        """One blob into a file, which appears when it is complete."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.part")
        with temporary.open("wb") as opened, translated(f"{self.url}/{there.name}"):
            self.client.download_blob(there.name, timeout=TIMEOUT).readinto(opened)
        size, md5 = temporary.stat().st_size, md5_of(temporary)
        if size != there.size or there.md5 not in {None, md5}:
            temporary.unlink()
            raise TransferDamaged(
                f"{self.url}/{there.name} arrived with {size} bytes and MD5 {md5.hex()}, not {there.size} and "
                f"{(there.md5 or b'?').hex()}."
            )
        temporary.replace(file)

    def _check_arrived(self, files: Mapping[str, Path]) -> None:
        there = self._listed(files)
        for name, file in files.items():
            if name not in there or there[name].md5 != md5_of(file):
                raise TransferDamaged(
                    f"{self.url}/{name} is not there as it was sent from {file}. Something else writes there; clear "
                    "the task to send it again."
                )

    def _listed(self, names: Iterable[str]) -> dict[str, Listed]:
        """Those of these blobs that there are, by one listing for each folder."""
        wanted = set(names)
        folders = {name.rpartition("/")[0] + "/" for name in wanted}
        return {
            each.name: each for folder in sorted(folders) for each in self.blobs(folder, "/") if each.name in wanted
        }


def md5_of(file: Path) -> bytes:
    """MD5 of a local file: against damage, not against malice."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).digest()


def _listed(blob: BlobProperties) -> Listed:
    md5 = blob.content_settings.content_md5
    return Listed(str(blob.name), int(blob.size), bytes(md5) if md5 else None)
