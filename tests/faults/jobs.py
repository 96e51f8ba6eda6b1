"""The jobs of a target, seen from outside: what lies in its folders, which processes train, how a job is lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import psutil

from include.laptop.leftovers import RUNNER, TRAINER, processes_of
from tests.standins.aws import sagemaker_status
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client
from tests.standins.aws.server import REGION
from tests.standins.azure import azure_ml_status
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.clouds import BUCKET, Cloud
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import CANCELLED, CANCELLING
from tests.standins.google.vertex_status import read as read_status
from training_services.vertex.states import LABEL

CHECKPOINT = "checkpoints/last/state.npz"
GRACE = 20.0  # seconds; SageMaker grants 120
STOPPED = frozenset({sagemaker_status.STOPPING, sagemaker_status.STOPPED})
STANDIN_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType({"sagemaker": ("--grace", f"{GRACE:g}")})

Output = Callable[[str], bytes | None]  # a file that a trainer wrote, by its name; None: there is none


@dataclass(frozen=True)
class Attempt:
    """One job.

    Attributes:
        output: what its trainer has written until now.
        kept: what of that is left if its machine is gone in this moment.
        log: its whole log, or a part of it that has what resumptions say.
    """

    name: str
    output: Output
    kept: Output
    cancelled: bool
    log: Callable[[], str]

    def has_checkpoint(self) -> bool:
        return self.kept(CHECKPOINT) is not None

    def steps(self) -> list[int]:
        """The steps whose loss it wrote down."""
        lines = (self.output("metrics.jsonl") or b"").decode().splitlines()
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return [line["step"] for line in whole if "loss" in line]


class Jobs(Protocol):
    """All jobs of a deployment on one target.

    Attributes:
        grace: seconds for which one that its service has told to stop may go on.
    """

    grace: float

    def attempts(self, prefix: str) -> list[Attempt]:
        """Jobs that were really submitted and whose names begin so, the first one first."""

    def processes(self) -> list[psutil.Process]:
        """What trains now, and what looks after it."""

    def lose(self, attempt: Attempt) -> None:
        """Let the service lose a running job."""


class CloudJobs(Jobs, Protocol):
    """Those of a cloud, whose service can be told to fail."""

    def wish(self, fault: str) -> None:
        """What the next job is to suffer: "capacity" or "permission"."""


class LocalJobs:
    """Processes of this machine.

    Args:
        folder: of the deployment.
    """

    grace = 0.0

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        self.home, self.jobs = folder / "airflow", folder / "state" / "jobs"

    def attempts(self, prefix: str) -> list[Attempt]:
        folders = sorted(file.parent for file in self.jobs.glob(f"{prefix}-a*/started"))
        return [
            Attempt(each.name, output, output, (each / "cancel").exists(), (each / "log.txt").read_text)
            for each in folders
            for output in [files_in(each / "output")]
        ]

    def processes(self) -> list[psutil.Process]:
        return [process for process in processes_of(self.home) if {TRAINER, RUNNER} & set(_command(process))]

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


class VertexJobs:
    """Custom jobs of the stand-in."""

    grace = 0.0

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        self.state, self.url = cloud.standins["vertex"].state, cloud.standins["vertex"].url

    def attempts(self, prefix: str) -> list[Attempt]:
        found: dict[str, Attempt] = {}
        for folder, job in self._all():
            name = job["labels"][LABEL]
            if not name.rpartition("-a")[0].startswith(prefix):
                continue
            cancelled = (folder / "cancel").exists() or read_status(folder)["state"] in {CANCELLED, CANCELLING}
            output = files_in(folder / "gcs" / BUCKET / "lanner" / "jobs" / name / "output")
            log = (self.state / "logs" / f"{folder.name}.jsonl").read_text
            if name not in found or found[name].cancelled:  # a twin was cancelled
                found[name] = Attempt(name, output, output, cancelled, log)
        return [found[name] for name in sorted(found)]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.state / "jobs")

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():  # it was held; what the service takes away it does not hold
            process.resume()
        (number,) = (folder.name for folder, job in self._all() if job["labels"][LABEL] == attempt.name)
        VertexClient(self.url).control("strike", {"job": number, "fault": "internal"})

    def wish(self, fault: str) -> None:
        VertexClient(self.url).control("next", {"fault": fault})

    def _all(self) -> Iterator[tuple[Path, dict]]:
        for file in sorted((self.state / "jobs").glob("[0-9]*/job.json")):
            yield file.parent, json.loads(file.read_text())


class SageMakerJobs:
    """Training jobs of the stand-in, whose trainer is a script of AWS's container.

    What a trainer wrote is on its machine's disk until the job has ended; a copy that the service makes every second
    is in the bucket. A script never hears that it is to stop: it goes on until the service kills it.
    """

    grace = GRACE

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin, emulator = cloud.standins["sagemaker"], cloud.standins["aws"]
        self.jobs = standin.state / "jobs"
        self.client = SageMakerClient(standin.url, emulator.url)
        self.s3 = boto3_client("s3", emulator.url)

    def attempts(self, prefix: str) -> list[Attempt]:
        folders = sorted(file.parent for file in (self.jobs / REGION).glob(f"{prefix}-a*/job.json"))
        return [
            Attempt(
                each.name,
                partial(self._written, each),
                partial(self._in_bucket, each.name),
                (each / "stop").exists() or sagemaker_status.read(each)["TrainingJobStatus"] in STOPPED,
                partial(self._log, each.name),
            )
            for each in folders
        ]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.jobs)

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():  # it was held; what the service takes away it does not hold
            process.resume()
        self.client.control("strike", {"job": attempt.name, "fault": "internal"})

    def wish(self, fault: str) -> None:
        self.client.control("next", {"fault": fault})

    def _written(self, folder: Path, name: str) -> bytes | None:
        written = files_in(folder / "hosts" / "algo-1" / "opt" / "ml" / "checkpoints")(name)
        if written is None and sagemaker_status.read(folder)["TrainingJobStatus"] in sagemaker_status.ENDED:
            return self._in_bucket(folder.name, name)
        return written

    def _in_bucket(self, job: str, name: str) -> bytes | None:
        try:
            answer = self.s3.get_object(Bucket=BUCKET, Key=f"lanner/jobs/{job}/checkpoints/{name}")
        except self.s3.exceptions.NoSuchKey:
            return None
        return answer["Body"].read()

    def _log(self, job: str) -> str:
        return "\n".join([*self.client.streams(job), *self.client.lines(job)])


class AzureMLJobs:
    """Command jobs of the stand-in, whose output is mounted: a copy of it is in Blob storage within a second."""

    grace = 0.0

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin = cloud.standins["azure_ml"]
        self.jobs = standin.state / "jobs"
        self.client = AzureMLClient(standin.url, cloud.standins["azurite"].url)

    def attempts(self, prefix: str) -> list[Attempt]:
        folders = sorted(file.parent for file in self.jobs.glob(f"{prefix}-a*/job.json"))
        return [
            Attempt(
                each.name,
                partial(self._written, each),
                partial(self._in_blob, each.name),
                (each / "cancel").exists() or azure_ml_status.read(each)["status"] == azure_ml_status.CANCELED,
                partial(self._log, each.name),
            )
            for each in folders
        ]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.jobs)

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():  # it was held; what the service takes away it does not hold
            process.resume()
        self.client.control("strike", {"job": attempt.name, "fault": "internal"})

    def wish(self, fault: str) -> None:
        self.client.control("next", {"fault": fault})

    def _written(self, folder: Path, name: str) -> bytes | None:
        written = files_in(folder / "work" / "outputs" / "trained")(name)
        return self._in_blob(folder.name, name) if written is None else written

    def _in_blob(self, job: str, name: str) -> bytes | None:
        blob = self.client.blobs.get_blob_client(f"lanner/jobs/{job}/output/{name}")
        return blob.download_blob().readall() if blob.exists() else None

    def _log(self, job: str) -> str:
        names = ("std_log.txt", "std_log_worker_0.txt", "std_log_worker_1.txt")
        return "\n".join(f"{name}: {line}" for name in names for line in self.client.lines(job, name))


JOBS: Mapping[str, Callable[[Path, Cloud | None], Jobs]] = MappingProxyType(
    {"local": LocalJobs, "vertex": VertexJobs, "sagemaker": SageMakerJobs, "azure_ml": AzureMLJobs}
)


def files_in(folder: Path) -> Output:
    """Reads the files of a folder."""

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            return None

    return read


def processes_in(folder: Path) -> list[psutil.Process]:
    """Those that work somewhere below a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(folder)):
                found.append(process)
    return found


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
