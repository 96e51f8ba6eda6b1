"""A running host of a training job: its program in a process group of its own, its lines on the way to the log."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO

from tests.standins.aws.sagemaker_container import Container
from tests.standins.aws.sagemaker_logs import HostLog
from tests.standins.aws.sagemaker_programs import Program
from tests.standins.processes import end_group

TOLD_LINES = 20  # of what the program complained, in a failure
CLIENT_ERROR = 2  # the exit code by which an algorithm blames the one who submitted the job


class Host:
    """One container while it runs.

    A script never gets SIGTERM: it goes to the toolkit, which does not pass it on
    (https://github.com/aws/sagemaker-training-toolkit/issues/125,
    https://github.com/aws/deep-learning-containers/issues/632). A command that the job brings as
    ``ContainerEntrypoint`` gets it, and so does a built-in algorithm.

    Args:
        program: what runs in the container.
        read: is told of every line.
        command: runs in place of the program's own.
    """

    def __init__(
        self,
        container: Container,
        program: Program,
        log: HostLog,
        read: Callable[[str], None],
        command: Sequence[str] | None = None,
    ) -> None:
        self.container, self.program, self.log, self.name = container, program, log, container.host
        self.command = list(command or program.command(container))
        self._read = read
        self._complaints: deque[str] = deque(maxlen=TOLD_LINES)
        if program.is_script:
            log.line("sagemaker-training-toolkit INFO     Invoking user script")
        self.process = subprocess.Popen(
            self.command,
            env=program.environment(container),
            cwd=container.code,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout and self.process.stderr
        self._readers = [
            threading.Thread(target=self._follow, args=(self.process.stdout, False), daemon=True),
            threading.Thread(target=self._follow, args=(self.process.stderr, True), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def gets_sigterm(self) -> bool:
        return not self.program.is_script

    def failure(self, code: int) -> str:
        """Why it failed, as the service tells it: the file ``output/failure``, which the toolkit writes for a script.

        That a script's own file is kept, and that the exit code follows, is from memory.
        """
        file = self.container.output / "failure"
        if self.program.is_script and not file.exists():
            complaint, command = "\n".join(self._complaints), " ".join(self.command)
            file.write_text(
                f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{complaint}"\nCommand "{command}"'
            )
        told = file.read_text(errors="replace") if file.exists() else ""
        shown = 1 if self.program.is_script else code if code > 0 else 128 - code
        kind = "ClientError" if self.program.is_builtin and code == CLIENT_ERROR else "AlgorithmError"
        return f"{kind}: {told}, exit code: {shown}"

    def finish_reading(self) -> None:
        for reader in self._readers:
            reader.join(2.0)
        self.log.flush(now=True)

    def end(self) -> None:
        """Kill it and all that it started."""
        end_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.finish_reading()

    def _follow(self, stream: IO[str], complains: bool) -> None:
        for line in stream:
            text = line.rstrip("\n")
            self.log.line(text)
            self._read(text)
            if complains:
                self._complaints.append(text)
