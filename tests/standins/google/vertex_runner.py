"""Runs one training job of the Vertex AI stand-in to its end. ``python -m tests.standins.google.vertex_runner JOB``.

A process of its own, so that a job outlives a killed stand-in, as it outlives a broken front end of the service. A
killed runner is started again and begins the job anew with what is in the bucket, as the service does when it loses
a machine.

Of the words in which a job fails, those of a bad exit and of missing machines have been reported by users; those of
memory, time-out and internal errors are from memory, and so is that a time-out ends as CANCELLED.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.standins.google import vertex_replicas as replicas
from tests.standins.google import vertex_status as status
from tests.standins.google.gcs_objects import Objects
from tests.standins.google.vertex_faults import STRIKING
from tests.standins.google.vertex_logs import JobLog
from tests.standins.google.vertex_mount import Mount
from tests.standins.job_folder import is_held, owning, tries
from tests.standins.processes import end_group, end_remembered_groups, remember_groups

BEAT = 0.1  # seconds between two looks at everything
UPLOAD_TRIES = 20
WORKERS_SECONDS = 10.0  # for the other replicas to end once the primary one has


class Ended(Exception):
    """The job is over."""

    def __init__(self, state: str, code: int = 0, message: str = "") -> None:
        super().__init__(message)
        self.state = state
        self.error: dict[str, Any] | None = {"code": code, "message": message} if code else None


class Preempted(Exception):
    """The machines were taken away; the job begins anew."""


class Run:
    """One job, in its folder (see ``vertex_status``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: dict[str, Any] = json.loads((folder / "job.json").read_text())
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        job_id = folder.name
        self.log = JobLog(
            Path(self.plan["logs"]) / f"{job_id}.jsonl", self.plan["project"], job_id, self.plan["log_delay"]
        )
        self.mount = Mount(folder / "gcs", Objects(self.plan["gcs"]), Path(self.plan["access"]), job_id)
        self.fault: dict[str, Any] = self.plan["fault"] or {}
        self.running: list[replicas.Replica] = []

    def to_the_end(self) -> None:
        """Go on from wherever the job stands. Always leaves it in a final state."""
        end_remembered_groups(self.folder / "replicas.json")
        try:
            self._provision()
            while True:
                with contextlib.suppress(Preempted):
                    self._train()
        except Ended as end:
            self._finish(end)
        except Exception:
            self.log.service(traceback.format_exc(), "ERROR")
            self._finish(Ended(status.FAILED, status.INTERNAL_CODE, status.INTERNAL))

    def _provision(self) -> None:
        self._heed_cancel()
        if status.read(self.folder)["state"] == status.QUEUED:
            status.set_state(self.folder, status.PENDING)
            self.log.service("Waiting for job to be provisioned.")
        ready = time.monotonic() + self.plan["pending_seconds"]
        while time.monotonic() < ready or is_held(self.folder, status.PENDING):
            self._beat()
        if self.fault.get("fault") == "capacity":
            region = self.job["name"].split("/")[3]
            message = f"Resources are insufficient in region: {region}. Please try a different region."
            raise Ended(status.FAILED, status.EXHAUSTED_CODE, message)

    def _train(self) -> None:
        self._fetch()
        if status.read(self.folder)["state"] != status.RUNNING:
            status.set_state(self.folder, status.RUNNING)
            self.log.service("Job is running.")
        self._install()
        environments = replicas.environments(self.job, self.plan["project_number"], self.folder)
        for (pool, index), environment in environments.items():
            spec = self.job["jobSpec"]["workerPoolSpecs"][pool]
            name = f"workerpool{pool}-{index}"
            command = self._broken_command() or replicas.command(spec)
            self.running.append(replicas.Replica(name, command, environment, self.folder / "work" / name, self.log))
        remember_groups(self.folder / "replicas.json", [replica.process.pid for replica in self.running])
        self._watch()

    def _fetch(self) -> None:
        texts = []
        for spec in self.job["jobSpec"]["workerPoolSpecs"]:
            task = spec.get("pythonPackageSpec") or spec.get("containerSpec", {})
            texts += [*task.get("args", []), *(item.get("value", "") for item in task.get("env", []))]
        texts.append(self.job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix", ""))
        self.mount.fetch(texts)

    def _install(self) -> None:
        """Install the packages as a container would, but never from an index."""
        uris = [
            uri
            for spec in self.job["jobSpec"]["workerPoolSpecs"]
            for uri in spec.get("pythonPackageSpec", {}).get("packageUris", [])
        ]
        for uri in dict.fromkeys(uris):
            package = self.folder / "packages" / uri.rsplit("/", 1)[1]
            try:
                self.mount.fetch_one(uri, package)
            except urllib.error.HTTPError as error:
                self.log.replica("workerpool0-0", f"CommandException: {uri}: {error}", "ERROR")
                raise self._exited("workerpool0-0", 1) from error
            command = [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--no-build-isolation", "--offline"]
            command += ["--no-cache", "--python", sys.executable, "--target", str(self.folder / "site"), str(package)]
            said = self.folder / "install.txt"
            with said.open("wb") as output:
                installer = subprocess.Popen(
                    command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
                )
            remember_groups(self.folder / "replicas.json", [installer.pid])
            try:
                while installer.poll() is None:
                    self._beat()
            finally:
                end_group(installer.pid, signal.SIGKILL)
                installer.wait()
            for line in said.read_text(errors="replace").splitlines():
                self.log.replica("workerpool0-0", line, "ERROR" if installer.returncode else "INFO")
            if installer.returncode:
                raise self._exited("workerpool0-0", installer.returncode)

    def _watch(self) -> None:
        """Follow the replicas until the primary one has ended, or any one badly."""
        begun = time.monotonic()
        limit = float(self.job["jobSpec"].get("scheduling", {}).get("timeout", "604800s").removesuffix("s"))
        started = datetime.fromisoformat(status.read(self.folder)["startTime"]).timestamp()
        uploaded = time.monotonic()
        while not self._is_done():
            self._beat()
            if time.time() - started > limit:
                message = f"The job ran longer than its timeout of {limit:g} s and was cancelled."
                raise Ended(status.CANCELLED, status.CANCELLED_CODE, message)
            self._strike(time.monotonic() - begun)
            if time.monotonic() - uploaded > self.plan["upload_seconds"]:
                with contextlib.suppress(OSError):  # the next time, then
                    self.mount.upload_changes()
                uploaded = time.monotonic()
        raise Ended(status.SUCCEEDED)

    def _is_done(self) -> bool:
        for replica in self.running:
            if code := replica.process.poll():
                replica.finish_reading()
                raise self._exited(replica.name, code)
        if self.running[0].process.poll() is None:
            return False
        deadline = time.monotonic() + WORKERS_SECONDS
        while any(each.process.poll() is None for each in self.running) and time.monotonic() < deadline:
            self._beat()
        return True

    def _exited(self, name: str, code: int) -> Ended:
        viewer = (
            f"https://console.cloud.google.com/logs/viewer?project={self.plan['project_number']}"
            f"&resource=ml_job%2Fjob_id%2F{self.folder.name}&advancedFilter=resource.type%3D%22ml_job%22%0A"
            f"resource.labels.job_id%3D%22{self.folder.name}%22"
        )
        how = f"exited with a non-zero status of {code if code > 0 else 128 - code}"
        if code == -9:
            how = "ran out-of-memory and exited with a non-zero status of 137(SIGKILL)"
        message = (
            f"The replica {name} {how}. To find out more about why your job exited please check the logs: {viewer}"
        )
        return Ended(status.FAILED, status.INVALID_CODE, message)

    def _broken_command(self) -> list[str] | None:
        if self.fault.get("fault") != "user_code":
            return None
        return [sys.executable, "-c", "raise RuntimeError('the rehearsal asked for a failure of user code')"]

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
            raise Ended(status.FAILED, status.INTERNAL_CODE, status.INTERNAL)
        else:
            self.log.service("The machines were preempted. The job will be restarted.", "WARNING")
            self._end_replicas()
            self.mount.upload_changes(last=True)
            raise Preempted

    def _beat(self) -> None:
        """A moment's rest, unless somebody asks to cancel."""
        self._heed_cancel()
        time.sleep(BEAT)

    def _heed_cancel(self) -> None:
        if (self.folder / "cancel").exists():
            raise Ended(status.CANCELLED, status.CANCELLED_CODE, "CANCELED")

    def _end_replicas(self) -> None:
        replicas.end(self.running, self.plan["grace_seconds"])
        self.running = []

    def _finish(self, end: Ended) -> None:
        self._end_replicas()
        for _ in tries(UPLOAD_TRIES):
            with contextlib.suppress(OSError):
                self.mount.upload_changes(last=True)
                break
        else:
            end = Ended(status.FAILED, status.INTERNAL_CODE, status.INTERNAL)
        words = {status.SUCCEEDED: "Job completed successfully.", status.FAILED: "Job failed."}
        if end.error and end.state == status.FAILED:
            self.log.service(end.error["message"], "ERROR")
        self.log.service(words.get(end.state, "Job is cancelled."), "INFO" if end.error is None else "ERROR")
        status.set_state(self.folder, end.state, end.error)


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and status.read(folder)["state"] not in status.ENDED:
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
