"""Runs one training job of the SageMaker stand-in to its end. ``python -m tests.standins.aws.sagemaker_runner JOB``.

A process of its own, so that a job outlives a killed stand-in, as it outlives a broken front end of the service. A
killed runner is started again and begins the job anew with what is in S3.

Of the words in which a job fails, those of missing capacity have been reported by users
(https://github.com/DIAGNijmegen/rse-grand-challenge/issues/2631); those of internal errors are from memory.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.standins.aws import sagemaker_status as status
from tests.standins.aws.endpoint import Aws
from tests.standins.aws.sagemaker_faults import STRIKING
from tests.standins.aws.sagemaker_host import Host
from tests.standins.aws.sagemaker_images import CANNOT_PULL, SCRIPT, kind_of
from tests.standins.aws.sagemaker_layout import Layout, clear, lay_out
from tests.standins.aws.sagemaker_logs import TRAINING_GROUP, HostLog
from tests.standins.aws.sagemaker_programs import program_of
from tests.standins.aws.sagemaker_storage import Denied, Storage
from tests.standins.job_folder import is_held, owning, tries
from tests.standins.processes import end_remembered_groups, remember_groups

BEAT = 0.1  # seconds between two looks at everything
NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)
_BROKEN = (sys.executable, "-c", "raise RuntimeError('the rehearsal asked for a failure of user code')")
_RUNNING = frozenset({status.DOWNLOADING, status.TRAINING, status.UPLOADING})


class Ended(Exception):
    """The job is over. ``keeps``: what it has made is uploaded first."""

    def __init__(self, secondary: str, failure: str = "", *, keeps: bool = False) -> None:
        super().__init__(failure)
        self.secondary, self.failure, self.keeps = secondary, failure, keeps


class Interrupted(Exception):
    """The instances were taken away; the job goes on from its checkpoints."""


class Run:
    """One job, in its folder (see ``sagemaker_status``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: dict[str, Any] = json.loads((folder / "job.json").read_text())
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.aws = Aws(self.plan["aws"], self.plan["region"])
        self.storage = Storage(self.aws, Path(self.plan["access"]), folder.name)
        self.fault: dict[str, Any] = self.plan["fault"] or {}
        self.kind = kind_of(self.job["AlgorithmSpecification"]["TrainingImage"], self.plan["region"])
        self.program = program_of(self.job, self.kind or SCRIPT, self.plan["detector"])
        self.metrics = self.program.metrics()
        self.epoch = int(time.time())
        self.laid_out = Layout([], [])
        self.running: list[Host] = []

    def to_the_end(self) -> None:
        """Go on from wherever the job stands. Always leaves it in a final status."""
        end_remembered_groups(self.folder / "hosts.json")
        try:
            self._provision()
            while True:
                try:
                    self._train()
                except Interrupted:
                    self._recover()
        except Ended as end:
            self._finish(end)
        except Denied as why:
            self._finish(Ended(status.FAILED, str(why)))
        except Exception:
            traceback.print_exc()
            self._finish(Ended(status.FAILED, status.INTERNAL))

    def _provision(self) -> None:
        if status.read(self.folder)["SecondaryStatus"] != status.STARTING:
            status.enter(self.folder, status.STARTING)
        self._wait(self.plan["starting_seconds"], status.STARTING)
        if self.fault.get("fault") == "capacity":
            raise Ended(status.FAILED, NO_CAPACITY)
        if self.kind is None:
            raise Ended(status.FAILED, CANNOT_PULL)

    def _recover(self) -> None:
        status.enter(self.folder, status.INTERRUPTED)
        self._wait(self.plan["recovery_seconds"], status.INTERRUPTED)
        status.enter(self.folder, status.STARTING)

    def _train(self) -> None:
        status.enter(self.folder, status.DOWNLOADING)
        self._wait(0, status.DOWNLOADING)
        self.laid_out = Layout([], [])  # checkpoints that are half restored must not be uploaded
        region = self.plan["region"]
        self.laid_out = lay_out(self.job, self.folder, region, self.storage, self.program, self._heed)
        status.enter(self.folder, status.TRAINING)
        command = _BROKEN if self.fault.get("fault") == "user_code" else None
        for container in self.laid_out.containers:
            log = HostLog(self.aws, TRAINING_GROUP, f"{self.folder.name}/{container.host}-{self.epoch}")
            self.running.append(Host(container, self.program, log, self.metrics.read, command))
        remember_groups(self.folder / "hosts.json", [host.process.pid for host in self.running])
        self._watch()

    # --- while it runs

    def _watch(self) -> None:
        """Follow the hosts until all have ended, or any one badly."""
        begun, looked = time.monotonic(), time.monotonic()
        while any(host.process.poll() is None for host in self.running):
            for host in self.running:
                host.log.flush()
            self._check_failed()
            self._beat()
            self._strike(time.monotonic() - begun)
            if time.monotonic() - looked > self.plan["upload_seconds"]:
                self._upload_checkpoints()
                looked = time.monotonic()
        self._check_failed()
        raise Ended(status.COMPLETED, keeps=True)

    def _check_failed(self) -> None:
        for host in self.running:
            if code := host.process.poll():
                host.finish_reading()
                raise Ended(status.FAILED, host.failure(code))

    def _strike(self, seconds: float) -> None:
        """Do what a fault of a running job asks for, once its time has come, or somebody asks for it now."""
        now = self.folder / "strike"
        kind = now.read_text() if now.exists() else self.fault.get("fault")
        if kind not in STRIKING or (not now.exists() and seconds < self.fault.get("after", 0)):
            return
        now.unlink(missing_ok=True)
        self.fault = {}
        if kind == "memory":
            self.running[0].process.kill()
        elif kind == "internal":
            raise Ended(status.FAILED, status.INTERNAL)
        else:
            self._end_hosts()
            self._upload_checkpoints(last=True)
            raise Interrupted

    def _wait(self, seconds: float, secondary: str) -> None:
        """Stay in a secondary status for a while, and as long as somebody holds the job there."""
        until = time.monotonic() + seconds
        while time.monotonic() < until or is_held(self.folder, secondary):
            self._beat()

    def _beat(self) -> None:
        """A moment's rest, unless the job is to end."""
        self._heed()
        time.sleep(BEAT)

    def _heed(self) -> None:
        """End the job if somebody asked for that, or its time is up."""
        stands, condition = status.read(self.folder), self.job["StoppingCondition"]
        if (self.folder / "stop").exists():
            raise Ended(status.STOPPED, keeps=stands["SecondaryStatus"] == status.TRAINING)
        if status.seconds_of(stands, _RUNNING) > condition["MaxRuntimeInSeconds"]:
            raise Ended(status.MAX_RUNTIME, keeps=True)
        wait = condition.get("MaxWaitTimeInSeconds")
        if wait is not None and time.time() - self.job["CreationTime"] > wait:
            raise Ended(status.MAX_WAIT, keeps=stands["SecondaryStatus"] == status.TRAINING)

    # --- at the end

    def _end_hosts(self, grace: float = 0.0) -> None:
        for host in self.running:
            if grace and host.gets_sigterm and host.process.poll() is None:
                host.process.terminate()
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and any(host.process.poll() is None for host in self.running):
            for host in self.running:
                host.log.flush()
            time.sleep(BEAT)
        for host in self.running:
            host.end()
        self.running = []

    def _finish(self, end: Ended) -> None:
        if end.secondary in {status.STOPPED, status.MAX_RUNTIME, status.MAX_WAIT}:
            status.enter(self.folder, status.STOPPING)
            self._end_hosts(self.plan["grace_seconds"])
        self._end_hosts()
        more: dict[str, Any] = {"FailureReason": end.failure[: status.FAILURE_LENGTH]} if end.failure else {}
        if metrics := self.metrics.final():
            more["FinalMetricDataList"] = metrics
        for _ in tries(3):
            try:
                more |= self._upload(end)
                break
            except Denied as why:
                end = Ended(status.FAILED, end.failure or str(why))
                more |= {"FailureReason": end.failure[: status.FAILURE_LENGTH]}
                break
            except OSError:
                continue
        else:
            end, more = Ended(status.FAILED), more | {"FailureReason": status.INTERNAL}
        status.enter(self.folder, end.secondary, **more)
        clear(self.folder)

    def _upload(self, end: Ended) -> dict[str, Any]:
        """Upload what is left to keep. Returns what Describe tells of it; a failed job's output is kept, too."""
        containers = self.laid_out.containers
        if not containers:
            return {}
        if end.keeps:
            status.enter(self.folder, status.UPLOADING)
            while is_held(self.folder, status.UPLOADING):
                time.sleep(BEAT)
        self._upload_checkpoints(last=True)
        at = f"{self.job['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.folder.name}/output"
        outputs = [container.output_data for container in containers]
        self.storage.upload_archive(outputs, f"{at}/output.tar.gz", self.folder)
        if not end.keeps:
            return {}
        models = [container.model for container in containers]
        has_model = self.storage.upload_archive(models, f"{at}/model.tar.gz", self.folder)
        return {"ModelArtifacts": {"S3ModelArtifacts": f"{at}/model.tar.gz"}} if has_model else {}

    def _upload_checkpoints(self, *, last: bool = False) -> None:
        with contextlib.nullcontext() if last else contextlib.suppress(OSError):  # the next time, then
            for each in self.laid_out.checkpoints:
                each.upload_changes(last=last)


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and status.read(folder)["TrainingJobStatus"] not in status.ENDED:
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
