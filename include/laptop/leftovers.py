"""End what an Airflow of this machine left running: orphaned workers, and the training jobs of the local target."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import psutil

MARK = "LANNER_LAPTOP"  # in the environment of everything that this Airflow starts; its value is AIRFLOW_HOME
RUNNER = "training_services.local_runner"
TRAINER = "detector_trainer"
GRACE = 30.0  # seconds for a training to write its checkpoint


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process of an Airflow of this machine: those that carry its mark, and the others of their groups.

    Airflow's API server and workers write a title over their environment, and so over the mark; but each component
    has a process group of its own, whose first process keeps it. This process, its parent and its group are no part.
    """
    marked: list[psutil.Process] = []
    grouped: dict[psutil.Process, int] = {}
    ours = {os.getpid(), os.getppid()}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):  # another user's, or gone
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            grouped[process] = os.getpgid(process.pid)
            if process.environ().get(MARK) == str(home):
                marked.append(process)
    groups = {grouped[process] for process in marked} - {os.getpgrp()}
    found = [process for process, group in grouped.items() if process in marked or group in groups]
    return [process for process in found if process.pid not in ours]


def end_leftovers(home: Path) -> int:
    """End every process of an Airflow of this machine. Returns how many there were.

    Trainings are asked first and given time for a checkpoint, so that the next start goes on from there; the rest
    is killed, since its work is done again by design.
    """
    ours = processes_of(home)
    runners = [process for process in ours if _runs(process, RUNNER)]
    trainers = [process for process in ours if _runs(process, TRAINER)]
    trainings = runners + trainers
    others = [process for process in ours if process not in trainings]
    for process in others:
        _quietly(process.kill)
    for process in runners or trainers:  # a runner passes it on; a trainer asked twice would write no checkpoint
        _quietly(process.terminate)
    _, stubborn = psutil.wait_procs(trainings, timeout=GRACE)
    for process in stubborn:
        _quietly(process.kill)
    psutil.wait_procs(others, timeout=5)
    return len(ours)


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        act()
