"""The local target: a training process on this machine that outlives the Airflow worker which started it.

A job is a folder named after it (see ``local_runner`` for the files in it). Everything is read from there, so any
process on the machine -- a worker, the triggerer, a second Airflow -- sees the same job.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil

from include.documents import DatasetDocument, Reason, State
from include.progress import last_training_line
from include.store import Store
from training_services.job import JobHandle, JobStatus, LogPage, TrainingJob
from training_services.local_runner import GRACE, write

PROJECT = Path(__file__).resolve().parents[2]
TRAINER = (sys.executable, "-m", "detector_trainer")
TRAINER_SOURCE = PROJECT / "include" / "trainer" / "src"
START_SECONDS = 30.0  # from starting the runner until it holds the job's lock
LOG_PAGE_BYTES = 1 << 18
FREE_BYTES = 1 << 30  # checkpoints, TensorBoard logs and a SavedModel fit well within


class LocalService:
    """Training jobs as processes of this machine (``TrainingService``).

    Args:
        jobs: the folder that holds a folder for each job.
        store: where datasets are; shards of a local store are linked, not copied.
        trainer: the command that trains, without its arguments.
    """

    interval = 2.0  # they are cheap to look at

    def __init__(self, jobs: Path, store: Store, trainer: Sequence[str] = TRAINER) -> None:
        self.jobs = jobs
        self.store = store
        self.trainer = tuple(trainer)

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: a side without images, starting weights gone, no room."""
        faults = []
        dataset = self.store.get(DatasetDocument, job.dataset)
        for side in ("train", "validation"):
            if not dataset.sides[side].images:
                faults.append(
                    f"EMPTY_SIDE: the {side} side of {job.dataset} has no image. Add images, or change the "
                    f"collection's shares in lanner.yaml."
                )
        weights = job.configuration.get("weights", "none")
        if weights not in {"none", "imagenet"} and not self.store.exists(weights):
            faults.append(f"NO_WEIGHTS: the starting weights {weights} are not in the store. Run plan_training again.")
        self.jobs.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.jobs).free
        if free < FREE_BYTES:
            faults.append(
                f"NO_ROOM: {free >> 20} MiB are free at {self.jobs}, a training needs {FREE_BYTES >> 20}. "
                "Remove old jobs there, or move the state folder (LANNER_HOME)."
            )
        return faults

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the job of this name or start it. A lock makes it safe for several callers at the same moment."""
        folder = self.jobs / job.name
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "claim"):
            if (folder / "started").exists():
                return JobHandle(job, self._status(job.name), submitted=False)
            self._prepare(job, folder)
            self._start(folder)
            return JobHandle(job, self._status(job.name), submitted=True)

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        return {name: self._status(name) for name in names if (self.jobs / name / "job.json").exists()}

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        return {name: self.log_lines(name, since) for name, since in cursors.items()}

    def log_lines(self, name: str, since: int) -> LogPage:
        """Whole lines of the trainer's output from byte ``since`` on, at most a page of them."""
        try:
            with (self.jobs / name / "log.txt").open("rb") as log:
                log.seek(since)
                text = log.read(LOG_PAGE_BYTES)
        except FileNotFoundError:
            return LogPage((), since)
        whole = text[: text.rfind(b"\n") + 1] if len(text) < LOG_PAGE_BYTES else text
        return LogPage(tuple(whole.decode(errors="replace").splitlines()), since + len(whole))

    def cancel(self, name: str, reason: Reason = Reason.USER) -> None:
        """Ask the job to stop (it writes a checkpoint), and see to it that it does."""
        folder = self.jobs / name
        if not (folder / "job.json").exists() or not self._status(name).active:
            return
        write(folder / "cancel", reason.value)
        self._signal(folder, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._status(name).active and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._status(name).active:
            self._signal(folder, signal.SIGKILL)

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        return Decimal(0)  # the machine is there anyway

    def collect(self, name: str, into: Path) -> Path:
        """Copy the trainer's output, except the checkpoints that only a resumption needs."""
        source = self.jobs / name / "output"
        ignore = shutil.ignore_patterns("last", "tensorboard", "*.part")
        return Path(shutil.copytree(source, into, dirs_exist_ok=True, ignore=ignore))

    # --- how it is done

    def _status(self, name: str) -> JobStatus:
        folder = self.jobs / name
        progress = last_training_line(folder / "output" / "metrics.jsonl")
        known = JobStatus(name, State.PENDING, owner=_read_json(folder / "job.json").get("owner"), progress=progress)
        if not (folder / "started").exists():
            return known
        if not (folder / "ended").exists() and not _is_free(folder / "lock"):
            seconds = round(time.time() - (folder / "started").stat().st_mtime, 1)
            return replace(known, state=State.RUNNING, seconds=seconds)
        if (folder / "ended").exists():
            ended = _read_json(folder / "ended")
            reason = Reason(ended["reason"]) if ended["reason"] else None
            state, message, seconds = State(ended["state"]), ended["message"], ended["seconds"]
            return replace(known, state=state, reason=reason, message=message, seconds=seconds)
        if (folder / "cancel").exists():
            reason = Reason((folder / "cancel").read_text())
            return replace(known, state=State.CANCELLED, reason=reason, message="killed on request")
        message = "the training process vanished without a word (killed? a power cut?)"
        return replace(known, state=State.FAILED, reason=Reason.LOST, message=message)

    def _prepare(self, job: TrainingJob, folder: Path) -> None:
        """Lay out the job's folder: data by link, configuration, the command. Done again, it does no harm."""
        dataset = self.store.get(DatasetDocument, job.dataset)
        for side in ("train", "validation"):
            for shard in dataset.sides[side].shards:
                self._provide(shard.path, folder / "data" / side / Path(shard.path).name)
        self._provide(dataset.label_map_pbtxt, folder / "data" / "label_map.pbtxt")
        configuration = dict(job.configuration)
        if configuration.get("weights", "none") not in {"none", "imagenet"}:
            configuration["weights"] = str(self._provide(configuration["weights"], folder / "start.weights.h5"))
        write(folder / "configuration.json", json.dumps(configuration, indent=1))
        arguments = [*self.trainer, "--config", str(folder / "configuration.json")]
        arguments += ["--data", str(folder / "data"), "--output", str(folder / "output")]
        if resume := self._last_checkpointed(job):
            arguments += ["--resume", str(resume)]
        environment = {"PYTHONPATH": str(TRAINER_SOURCE), "PYTHONUNBUFFERED": "1"}
        write(folder / "command.json", json.dumps({"arguments": arguments, "environment": environment}, indent=1))
        write(folder / "job.json", json.dumps(job.as_dict(), indent=1))

    def _last_checkpointed(self, job: TrainingJob) -> Path | None:
        """The output folder of the newest attempt before this one that got as far as a checkpoint."""
        from detector_trainer.checkpoints import checkpoint_path

        earlier = [self.jobs / job.as_attempt(number).name / "output" for number in range(job.attempt - 1, 0, -1)]
        return next((output for output in earlier if checkpoint_path(output, "last").is_file()), None)

    def _provide(self, relative: str, local: Path) -> Path:
        """A file of the store at a local path: a link where the store is a folder, else a copy."""
        local.parent.mkdir(parents=True, exist_ok=True)
        if not self.store.is_local:
            return self.store.copy_out(relative, local)
        local.unlink(missing_ok=True)
        local.symlink_to(str(self.store.path(relative)))
        return local

    def _start(self, folder: Path) -> None:
        """Start the runner, detached, and wait until it holds the job's lock."""
        with (folder / "runner.txt").open("ab") as complaints:
            runner = subprocess.Popen(
                [sys.executable, "-m", "training_services.local_runner", str(folder)],
                env=os.environ | {"PYTHONPATH": str(PROJECT / "plugins")},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (folder / "started").exists():
            if runner.poll() not in {None, 0} or time.monotonic() > deadline:
                said = (folder / "runner.txt").read_text()[-2000:]
                raise RuntimeError(f"The runner of {folder.name} did not start within {START_SECONDS:.0f} s: {said}")
            time.sleep(0.05)

    def _signal(self, folder: Path, number: signal.Signals) -> None:
        """Signal the runner, which passes SIGTERM on; with SIGKILL, or if it is gone, the whole process group.

        The held lock says that the process id is still theirs. A trainer asked twice stops without a checkpoint.
        """
        leader = int((folder / "started").read_text())
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGTERM and psutil.pid_exists(leader):
                os.kill(leader, number)
            else:
                os.killpg(leader, number)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}


def _is_free(lock: Path) -> bool:
    """Nobody holds the lock (the file need not exist)."""
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; falls with the process."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
