"""Runs one batch transform to its end. ``python -m tests.standins.aws.sagemaker_transform_runner JOB``.

Each object of the prefix is one request to the model's container, each answer an object ``<key>.out``. Only the
built-in object detection can serve here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_status as status
from tests.standins.aws.endpoint import Aws, split_uri
from tests.standins.aws.sagemaker_images import OBJECT_DETECTION, kind_of
from tests.standins.aws.sagemaker_logs import TRANSFORM_GROUP, HostLog
from tests.standins.aws.sagemaker_runner import NO_CAPACITY
from tests.standins.aws.sagemaker_storage import Denied, Storage
from tests.standins.aws.sagemaker_transforms import enter, has_ended
from tests.standins.job_folder import is_held, owning
from tests.standins.processes import PROJECT, end_group, end_remembered_groups, python_path, remember_groups

BEAT = 0.1
PAYLOAD_MIB = 6  # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
IMAGES = frozenset({"application/x-image", "image/jpeg", "image/png"})
SEE_LOGS = "ClientError: See job logs for more information"


class Stopped(Exception):
    """Somebody asked to stop the job."""


class Run:
    """One job, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: dict[str, Any] = json.loads((folder / "job.json").read_text())
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.aws = Aws(self.plan["aws"], self.plan["region"])
        self.storage = Storage(self.aws, Path(self.plan["access"]), folder.name)
        self.log = HostLog(self.aws, TRANSFORM_GROUP, f"{folder.name}/i-0123456789abcdef0-{int(time.time())}")
        self.work = folder / "work"

    def to_the_end(self) -> None:
        """Always leaves the job in a final status."""
        end_remembered_groups(self.folder / "hosts.json")
        try:
            self._run()
        except Stopped:
            enter(self.folder, status.STOPPED)
        except Denied as why:
            enter(self.folder, status.FAILED, FailureReason=str(why)[: status.FAILURE_LENGTH])
        except Exception:
            traceback.print_exc()
            enter(self.folder, status.FAILED, FailureReason=status.INTERNAL)
        finally:
            self.log.flush(now=True)
            shutil.rmtree(self.work, ignore_errors=True)

    def _run(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self._wait(self.plan["starting_seconds"])
        if self.plan["fault"] == "capacity":
            raise Denied(NO_CAPACITY)
        enter(self.folder, status.IN_PROGRESS, TransformStartTime=time.time())
        container = self.plan["model"]["PrimaryContainer"]
        if kind_of(container["Image"], self.plan["region"]) != OBJECT_DETECTION:
            raise Denied("AlgorithmError: the stand-in serves models of the built-in object detection alone")
        bucket, key = split_uri(container["ModelDataUrl"])
        model, images, answers = self.work / "model", self.work / "images", self.work / "answers"
        self.aws.download(bucket, key, self.work / "model.tar.gz")
        with tarfile.open(self.work / "model.tar.gz") as archive:
            archive.extractall(model, filter="data")
        source = self.job["TransformInput"]
        uri = source["DataSource"]["S3DataSource"]["S3Uri"]
        self._check(source, self.storage.fetch_channel(source, images), uri)
        self._serve(model, images, answers)
        out = self.job["TransformOutput"]["S3OutputPath"].rstrip("/")
        for answer in sorted(file for file in answers.rglob("*.out")):
            self.storage.upload(answer, f"{out}/{answer.relative_to(answers).as_posix()}")
        enter(self.folder, status.COMPLETED)

    def _check(self, source: dict[str, Any], files: list[Path], uri: str) -> None:
        """Refuse what the container or the transform's agent would; it says so in the log."""
        if source.get("ContentType") not in IMAGES:
            self.log.line(f"{uri}: ClientError: 415 Unsupported Media Type: {source.get('ContentType', '')}")
            raise Denied(SEE_LOGS)
        limit = self.job.get("MaxPayloadInMB", PAYLOAD_MIB)
        for file in files:
            if limit and file.stat().st_size > limit << 20:
                self.log.line(f"{uri}/{file.name}: Too much data for max payload size")
                raise Denied(SEE_LOGS)

    def _serve(self, model: Path, images: Path, answers: Path) -> None:
        command = [sys.executable, "-m", "tests.standins.aws.sagemaker_detection", "serve", str(model), str(images)]
        said = self.work / "container.txt"
        with said.open("wb") as output:
            container = subprocess.Popen(
                [*command, str(answers)],
                cwd=PROJECT,
                env={"PYTHONPATH": python_path(), "PATH": str(Path(sys.executable).parent), "HOME": str(self.work)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        remember_groups(self.folder / "hosts.json", [container.pid])
        try:
            while container.poll() is None:
                self._beat()
        finally:
            end_group(container.pid, 9)
            container.wait()
            for line in said.read_text(errors="replace").splitlines():
                self.log.line(line)
        if container.returncode:
            raise Denied(SEE_LOGS)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until or is_held(self.folder, status.STARTING):
            self._beat()

    def _beat(self) -> None:
        if (self.folder / "stop").exists():
            raise Stopped
        time.sleep(BEAT)


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and not has_ended(folder):
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
