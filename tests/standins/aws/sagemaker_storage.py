"""What moves between S3 and a training job: channels and code in, checkpoints both ways, models and outputs out.

The words of failures: of uploads, https://github.com/aws/amazon-sagemaker-examples/issues/3881; of downloads, from
memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import urllib.error
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tests.standins.aws.endpoint import Aws, split_uri

RECORDS = "records.jsonl"  # what a pipe would deliver of an augmented manifest, in its order


class Denied(Exception):
    """S3 has not, or does not take, what the job needs; the message is a failure as the service tells it."""


class Storage:
    """S3 for one job.

    Args:
        access: file to which every object that the job gets is written, with its hash.
    """

    def __init__(self, aws: Aws, access: Path, job: str) -> None:
        self.aws, self.access, self.job = aws, access, job

    def fetch_channel(self, channel: dict[str, Any], to: Path) -> list[Path]:
        """Download a channel's objects. Returns the files, in the order of their keys.

        Raises:
            Denied: the bucket is gone, or in another region.
        """
        source = channel["DataSource"]["S3DataSource"]
        bucket, prefix = split_uri(source["S3Uri"])
        self._check(bucket, "Data download failed")
        to.mkdir(parents=True, exist_ok=True)
        if source["S3DataType"] == "AugmentedManifestFile":
            return self._fetch_manifest(source, to)
        files = []
        for found in self.aws.list(bucket, prefix):
            file = to / relative(found.key, prefix)
            self._fetch(bucket, found.key, file, f"Data download failed:Failed to download data. {source['S3Uri']}")
            files.append(file)
        if not files:
            raise Denied(f'ClientError: Data download failed:No S3 objects found under S3 URL "{source["S3Uri"]}"')
        return files

    def _fetch_manifest(self, source: dict[str, Any], to: Path) -> list[Path]:
        """What a pipe would deliver of a manifest, line after line, in ``RECORDS``: of each attribute its value.

        One whose name ends in ``-ref`` is the URI of an object, which is fetched. A line that lacks an attribute
        delivers nothing.
        https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
        """
        bucket, key = split_uri(source["S3Uri"])
        failure = f"ClientError: Data download failed:Failed to download data. {source['S3Uri']}"
        manifest = to / "manifest.jsonl"
        self._fetch(bucket, key, manifest, failure)
        names, records, files = source["AttributeNames"], [], []
        for number, line in enumerate(manifest.read_text().splitlines()):
            try:
                entry = json.loads(line)
                missing = set(names) - entry.keys()
            except (ValueError, AttributeError) as error:
                raise Denied(
                    f"ClientError: Data download failed:line {number + 1} of {source['S3Uri']}: {error!r}"
                ) from error
            if missing:
                continue
            for name in names:
                if not name.endswith("-ref"):
                    records.append(json.dumps({"value": entry[name]}))
                    continue
                bucket, key = split_uri(str(entry[name]))
                file = to / f"{number}{PurePosixPath(key).suffix}"
                self._fetch(bucket, key, file, failure)
                files.append(file)
                records.append(json.dumps({"file": file.name}))
        manifest.unlink()
        (to / RECORDS).write_text("\n".join(records))
        return [*files, to / RECORDS]

    def fetch_code(self, uri: str, to: Path) -> None:
        """Download a ``sourcedir.tar.gz`` and unpack it, without a name that leaves the folder.

        Raises:
            Denied: it is not there, or no such archive. The words are from memory.
        """
        bucket, key = split_uri(uri)
        archive = to.with_name("sourcedir.tar.gz")
        self._fetch(bucket, key, archive, f"AlgorithmError: framework error: \nbotocore.exceptions.ClientError: {uri}")
        try:
            with tarfile.open(archive, "r:gz") as content:
                content.extractall(to, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise Denied(f"AlgorithmError: framework error: \n{type(error).__name__}: {error}, exit code: 1") from error

    def fetch_prefix(self, uri: str, to: Path) -> None:
        """Download all objects under a prefix; none is fine."""
        bucket, prefix = split_uri(uri)
        self._check(bucket, "Checkpoint download failed")
        prefix = prefix and prefix.rstrip("/") + "/"
        for found in self.aws.list(bucket, prefix):
            self._fetch(bucket, found.key, to / relative(found.key, prefix), "ClientError: Checkpoint download failed")

    def upload(self, file: Path, uri: str) -> None:
        """Upload a file.

        Raises:
            Denied: there is no such bucket in this region.
        """
        bucket, key = split_uri(uri)
        region = self.aws.bucket_region(bucket)
        if region != self.aws.region:
            why = "NoSuchBucket: The specified bucket does not exist"
            if region is not None:
                why = "BucketRegionError: bucket must be in the same region as the job"
            raise Denied(f"ClientError: Artifact upload failed:Unable to upload file to {uri} ({why})")
        self.aws.upload(bucket, key, file)

    def upload_archive(self, folders: Sequence[Path], uri: str, scratch: Path) -> bool:
        """Pack folders into one archive, the first of a name, and upload it. False: they are empty."""
        members = dict(reversed([member for folder in folders for member in _members(folder)]))
        if not members:
            return False
        archive = scratch / uri.rsplit("/", 1)[1]
        with tarfile.open(archive, "w:gz", compresslevel=1) as content:
            for name, path in sorted(members.items()):
                content.add(path, name, recursive=False)
        self.upload(archive, uri)
        return True

    def _check(self, bucket: str, what: str) -> None:
        region = self.aws.bucket_region(bucket)
        if region is None:
            raise Denied(f"ClientError: {what}:NoSuchBucket: The specified bucket does not exist: {bucket}")
        if region != self.aws.region:
            raise Denied(
                f"ClientError: {what}:PermanentRedirect (301): The bucket is in this region: {region}. Please use this "
                "region to retry the request"
            )

    def _fetch(self, bucket: str, key: str, file: Path, failure: str) -> None:
        try:
            self.aws.download(bucket, key, file)
        except urllib.error.HTTPError as error:
            raise Denied(f"{failure} ({error.code}): The specified key does not exist: {key}") from error
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        entry = {"job": self.job, "bucket": bucket, "name": key, "bytes": file.stat().st_size, "sha256": digest}
        with self.access.open("a", encoding="utf-8") as access:
            access.write(json.dumps(entry) + "\n")


def relative(key: str, prefix: str) -> str:
    """Where an object lies in a channel's folder.

    >>> relative("data/train/a/1.jpg", "data/train"), relative("data/train-2/b.jpg", "data/train")
    ('a/1.jpg', 'train-2/b.jpg')
    >>> relative("data/a.json", "data/a.json")
    'a.json'
    """
    rest = key.removeprefix(prefix)
    if not rest:
        name = PurePosixPath(key).name
    elif prefix.endswith("/") or not prefix or rest.startswith("/"):
        name = rest.lstrip("/")
    else:
        name = key.removeprefix(prefix.rpartition("/")[0]).lstrip("/")
    if ".." in PurePosixPath(name).parts:
        raise Denied(f"ClientError: Data download failed:{key} is no name of a file")
    return name


def link_tree(source: Path, to: Path, keep: Sequence[Path] | None = None) -> None:
    """The files of a folder in another one, without copying them; ``keep``: only these."""
    for file in keep if keep is not None else [each for each in source.rglob("*") if each.is_file()]:
        target = to / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            try:
                os.link(file, target)
            except OSError:
                shutil.copy2(file, target)


def _members(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        yield path.relative_to(folder).as_posix(), path
