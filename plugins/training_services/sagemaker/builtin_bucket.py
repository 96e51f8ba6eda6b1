"""What SageMaker's built-in detector reads and writes, in the deployment's bucket, in the folders of the chapter.

Below the prefix of the settings, which may name the six folders otherwise::

    s3_train_data/<dataset>/…         images of the train side, named by their hash; never one of the hold-out
    s3_train_annotation/<dataset>/…   a JSON file for each of them
    s3_validation_data/<dataset>/…    the same of the validation side
    s3_validation_annotation/<dataset>/…
    staged/<dataset>.json             all of these objects, as they were when all had arrived
    s3_checkpoint/<job without its attempt>/…   from SageMaker, and back to each attempt
    s3_output_location/<job>/output/model.tar.gz   from SageMaker
    jobs/<job>/cancelled              why we stopped it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.dataset.sagemaker_channels import SageMakerData, sagemaker_data, write_channels
from include.documents import DatasetDocument
from training_services.inputs import data_folder
from training_services.job import TrainingJob
from training_services.sagemaker.bucket import SageMakerBucket, Staged, unpack
from training_services.transfer import TransferDamaged

MODEL = "mxnet"  # folder of the unpacked model.tar.gz among what is collected
Objects = Mapping[str, list[Any]]  # by key: [size, ETag]


@dataclass(frozen=True)
class BuiltinStaged(Staged):
    """
    Attributes:
        hyperparameters: those that the data decide.
    """

    hyperparameters: Mapping[str, int]


class BuiltinBucket(SageMakerBucket):
    """The bucket of a deployment; names are relative to the settings' prefix."""

    def stage(self, job: TrainingJob, say: Callable[[str], None] = print) -> BuiltinStaged:
        """Bring images and annotations of the train and validation sides to the bucket, unless all of it is there.

        Raises:
            TransferDamaged: the channels do not hold what they should.
        """
        dataset = self.store.get(DatasetDocument, job.dataset)
        data = sagemaker_data(self.store, dataset)
        channels, record = self.channels(job), self.path(f"staged/{Path(data_folder(job)).name}.json")
        objects = self._objects(channels)
        if not objects or self._recorded(record) != _as_record(data, objects):
            sent = self._send(dataset, channels, say)
            objects = self._objects(channels)
            self._compare(objects, sent)
            self._write(record, _as_record(data, objects))
        else:
            say(f"{self.uri('')}: 0 files moved, {len(objects)} were there")
        return BuiltinStaged(channels, "", sum(size for size, _ in objects.values()), data.hyperparameters())

    def channels(self, job: TrainingJob) -> dict[str, str]:
        """Prefix of each channel."""
        folders, dataset = self.settings.folders, Path(data_folder(job)).name
        return {
            "train": f"{folders.train_data}/{dataset}/",
            "validation": f"{folders.validation_data}/{dataset}/",
            "train_annotation": f"{folders.train_annotation}/{dataset}/",
            "validation_annotation": f"{folders.validation_annotation}/{dataset}/",
        }

    def checkpoints(self, job: TrainingJob) -> str:
        """Where SageMaker keeps the checkpoints of all attempts of a job, so that each goes on from the one before."""
        return f"{self.settings.folders.checkpoint}/{job.prefix}/"

    def model(self, name: str) -> str:
        """Where SageMaker puts the model of a job."""
        return f"{self.settings.folders.output_location}/{name}/output/model.tar.gz"

    def collect(self, name: str, into: Path) -> Path:
        """The model of a job, unpacked into the folder ``mxnet``.

        Raises:
            ValueError: the archive holds what no algorithm writes.
            FileNotFoundError: there is no model of this job.
        """
        with TemporaryDirectory() as scratch:
            archive = self.bucket.fetch(self.path(self.model(name)), Path(scratch) / "model.tar.gz")
            unpack(archive, into / MODEL)
        return into

    def _send(
        self, dataset: DatasetDocument, channels: Mapping[str, str], say: Callable[[str], None]
    ) -> dict[str, int]:
        """Write all files and bring those that differ. Returns the size of each by its key."""
        with TemporaryDirectory() as folder:
            write_channels(self.store, dataset, Path(folder))
            files = {
                self.path(f"{prefix}{file.name}"): file
                for name, prefix in channels.items()
                for file in (Path(folder) / name).iterdir()
            }
            say(f"{self.uri('')}: {self.bucket.upload(files)}")
            return {key: file.stat().st_size for key, file in files.items()}

    def _objects(self, channels: Mapping[str, str]) -> dict[str, list[Any]]:
        """All that lies in the channels."""
        lists = (self.bucket.objects(self.path(prefix)) for prefix in channels.values())
        return {each.key: [each.size, each.etag] for listed in lists for each in listed}

    def _compare(self, objects: Objects, expected: Mapping[str, int]) -> None:
        """A training would read whatever lies there."""
        there = {key: size for key, (size, _) in objects.items()}
        if there != expected:
            odd = sorted(dict(there.items() ^ expected.items()))
            raise TransferDamaged(
                f"s3://{self.settings.bucket} should hold {len(expected)} objects for this job and holds "
                f"{len(objects)}; {odd[0]} is one that is missing, is another, or should not be there. Remove "
                "what is not ours there, then clear the task."
            )

    def _recorded(self, key: str) -> Any:
        try:
            return json.loads(self.bucket.read(key))
        except ValueError:  # there is none
            return None

    def _write(self, key: str, record: dict[str, Any]) -> None:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "staged.json"
            file.write_text(json.dumps(record, sort_keys=True))
            self.bucket.upload({key: file})


def _as_record(data: SageMakerData, objects: Objects) -> dict[str, Any]:
    """What is written down of a complete staging: it is the same again if nothing in it has changed."""
    digest = hashlib.sha256()
    for annotation in (*data.train.annotations, *data.validation.annotations):
        digest.update(annotation.contents)
    return {"annotations": digest.hexdigest(), "objects": dict(objects)}
