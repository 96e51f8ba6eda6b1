"""Blob storage for one job of the Azure ML stand-in: inputs in, outputs both ways, lines out as they are said."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

MOUNTED = "blob://"  # container/path, in URIs of the stand-in's own


class Missing(Exception):
    """There is nothing where a job's input should be; the message is the path."""


class Storage:
    """The storage account for one job.

    Args:
        access: file to which every blob that the job can see is written, with its hash.
    """

    def __init__(self, connection_string: str, access: Path, job: str) -> None:
        self.client = BlobServiceClient.from_connection_string(
            connection_string, initial_backoff=1, increment_base=2, retry_total=4
        )
        self.access, self.job = access, job

    def mount(self, uri: str, to: Path) -> None:
        """The blobs of an input, as files. ``Missing``: there are none."""
        if not self.fetch_prefix(uri, to):
            raise Missing(uri.removeprefix(MOUNTED))

    def fetch_prefix(self, uri: str, to: Path) -> int:
        """Bring all blobs below a path into a folder. Returns how many there were."""
        to.mkdir(parents=True, exist_ok=True)
        container, path = split(uri)
        client = self.client.get_container_client(container)
        count = 0
        for blob in client.list_blobs(name_starts_with=f"{path}/"):
            file = to / str(blob.name).removeprefix(f"{path}/")
            if not file.resolve().is_relative_to(to.resolve()):
                raise Missing(f"{blob.name} is no name of a file")
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as opened:
                client.download_blob(blob.name).readinto(opened)
            self._record(container, str(blob.name), file)
            count += 1
        return count

    def upload(self, file: Path, uri: str) -> None:
        """Upload a file. ``OSError``: it could not be done now."""
        container, path = split(uri)
        try:
            with file.open("rb") as opened:
                self.client.get_blob_client(container, path).upload_blob(opened, overwrite=True)
        except AzureError as error:
            raise OSError(f"{uri}: {error}") from error

    def append(self, container: str, path: str, text: str) -> None:
        """Add text to a blob, which is made if it is not there. ``OSError``: it could not be done now."""
        blob = self.client.get_blob_client(container, path)
        try:
            if not blob.exists():
                blob.create_append_blob()
            blob.append_block(text.encode())
        except AzureError as error:
            raise OSError(f"{path}: {error}") from error

    def _record(self, container: str, name: str, file: Path) -> None:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        entry = {"job": self.job, "bucket": container, "name": name, "bytes": file.stat().st_size, "sha256": digest}
        with self.access.open("a", encoding="utf-8") as access:
            access.write(json.dumps(entry) + "\n")


def split(uri: str) -> tuple[str, str]:
    """Container and path."""
    container, _, path = uri.removeprefix(MOUNTED).partition("/")
    return container, path


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
