"""What a job on SageMaker reads and writes, in the deployment's bucket.

Below the prefix of the settings::

    data/<dataset>/…         train and validation shards; never a hold-out image
    trainer/<hash>/…         the trainer as sourcedir.tar.gz, once for each version of its code
    weights/<name>/…         starting weights, named by their hash
    jobs/<name>/input/…      configuration.json, label_map.pbtxt
    jobs/<name>/checkpoints/…  what the trainer writes, as it writes it: SageMaker brings it here, and back after an
                             interruption
    jobs/<name>/output/…     model.tar.gz, from SageMaker
    jobs/<name>/cancelled    why we stopped it
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from include.clouds.aws_account import AwsAccount
from include.settings import AwsSettings
from include.store import Store
from training_services.inputs import data_folder, label_map_file, shard_files, weights_file
from training_services.job import TrainingJob
from training_services.sagemaker.s3_bucket import S3Bucket
from training_services.sagemaker.source import build_source, hash_of

LARGEST_MODEL = 20 << 30  # bytes, unpacked; what the trainer writes is a hundredth of it
MOST_FILES = 10_000


@dataclass(frozen=True)
class Staged:
    """What a job will read, by where it lies.

    Attributes:
        channels: prefix of the bucket by the channel's name.
        source: of sourcedir.tar.gz; empty: the image holds the trainer.
        data_bytes: of the shards.
    """

    channels: dict[str, str]
    source: str
    data_bytes: int


class SageMakerBucket:
    """The bucket of a deployment; names are relative to the settings' prefix.

    Args:
        store: where datasets and weights are.
    """

    def __init__(self, account: AwsAccount, settings: AwsSettings, store: Store) -> None:
        self.account, self.settings, self.store = account, settings, store

    def stage(self, job: TrainingJob, say: Callable[[str], None] = print) -> Staged:
        """Bring to the bucket what the job will read. What is there already is not sent again."""
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            shards = {
                f"{data_folder(job)}/{name}": file for name, file in shard_files(self.store, job, scratch).items()
            }
            files = dict(shards)
            channels = {side: f"{data_folder(job)}/{side}/" for side in ("train", "validation")}
            channels["job"] = f"jobs/{job.name}/input/"
            files[f"{channels['job']}label_map.pbtxt"] = label_map_file(self.store, job, scratch)
            configuration = dict(job.configuration)
            if weights := weights_file(self.store, job, scratch):
                channels["weights"] = f"weights/{weights.name.partition('.')[0]}/"
                files[channels["weights"] + weights.name] = weights
                configuration["weights"] = weights.name  # the trainer finds it in the channel
            written = scratch / "configuration.json"
            written.write_text(json.dumps(configuration, indent=1))
            files[f"{channels['job']}configuration.json"] = written
            source = ""
            if not self.settings.container:
                archive = build_source(scratch)
                source = f"trainer/{hash_of(archive)}/{archive.name}"
                files[source] = archive
            moved = self.bucket.upload({self.path(name): file for name, file in files.items()}, say)
            size = sum(file.stat().st_size for file in shards.values())
        say(f"{self.uri('')}: {moved}")
        if earlier := self.last_checkpointed(job):
            channels["earlier"] = earlier
        return Staged(channels, source, size)

    def last_checkpointed(self, job: TrainingJob) -> str | None:
        """Where the newest attempt before this one that got as far as a checkpoint has its output."""
        for number in range(job.attempt - 1, 0, -1):
            output = checkpoints(job.as_attempt(number).name)
            if self.bucket.exists(self.path(f"{output}checkpoints/last/state.npz")):
                return output
        return None

    def collect(self, name: str, into: Path) -> Path:
        """What the trainer of a job handed over; of one that did not get that far, what it had written so far.

        Raises:
            ValueError: the archive holds what no trainer writes.
            FileNotFoundError: there is nothing of this job.
        """
        try:
            with TemporaryDirectory() as scratch:
                key = self.path(f"jobs/{name}/output/model.tar.gz")
                unpack(self.bucket.fetch(key, Path(scratch) / "model.tar.gz"), into)
        except FileNotFoundError:
            moved = self.bucket.download(self.path(checkpoints(name)), into, skip=is_unwanted)
            if not moved.files + moved.already_there:
                raise
        return into

    def read(self, name: str, tail: int | None = None) -> bytes:
        """The last bytes of an object of ours; none if it is not there."""
        return self.bucket.read(self.path(name), tail)

    @cached_property
    def bucket(self) -> S3Bucket:
        folder = Path(str(self.store.root)) if self.store.is_local else None
        return S3Bucket(self.account, self.settings.bucket, self.settings.kms_key, folder)

    def path(self, name: str) -> str:
        return f"{self.settings.prefix}/{name}"

    def uri(self, name: str) -> str:
        return f"s3://{self.settings.bucket}/{self.path(name)}"


def checkpoints(name: str) -> str:
    """Where SageMaker brings what the trainer of a job writes."""
    return f"jobs/{name}/checkpoints/"


def is_unwanted(name: str) -> bool:
    """Only a resumption or a look at the curves needs it."""
    return name.startswith(("checkpoints/last/", "tensorboard/")) or name.endswith(".part")


def unpack(archive: Path, into: Path) -> None:
    """Unpack a ``model.tar.gz`` into a folder, except what is unwanted. It comes from a bucket: it may be anything.

    Raises:
        ValueError: no such archive, too large, or a member would leave the folder or is no plain file or folder.
    """
    into.mkdir(parents=True, exist_ok=True)
    size = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for number, member in enumerate(tar, start=1):
                size += member.size
                if number > MOST_FILES or size > LARGEST_MODEL:
                    raise ValueError(f"it holds more than {MOST_FILES} files or {LARGEST_MODEL >> 30} GiB")
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{member.name!r} is neither a file nor a folder")
                if not is_unwanted(PurePosixPath(member.name).as_posix()):
                    tar.extract(member, into, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise ValueError(f"{archive.name} cannot be used: {error}") from error
