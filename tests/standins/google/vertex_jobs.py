"""The stand-in's jobs: folders on disk (see ``vertex_status``), each with a runner of its own while it is active."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.standins.google import vertex_machines as machines
from tests.standins.google import vertex_status as status
from tests.standins.google.errors import Refusal
from tests.standins.google.gcs_objects import Objects
from tests.standins.google.vertex_faults import HOLDS, KINDS, STRIKING, refuse_as_wished
from tests.standins.google.vertex_logs import JobLog, rfc3339
from tests.standins.google.vertex_rules import Project, check_job
from tests.standins.job_folder import is_held, owning
from tests.standins.processes import PROJECT, end_remembered_groups, living_groups, remember_groups
from tests.standins.wishes import Wishes
from training_services.local_runner import write

RUNNER = (sys.executable, "-m", "tests.standins.google.vertex_runner")
ATTEMPTS = 4  # the first and three more, after which the service gives up


@dataclass(frozen=True)
class Times:
    """How long things take, in seconds."""

    queued: float = 0.5
    pending: float = 1.0
    grace: float = 10.0  # from SIGTERM to SIGKILL
    upload: float = 1.0  # between two looks at what a job wrote
    log_delay: float = 0.0


class Jobs:
    """All jobs of a project, in every region.

    Args:
        state: holds everything; another instance on the same folder goes on where this one was killed.
        gcs: where Cloud Storage answers.
    """

    def __init__(self, state: Path, project: Project, gcs: str, times: Times) -> None:
        self.state, self.project, self.gcs, self.times = state, project, gcs, times
        self.folder, self.logs, self.access = state / "jobs", state / "logs", state / "access.jsonl"
        for folder in (self.folder, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            shutil.rmtree(left)
        self.wishes = Wishes(state / "faults.json", KINDS, HOLDS, partial(Refusal, "INVALID_ARGUMENT"))
        self._objects = Objects(gcs)
        self._lock = threading.RLock()
        self._read: dict[str, tuple[int, dict[str, Any]]] = {}  # time of the last change in ns, status
        self._jobs = {each.name: json.loads((each / "job.json").read_text()) for each in self.folder.iterdir()}
        self._active = {job_id for job_id in self._jobs if self._status(job_id)["state"] not in status.ENDED}
        self._use: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._runners: dict[str, subprocess.Popen[bytes]] = {}

    # --- what the API does

    def create(self, region: str, job: dict[str, Any]) -> dict[str, Any]:
        check_job(job, region, self.project, self._objects)
        parent = f"projects/{self.project.number}/locations/{region}"
        wish = self.wishes.take(region)
        refuse_as_wished(wish, parent, job["jobSpec"])
        job_id = str(random.randrange(10**18, 9 * 10**18))
        job = {"name": f"{parent}/customJobs/{job_id}", "createTime": rfc3339()} | job
        new = self.folder / f".new-{job_id}"
        new.mkdir()
        write(new / "job.json", json.dumps(job))
        write(new / "plan.json", json.dumps(self._plan(wish)))
        if hold := wish.get("hold"):
            write(new / "hold", hold)
        status.set_state(new, status.QUEUED)
        with self._lock:
            new.rename(self.folder / job_id)
            self._jobs[job_id] = job
            self._active.add(job_id)
        return self.get(region, job_id)

    def get(self, region: str, job_id: str) -> dict[str, Any]:
        """A job as the API shows it.

        Raises:
            Refusal: there is no such job in this region.
        """
        job = self._jobs.get(job_id)
        name = f"projects/{self.project.number}/locations/{region}/customJobs/{job_id}"
        if job is None or job["name"] != name:
            raise Refusal("NOT_FOUND", f'The CustomJob "{name}" could not be found.')
        return self._view(job_id)

    def list(self, region: str) -> Iterator[dict[str, Any]]:
        """The jobs of a region, the newest first."""
        of_region = [job for job in list(self._jobs.values()) if _region(job) == region]
        for job in sorted(of_region, key=lambda job: (job["createTime"], job["name"]), reverse=True):
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                yield self._view(job["name"].rsplit("/", 1)[1])

    def cancel(self, region: str, job_id: str) -> None:
        """Ask for the end of a job; one that has ended stays as it is."""
        self.get(region, job_id)
        with self._lock:
            if self._status(job_id)["state"] not in status.ENDED:
                (self.folder / job_id / "cancel").touch()

    def delete(self, region: str, job_id: str) -> None:
        """Forget a job that has ended; its lines stay."""
        state = self.get(region, job_id)["state"]
        if state not in status.ENDED:
            message = f'The CustomJob "{self._jobs[job_id]["name"]}" is in state "{state}" and cannot be deleted.'
            raise Refusal("FAILED_PRECONDITION", message)
        with self._lock:
            gone = (self.folder / job_id).rename(self.folder / f".gone-{job_id}")
            del self._jobs[job_id]
            self._active.discard(job_id)
        shutil.rmtree(gone)

    # --- what only a rehearsal needs

    def release(self) -> None:
        """Let every held job go on."""
        for hold in self.folder.glob("*/hold"):
            hold.unlink()

    def strike(self, job_id: str, fault: str) -> None:
        """Let a fault strike a job as soon as it runs."""
        if job_id not in self._jobs or fault not in STRIKING:
            raise Refusal("INVALID_ARGUMENT", f"job={job_id!r}, fault={fault!r}: a job, and one of {sorted(STRIKING)}")
        write(self.folder / job_id / "strike", fault)

    def history(self) -> dict[str, Any]:
        """Every job's name, and the states that it had, one after the other."""
        jobs = list(self._jobs.items())
        return {key: {"displayName": job["displayName"], "states": self._status(key)["history"]} for key, job in jobs}

    def end_processes(self) -> None:
        """Kill everything that runs; the jobs stay as they are, and would begin anew."""
        with self._lock:
            for job_id in self._active:
                end_remembered_groups(self.folder / job_id / "runner.json")
                end_remembered_groups(self.folder / job_id / "replicas.json")
            self._active.clear()

    # --- what happens by itself

    def tick(self) -> None:
        """Start what may start, begin anew what lost its runner, end what was cancelled before it began."""
        with self._lock:
            self._use = self._quota_in_use()
        for job_id in list(self._active):
            with self._lock:
                if job_id in self._active:
                    self._step(job_id)

    def _step(self, job_id: str) -> None:
        folder = self.folder / job_id
        runner = self._runners.get(job_id)
        if (runner is not None and runner.poll() is None) or living_groups(folder / "runner.json"):
            return  # the second one is of an earlier stand-in, and perhaps too young to own its job
        state = self._status(job_id)["state"]
        if state == status.QUEUED:
            if (folder / "cancel").exists():
                self._end(job_id, status.CANCELLED, status.CANCELLED_CODE, "CANCELED")
            elif self._may_start(job_id):
                self._start(job_id)
        elif state not in status.ENDED:
            with owning(folder) as mine:
                lost = mine and self._status(job_id)["state"] not in status.ENDED
            if lost:
                self._begin_anew(job_id)
        if self._status(job_id)["state"] in status.ENDED:
            self._active.discard(job_id)
            self._runners.pop(job_id, None)

    def _may_start(self, job_id: str) -> bool:
        """It has waited long enough, nobody holds it, and the project's quota has room for it now."""
        job = self._jobs[job_id]
        waited = time.time() - datetime.fromisoformat(job["createTime"]).timestamp()
        if waited < self.times.queued or is_held(self.folder / job_id, status.QUEUED):
            return False
        use = self._use[_region(job)] + machines.quota_use(job["jobSpec"])
        if machines.exceeded(use, dict(self.project.quotas)):
            return False
        self._use[_region(job)] = use
        return True

    def _quota_in_use(self) -> defaultdict[str, Counter[str]]:
        """By region, what the jobs take that have left the queue."""
        use: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for job_id in self._active:
            if self._status(job_id)["state"] != status.QUEUED:
                use[_region(self._jobs[job_id])] += machines.quota_use(self._jobs[job_id]["jobSpec"])
        return use

    def _begin_anew(self, job_id: str) -> None:
        log = JobLog(self.logs / f"{job_id}.jsonl", self.project.id, job_id, self.times.log_delay)
        attempts = int((self.folder / job_id / "attempts").read_text())
        if attempts >= ATTEMPTS:
            log.service(status.INTERNAL, "ERROR")
            self._end(job_id, status.FAILED, status.INTERNAL_CODE, status.INTERNAL)
        else:
            log.service("Internal error occurred for the current attempt. The job will be restarted.", "ERROR")
            self._start(job_id)

    def _start(self, job_id: str) -> None:
        folder = self.folder / job_id
        attempts = int((folder / "attempts").read_text()) if (folder / "attempts").exists() else 0
        write(folder / "attempts", str(attempts + 1))
        with (folder / "runner.txt").open("ab") as complaints:
            self._runners[job_id] = subprocess.Popen(
                [*RUNNER, str(folder)],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                start_new_session=True,
            )
        remember_groups(folder / "runner.json", [self._runners[job_id].pid])

    def _end(self, job_id: str, state: str, code: int, message: str) -> None:
        with owning(self.folder / job_id) as mine:
            if mine:
                status.set_state(self.folder / job_id, state, {"code": code, "message": message})

    def _plan(self, wish: dict[str, Any]) -> dict[str, Any]:
        return {
            "gcs": self.gcs,
            "project": self.project.id,
            "project_number": self.project.number,
            "logs": str(self.logs),
            "access": str(self.access),
            "fault": wish if "fault" in wish else None,
            "pending_seconds": self.times.pending,
            "grace_seconds": self.times.grace,
            "upload_seconds": self.times.upload,
            "log_delay": self.times.log_delay,
        }

    def _status(self, job_id: str) -> dict[str, Any]:
        """A job's status; read again only after a change, for there may be thousands of jobs."""
        changed = (self.folder / job_id / "status.json").stat().st_mtime_ns
        if self._read.get(job_id, (0, {}))[0] != changed:
            self._read[job_id] = changed, status.read(self.folder / job_id)
        return self._read[job_id][1]

    def _view(self, job_id: str) -> dict[str, Any]:
        stands = self._status(job_id)
        shown = {key: stands[key] for key in ("startTime", "endTime", "updateTime", "error") if key in stands}
        return self._jobs[job_id] | shown | {"state": status.visible_state(self.folder / job_id, stands)}


def _region(job: dict[str, Any]) -> str:
    return job["name"].split("/")[3]
