"""What a job on Azure Machine Learning reads and writes, in a container of Blob storage that the workspace knows.

Below the prefix of the settings::

    data/<dataset>/…         train and validation shards, label map; never a hold-out image
    trainer/<hash>/…         the trainer's package as it is, once for each version of its code
    weights/<name>/…         starting weights, named by their hash
    jobs/<name>/input/…      configuration.json
    jobs/<name>/output/…     what the trainer writes, as it writes it: the folder is mounted
    jobs/<name>/cancelled    why we cancelled it
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from include.documents import Reason
from include.settings import AzureSettings
from include.store import Store
from training_services.azure_ml.blobs import BlobContainer
from training_services.azure_ml.cloud import AzureCloud
from training_services.inputs import data_folder, label_map_file, shard_files, weights_file
from training_services.job import TrainingJob
from training_services.sdist import code_hash, package_files

WEIGHTS = "weights"  # the input that holds starting weights


@dataclass(frozen=True)
class Staged:
    """What a job will read: folder below the prefix by the input's name."""

    inputs: dict[str, str]


class AzureBucket:
    """The container of a deployment; names are relative to the settings' prefix.

    Args:
        store: where datasets and weights are.
    """

    def __init__(self, cloud: AzureCloud, settings: AzureSettings, store: Store) -> None:
        self.cloud, self.settings, self.store = cloud, settings, store

    def stage(self, job: TrainingJob, say: Callable[[str], None] = print) -> Staged:
        """Bring to the container what the job will read. What is there already is not sent again."""
        with TemporaryDirectory() as folder:
            scratch = Path(folder)
            inputs = {"data": data_folder(job), "job": f"jobs/{job.name}/input"}
            files = {f"{inputs['data']}/label_map.pbtxt": label_map_file(self.store, job, scratch)}
            files |= {f"{inputs['data']}/{name}": file for name, file in shard_files(self.store, job, scratch).items()}
            configuration = dict(job.configuration)
            if weights := weights_file(self.store, job, scratch):
                inputs[WEIGHTS] = f"weights/{weights.name.partition('.')[0]}"
                files[f"{inputs[WEIGHTS]}/{weights.name}"] = weights
                configuration["weights"] = f"azureml-input://{WEIGHTS}/{weights.name}"
            written = scratch / "configuration.json"
            written.write_text(json.dumps(configuration, indent=1))
            files[f"{inputs['job']}/configuration.json"] = written
            if not self.settings.container:
                inputs["trainer"] = f"trainer/{code_hash()[:16]}"
                files |= {f"{inputs['trainer']}/{name}": file for name, file in package_files().items()}
            moved = self.container.upload({self.path(name): file for name, file in files.items()}, say)
        say(f"{self.container.url}/{self.path('')}: {moved}")
        if earlier := self.last_checkpointed(job):
            inputs["earlier"] = earlier
        return Staged(inputs)

    def last_checkpointed(self, job: TrainingJob) -> str | None:
        """Where the newest attempt before this one that got as far as a checkpoint has its output."""
        for number in range(job.attempt - 1, 0, -1):
            output = output_folder(job.as_attempt(number).name)
            if self.container.exists(self.path(f"{output}/checkpoints/last/state.npz")):
                return output
        return None

    def collect(self, name: str, into: Path) -> Path:
        """What the trainer of a job wrote, except the checkpoints that only a resumption needs."""
        self.container.download(self.path(output_folder(name)), into, skip=is_unwanted)
        return into

    def note_cancelled(self, name: str, reason: Reason, words: str = "") -> None:
        """Write down why a job is cancelled, unless that was done before."""
        self.container.claim(self.path(f"jobs/{name}/cancelled"), f"{reason.value}\n{words}".encode())

    def cancelled(self, name: str) -> tuple[Reason, str] | None:
        """Why we cancelled a job, and in which words; None: we did not."""
        reason, _, words = self.read(f"jobs/{name}/cancelled").decode(errors="replace").partition("\n")
        return (Reason(reason), words) if reason in set(Reason) else None

    def read(self, name: str) -> bytes:
        """A blob of ours; nothing if it is not there."""
        return self.container.read(self.path(name))

    def tail(self, name: str, most: int) -> bytes:
        """The last bytes of a blob of ours; none if it is not there."""
        return self.container.tail(self.path(name), most)

    @cached_property
    def container(self) -> BlobContainer:
        return self.cloud.container(self.settings.datastore)

    def path(self, name: str) -> str:
        return f"{self.settings.prefix}/{name}"

    def uri(self, folder: str) -> str:
        """A folder as a job names it."""
        workspace = self.cloud.workspace.id.replace("/resourceGroups/", "/resourcegroups/").replace(
            "/providers/Microsoft.MachineLearningServices", ""
        )
        return f"azureml:/{workspace}/datastores/{self.settings.datastore}/paths/{self.path(folder)}/"


def output_folder(name: str) -> str:
    """Where the trainer of a job writes."""
    return f"jobs/{name}/output"


def is_unwanted(name: str) -> bool:
    """Only a resumption or a look at the curves needs it."""
    return name.startswith(("checkpoints/last/", "tensorboard/")) or name.endswith(".part")
