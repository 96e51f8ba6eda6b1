"""Training jobs of SageMaker's stand-in, whose trainer is a script of AWS's container."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import psutil

from tests.faults.jobs.watched import Attempt, StandInJobs, TrainerAttempt, files_in, processes_in
from tests.standins.aws import sagemaker_status
from tests.standins.aws.sagemaker_client import SageMakerClient, boto3_client
from tests.standins.aws.server import REGION
from tests.standins.clouds import BUCKET, Cloud

GRACE = 20.0  # seconds; SageMaker grants 120
STOPPED = frozenset({sagemaker_status.STOPPING, sagemaker_status.STOPPED})


class SageMakerJobs(StandInJobs):
    """Training jobs of the stand-in.

    What a trainer wrote is on its machine's disk until the job has ended; a copy that the service makes every second
    is in the bucket. A script never hears that it is to stop: it goes on until the service kills it.
    """

    grace = GRACE
    options = ("--grace", f"{GRACE:g}")

    def __init__(self, folder: Path, cloud: Cloud | None) -> None:
        assert cloud is not None
        standin, emulator = cloud.standins["sagemaker"], cloud.standins["aws"]
        self.jobs = standin.state / "jobs"
        self.client = SageMakerClient(standin.url, emulator.url)
        self.s3 = boto3_client("s3", emulator.url)

    def attempts(self, prefix: str) -> Sequence[Attempt]:
        folders = sorted(file.parent for file in (self.jobs / REGION).glob(f"{prefix}-a*/job.json"))
        return [
            TrainerAttempt(
                each.name,
                (each / "stop").exists() or sagemaker_status.read(each)["TrainingJobStatus"] in STOPPED,
                partial(self._log, each.name),
                partial(self._written, each),
                partial(self._in_bucket, each.name),
            )
            for each in folders
        ]

    def processes(self) -> list[psutil.Process]:
        return processes_in(self.jobs)

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
