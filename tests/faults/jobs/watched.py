"""The jobs of a target, seen from outside: what lies in its folders, which processes train, how a job is lost."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import psutil

from tests.faults.phases import Phase
from tests.faults.sample import IMAGES, SLOW_TRAINING, STEPS, TRAINING
from tests.standins.clouds import Cloud
from tests.standins.processes import until

CHECKPOINT = "checkpoints/last/state.npz"

Output = Callable[[str], bytes | None]  # a file that a trainer wrote, by its name; None: there is none


@dataclass(frozen=True)
class Attempt(ABC):
    """One job.

    Attributes:
        log: its whole log, or a part of it that has what resumptions say.
    """

    name: str
    cancelled: bool
    log: Callable[[], str]

    @abstractmethod
    def at_work(self) -> bool:
        """Has it got somewhere?"""

    @abstractmethod
    def may_be_held(self) -> bool:
        """Is there what its next attempt goes on from, if that needs anything?"""


@dataclass(frozen=True)
class TrainerAttempt(Attempt):
    """One job of our trainer.

    Attributes:
        output: what its trainer has written until now.
        kept: what of that is left if its machine is gone in this moment.
    """

    output: Output
    kept: Output

    def at_work(self) -> bool:
        return bool(self.steps())

    def may_be_held(self) -> bool:
        return self.kept(CHECKPOINT) is not None

    def steps(self) -> list[int]:
        """The steps whose loss it wrote down."""
        lines = (self.output("metrics.jsonl") or b"").decode().splitlines()
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return [line["step"] for line in whole if "loss" in line]


class Jobs(ABC):
    """All jobs of a deployment on one target; what is here as it is holds where our trainer trains.

    Attributes:
        grace: seconds for which one that its service has told to stop may go on.
        options: of the stand-in.
        phases: of a run that can be seen, in order.
        images: of the sample.
        training, slow: what lanner.yaml says of a training that ends soon, and of one that lasts.

    Args:
        folder: of the deployment.
        cloud: on this machine, if the target is one of a cloud.
    """

    grace: ClassVar[float] = 0.0
    options: ClassVar[tuple[str, ...]] = ()
    phases: ClassVar[tuple[Phase, ...]] = tuple(phase for phase in Phase if phase is not Phase.UPLOADING)
    images: ClassVar[int] = IMAGES
    training: ClassVar[Mapping[str, Any]] = TRAINING
    slow: ClassVar[Mapping[str, Any]] = SLOW_TRAINING

    @abstractmethod
    def __init__(self, folder: Path, cloud: Cloud | None) -> None: ...

    @abstractmethod
    def attempts(self, prefix: str) -> Sequence[Attempt]:
        """Jobs that were really submitted and whose names begin so, the first one first."""

    @abstractmethod
    def processes(self) -> list[psutil.Process]:
        """What trains now, and what looks after it."""

    @abstractmethod
    def lose(self, attempt: Attempt) -> None:
        """Let the service lose a running job."""

    def wish(self, fault: str) -> None:
        """What the next job is to suffer: "capacity", "permission" or "quota". Not every service can be told so."""
        raise NotImplementedError(f"Nothing is refused on {type(self).__name__}.")

    def forget_wishes(self) -> None:
        """Let no later job suffer what none has suffered yet."""
        raise NotImplementedError(f"Nothing is refused on {type(self).__name__}.")

    def make_slow(self) -> None:
        """Let the next training last, where ``slow`` alone does not."""
        return

    def make_upload_slow(self) -> None:
        """Let the next upload last for long enough to be struck."""
        return

    def uploading(self, prefix: str) -> bool:
        """Has a part of the data arrived, and no job been submitted?"""
        return False

    def left(self, prefix: str) -> list[str]:
        """What of trainings that are over still lies in the cloud and is in the way there."""
        return []

    def assert_trained(self, attempts: Sequence[Attempt]) -> None:
        """Together they trained what was asked for, and nothing of it twice."""
        steps = [job.steps() for job in attempts if isinstance(job, TrainerAttempt)]
        assert steps[-1][-1] == STEPS
        assert len(steps[-1]) == len(set(steps[-1])), "a step was trained twice"

    def assert_resumed(self, attempt: Attempt) -> None:
        """It went on from the checkpoint of the one before: so the trainer logs it."""
        assert "from step" in attempt.log()

    def assert_stopped(self, attempt: Attempt) -> None:
        """Of one that was stopped there is a checkpoint."""
        until(attempt.may_be_held, 10, "its checkpoint")


class StandInJobs(Jobs):
    """Jobs in a stand-in, which can be told to fail.

    Attributes:
        client: of the stand-in.
        faults: what it calls those of ``wish``, where it has names of its own.
    """

    client: Any
    faults: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def lose(self, attempt: Attempt) -> None:
        for process in self.processes():  # it was held; what the service takes away it does not hold
            process.resume()
        self.client.control("strike", self.strike(attempt))

    def strike(self, attempt: Attempt) -> dict[str, str]:
        """What the stand-in is told to let a job be lost."""
        return {"job": attempt.name, "fault": "internal"}

    def wish(self, fault: str) -> None:
        self.client.control("next", {"fault": self.faults.get(fault, fault)})

    def forget_wishes(self) -> None:
        self.client.control("next", method="DELETE")


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


def command_of(process: psutil.Process) -> list[str]:
    """Its arguments; none of one that has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
