"""What a job on Vertex AI reads and writes, in the bucket of its region.

Below the prefix of the settings::

    data/<dataset>/…         train and validation shards, label map; never a hold-out image
    trainer/<code>/…         the trainer's sdist, once for each version of its code
    weights/…                starting weights, named by their hash
    jobs/<name>/…            configuration.json, output/ (checkpoints, logs, model)

``jobs/<name>/claim`` and ``cancelled`` are in the bucket of the deployment's own region, wherever the job runs: two
who would submit the same job, on machines of two regions, must meet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.settings import GoogleSettings
from include.store import Store
from training_services.bucket import Transfer, upload, upload_once
from training_services.inputs import data_folder, label_map_file, shard_files, weights_file
from training_services.job import TrainingJob
from training_services.sdist import build_sdist, code_hash
from training_services.vertex.cloud import GoogleCloud

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

AT_ONCE = 16  # objects that are being deleted


class VertexBucket:
    """One bucket of a deployment; names are relative to the settings' prefix.

    Args:
        store: where datasets and weights are.
        name: of the bucket.
    """

    def __init__(self, cloud: GoogleCloud, settings: GoogleSettings, store: Store, name: str) -> None:
        self.cloud, self.settings, self.store = cloud, settings, store
        self.name = name

    def stage(self, job: TrainingJob, say: Callable[[str], None] = print) -> Transfer:
        """Bring to the bucket what the job will read. What is there already is not sent again."""
        with TemporaryDirectory() as scratch:
            files = self._inputs(job, Path(scratch))
            moved = upload(self.bucket, {self.path(name): file for name, file in files.items()}, say)
            if not self.settings.container:
                upload_once(self.bucket, self.path(self.sdist), lambda: build_sdist(Path(scratch)))
        say(f"{self.uri('')}: {moved}")
        return moved

    def _inputs(self, job: TrainingJob, scratch: Path) -> dict[str, Path]:
        """Local file by name below the prefix. The hold-out is not among them."""
        data = data_folder(job)
        files = {f"{data}/label_map.pbtxt": label_map_file(self.store, job, scratch)}
        files |= {f"{data}/{name}": file for name, file in shard_files(self.store, job, scratch).items()}
        configuration = dict(job.configuration)
        if weights := weights_file(self.store, job, scratch):
            staged = f"weights/{weights.name}"
            files[staged] = weights
            configuration["weights"] = self.uri(staged)
        written = scratch / "configuration.json"
        written.write_text(json.dumps(configuration, indent=1))
        files[f"jobs/{job.name}/configuration.json"] = written
        return files

    def has_checkpoint(self, output: str) -> bool:
        """Did the job that has its output there get as far as a checkpoint?"""
        return bool(self.bucket.blob(self.path(f"{output}/checkpoints/last/state.npz")).exists())

    def read(self, name: str, tail: int | None = None) -> bytes:
        """The last bytes of an object of ours; none if it is not there."""
        from google.api_core.exceptions import NotFound

        try:
            return bytes(self.bucket.blob(self.path(name)).download_as_bytes(start=-tail if tail else None))
        except NotFound:
            return b""

    def empty(self) -> int:
        """Delete every object below the prefix. Returns how many there were; of a bucket that there is not, none."""
        from google.api_core.exceptions import NotFound

        try:
            objects = list(self.bucket.list_blobs(prefix=self.path("")))
        except NotFound:
            return 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda blob: blob.delete(), objects))
        return len(objects)

    @cached_property
    def bucket(self) -> Bucket:
        return self.cloud.storage.bucket(self.name)

    @cached_property
    def sdist(self) -> str:
        from detector_trainer import __version__

        return f"trainer/{code_hash()[:16]}/lanner_trainer-{__version__}.tar.gz"

    def path(self, name: str) -> str:
        return f"{self.settings.prefix}/{name}"

    def uri(self, name: str) -> str:
        return f"gs://{self.name}/{self.path(name)}"


def last_checkpointed(buckets: Collection[VertexBucket], job: TrainingJob) -> str | None:
    """Where the newest attempt before this one that got as far as a checkpoint has its output: in any bucket."""
    for number in range(job.attempt - 1, 0, -1):
        output = f"jobs/{job.as_attempt(number).name}/output"
        for files in buckets:
            if files.has_checkpoint(output):
                return files.uri(output)
    return None
