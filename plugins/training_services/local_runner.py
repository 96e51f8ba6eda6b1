"""Runs one local training job to its end and writes down how it ended.

``python -m training_services.local_runner JOB``.

It is a process of its own, in a session of its own, so that the job outlives the Airflow worker that submitted it.
Only the standard library is imported: it sits beside the training for hours.

In the job's folder:

=============  =====================================================================================
``lock``       locked (flock) as long as the job runs, by this process *and* its trainer; the lock falls
               with the last of them, even by SIGKILL, and unlike a process id it is never reused
``started``    process id of the runner, which leads the job's process group
``log.txt``    what the trainer printed
``cancel``     asked to stop: the reason
``ended``      JSON: state, reason, message, exit_code, seconds; a free lock without it means LOST
=============  =====================================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import FrameType

GRACE = 60.0  # seconds from SIGTERM (the trainer writes a checkpoint) to SIGKILL
PATIENCE = 2.0  # seconds to wait for the lock
EXIT_BAD_INPUT = 2
EXIT_STOPPED = 75  # the trainer's word for "stopped with a checkpoint" (sysexits.h: EX_TEMPFAIL)


def run(folder: Path) -> int:
    """Run the job described by ``job.json`` and ``command.json`` in its folder. Returns the trainer's exit code."""
    with (folder / "lock").open("a") as lock:
        if not _take(lock.fileno()) or (folder / "ended").exists():
            return 0  # another runner of this job was faster
        write(folder / "started", str(os.getpid()))
        begun = time.monotonic()
        limit = json.loads((folder / "job.json").read_text())["max_seconds"]
        code, timed_out = _supervise(folder, lock.fileno(), limit)
        ending = verdict(folder, code, timed_out, limit) | {
            "exit_code": code,
            "seconds": round(time.monotonic() - begun, 1),
        }
        write(folder / "ended", json.dumps(ending))
        return code


def _take(lock: int) -> bool:
    """Take the job's lock; a glance at it (``local._is_free``) may hold it for a moment."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def _supervise(folder: Path, lock: int, limit: float) -> tuple[int, bool]:
    """Start the trainer and wait; pass SIGTERM on; end it at the limit. Returns exit code, and if it timed out."""
    command = json.loads((folder / "command.json").read_text())
    environment = os.environ | command["environment"]
    with (folder / "log.txt").open("ab") as log:
        trainer = subprocess.Popen(
            command["arguments"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
        )

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # asked twice, the trainer would stop without a checkpoint
        trainer.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if (folder / "cancel").exists():  # asked between submit and now
        trainer.terminate()
    try:
        return trainer.wait(limit), False
    except subprocess.TimeoutExpired:
        trainer.terminate()
    try:
        return trainer.wait(GRACE), True
    except subprocess.TimeoutExpired:
        trainer.kill()
        return trainer.wait(), True


def verdict(folder: Path, code: int, timed_out: bool, limit: float) -> dict[str, str | None]:
    """State, reason and message of a job whose trainer ended with ``code`` (negative: by that signal)."""
    failure = folder / "output" / "failure.json"
    told = json.loads(failure.read_text())["message"] if failure.exists() else f"exit code {code}; see the job's log"
    if code == 0:
        return {"state": "SUCCEEDED", "reason": None, "message": ""}
    if timed_out:
        message = f"not done after {limit:.0f} s, the job's own limit (max_hours of the target in lanner.yaml)"
        return {"state": "FAILED", "reason": "TIMEOUT", "message": message}
    if (folder / "cancel").exists():
        reason = (folder / "cancel").read_text()
        how = "after writing a checkpoint" if code == EXIT_STOPPED else "before there was anything to keep"
        return {"state": "CANCELLED", "reason": reason, "message": f"stopped on request, {how}"}
    if code == EXIT_BAD_INPUT:
        return {"state": "FAILED", "reason": "BAD_INPUT", "message": told}
    if code == EXIT_STOPPED:
        return {"state": "FAILED", "reason": "LOST", "message": "stopped from outside, after writing a checkpoint"}
    if code < 0:
        message = f"the trainer was killed by {signal.Signals(-code).name} (out of memory? a shutdown?)"
        return {"state": "FAILED", "reason": "LOST", "message": message}
    return {"state": "FAILED", "reason": "TRAINER_ERROR", "message": told}


def write(file: Path, text: str) -> None:
    """Write a small file so that a reader sees all of it or none."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    temporary.write_text(text)
    temporary.replace(file)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
