"""A folder in step with buckets, in place of Cloud Storage FUSE, which Vertex AI mounts at ``/gcs``.

https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system. Unlike there, a job sees only what its
arguments and its variables name (and what a JSON file among that names), and no change that others make meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.standins.google.gcs_objects import Objects, split_uri

_NAMED = re.compile(r"(?:gs://|/gcs/)([a-z0-9][a-z0-9._-]+[a-z0-9](?:/[^\s\"',;]*)?)")
_LARGEST_JSON = 1 << 20

Stamp = tuple[int, int]  # time of the last change in ns, size


class Mount:
    """The folder of one job.

    Args:
        folder: stands for ``/gcs``.
        access: file to which every object that the job can see is written, with its hash.
    """

    def __init__(self, folder: Path, objects: Objects, access: Path, job_id: str) -> None:
        self.folder, self.objects, self.access, self.job_id = folder, objects, access, job_id
        self._known: dict[Path, Stamp] = {}
        self._growing: dict[Path, Stamp] = {}
        self._mounted = False

    def fetch(self, texts: Iterable[str]) -> None:
        """Begin anew, with every object that is named in some texts by URI, path or prefix."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._known, self._growing = {}, {}
        self.folder.mkdir(parents=True)
        waiting = list(dict.fromkeys(named for text in texts for named in _NAMED.findall(text)))
        for named in waiting:  # grows as it goes
            bucket, prefix = split_uri(named)
            (self.folder / bucket).mkdir(exist_ok=True)
            for name in self._objects_at(bucket, prefix):
                file = self.folder / bucket / name
                if file not in self._known:
                    self._fetch_one(bucket, name, file)
                    waiting += [found for found in _named_in(file) if found not in waiting]
        self._mounted = True

    def fetch_one(self, uri: str, to: Path) -> None:
        """An object to a path outside the folder. Raises urllib.error.HTTPError if there is none."""
        bucket, name = split_uri(uri)
        self.objects.download(bucket, name, to)
        self._record(bucket, name, to)

    def upload_changes(self, *, last: bool = False) -> None:
        """Upload what was written since, and delete what is gone; a file that still grows only at the end."""
        if not self._mounted:
            return
        found = {file: _stamp(file) for file in self.folder.rglob("*") if file.is_file()}
        for file, stamp in found.items():
            if self._known.get(file) == stamp:
                continue
            if last or self._growing.get(file) == stamp:
                bucket, name = self._place(file)
                self.objects.upload(bucket, name, file)
                self._known[file] = stamp
            self._growing[file] = stamp
        for file in self._known.keys() - found.keys():
            self.objects.delete(*self._place(file))
            del self._known[file]

    def _objects_at(self, bucket: str, prefix: str) -> Iterator[str]:
        """The object of this very name, and all below it as a folder; of a bare bucket all."""
        folder = prefix if prefix.endswith("/") or not prefix else prefix + "/"
        for found in self.objects.list(bucket, prefix):
            if (found["name"] == prefix or found["name"].startswith(folder)) and not found["name"].endswith("/"):
                yield found["name"]

    def _fetch_one(self, bucket: str, name: str, file: Path) -> None:
        self.objects.download(bucket, name, file)
        self._known[file] = _stamp(file)
        self._record(bucket, name, file)

    def _record(self, bucket: str, name: str, file: Path) -> None:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        entry = {"job": self.job_id, "bucket": bucket, "name": name, "bytes": file.stat().st_size, "sha256": digest}
        with self.access.open("a", encoding="utf-8") as access:
            access.write(json.dumps(entry) + "\n")

    def _place(self, file: Path) -> tuple[str, str]:
        bucket, *parts = file.relative_to(self.folder).parts
        return bucket, "/".join(parts)


def _named_in(file: Path) -> list[str]:
    if file.suffix != ".json" or file.stat().st_size > _LARGEST_JSON:
        return []
    return _NAMED.findall(file.read_text(encoding="utf-8", errors="replace"))


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return status.st_mtime_ns, status.st_size
