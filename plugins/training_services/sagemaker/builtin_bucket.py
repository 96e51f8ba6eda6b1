"""What SageMaker's built-in detector reads and writes, in the deployment's bucket, in the folders of the chapter.

Below the prefix of the settings, which may name the six folders otherwise::

    s3_train_data/<dataset>/…         images of the train side, named by their hash; never one of the hold-out
    s3_train_annotation/<dataset>/…   a JSON file for each of them
    s3_validation_data/<dataset>/…    the same of the validation side
    s3_validation_annotation/<dataset>/…
    s3_train_annotation/<dataset>-pipe/train.manifest   in Pipe mode: augmented manifests in place of those files
    s3_validation_annotation/<dataset>-pipe/validation.manifest
    staged/<dataset>.json             all of these objects, as they were when all had arrived; in Pipe mode -pipe.json
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

from include.builtin_detector import is_piped
from include.dataset.sagemaker_channels import (
    TRAINING_SIDES,
    SageMakerData,
    manifests,
    sagemaker_data,
    write_images,
)
from include.documents import DatasetDocument
from training_services.inputs import data_folder
from training_services.job import TrainingJob
from training_services.sagemaker.bucket import SageMakerBucket, Staged, unpack
from training_services.transfer import TransferDamaged

MODEL = "mxnet"  # folder of the unpacked model.tar.gz among what is collected
Objects = Mapping[str, list[Any]]  # by key: [size, ETag]
Labels = Mapping[str, Mapping[str, bytes]]  # contents by file, by the folder of annotations


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
        data, folders = sagemaker_data(self.store, dataset), self.folders(job)
        labels, record = self._labels(job, data, dataset), self.path(f"staged/{self._name(job)}.json")
        objects = self._objects(folders)
        if not objects or self._recorded(record) != _as_record(labels, objects):
            sent = self._send(dataset, labels, folders, say)
            objects = self._objects(folders)
            self._compare(objects, sent)
            self._write(record, _as_record(labels, objects))
        else:
            say(f"{self.uri('')}: 0 files moved, {len(objects)} were there")
        size = sum(size for size, _ in objects.values())
        on_disk = 0 if is_piped(job.configuration) else size
        return BuiltinStaged(self.channels(job), "", on_disk, data.hyperparameters())

    def folders(self, job: TrainingJob) -> dict[str, str]:
        """Prefix of all that a training reads: images of both sides, their annotations or manifests."""
        folders, images, labels = self.settings.folders, Path(data_folder(job)).name, self._name(job)
        return {
            "train": f"{folders.train_data}/{images}/",
            "validation": f"{folders.validation_data}/{images}/",
            "train_annotation": f"{folders.train_annotation}/{labels}/",
            "validation_annotation": f"{folders.validation_annotation}/{labels}/",
        }

    def channels(self, job: TrainingJob) -> dict[str, str]:
        """Prefix of each channel; in Pipe mode the key of its manifest."""
        folders = self.folders(job)
        if not is_piped(job.configuration):
            return folders
        return {side: folders[f"{side}_annotation"] + manifest_name(side) for side in TRAINING_SIDES}

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
        self, dataset: DatasetDocument, labels: Labels, folders: Mapping[str, str], say: Callable[[str], None]
    ) -> dict[str, int]:
        """Write all files and bring those that differ. Returns the size of each by its key."""
        with TemporaryDirectory() as scratch:
            write_images(self.store, dataset, Path(scratch))
            for name, contents in labels.items():
                (Path(scratch) / name).mkdir()
                for file, content in contents.items():
                    (Path(scratch) / name / file).write_bytes(content)
            files = {
                self.path(f"{prefix}{file.name}"): file
                for name, prefix in folders.items()
                for file in (Path(scratch) / name).iterdir()
            }
            say(f"{self.uri('')}: {self.bucket.upload(files)}")
            return {key: file.stat().st_size for key, file in files.items()}

    def _labels(self, job: TrainingJob, data: SageMakerData, dataset: DatasetDocument) -> Labels:
        """What the folders of annotations are to hold."""
        if not is_piped(job.configuration):
            return {
                f"{side}_annotation": {each.name: each.contents for each in data.side(side).annotations}
                for side in TRAINING_SIDES
            }
        folders = self.folders(job)
        lines = manifests(data, dataset, {side: self.uri(folders[side].rstrip("/")) for side in TRAINING_SIDES})
        return {f"{side}_annotation": {manifest_name(side): lines[side]} for side in TRAINING_SIDES}

    def _name(self, job: TrainingJob) -> str:
        """Of what is staged for a job; the images are the same in either mode."""
        return Path(data_folder(job)).name + ("-pipe" if is_piped(job.configuration) else "")

    def _objects(self, folders: Mapping[str, str]) -> dict[str, list[Any]]:
        """All that lies in the folders."""
        lists = (self.bucket.objects(self.path(prefix)) for prefix in folders.values())
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


def manifest_name(side: str) -> str:
    return f"{side}.manifest"


def _as_record(labels: Labels, objects: Objects) -> dict[str, Any]:
    """What is written down of a complete staging: it is the same again if nothing in it has changed."""
    digest = hashlib.sha256()
    for contents in labels.values():
        for content in contents.values():
            digest.update(content)
    return {"annotations": digest.hexdigest(), "objects": dict(objects)}
