"""A stand-in as a process of its own: started, known to answer, killed and started again, ended by its process id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from training_services.local_runner import write

# include.settings has it, too, but costs 0.2 CPU seconds at import, and the runner of each job would pay them.
PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0  # on two busy cores
END_SECONDS = 10.0


class Standin:
    """A server process on 127.0.0.1. What it prints goes to ``<state>/<name>.log``.

    Args:
        name: what it is, for messages and the log's name.
        command: how it is started.
        url: where it answers.
        state: folder that survives it.
        ready: a path that answers, with any status, once it serves.
    """

    def __init__(self, name: str, command: Sequence[str], url: str, state: Path, ready: str = "/") -> None:
        self.name, self.command, self.url, self.state = name, tuple(command), url, state
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Standin:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        return self.state / f"{self.name}.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.state.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=PROJECT,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "plugins"), *_python_path()])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not come up at {self.url}: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as its user would (SIGTERM), or by force if it does not listen."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would; what it had detached lives on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url + self._ready, timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project."""
    return [sys.executable, "-m", module, *arguments]


def python_path() -> str:
    """Where this project's own modules are found, the trainer's among them."""
    return os.pathsep.join(map(str, (PROJECT, PROJECT / "plugins", PROJECT / "include" / "trainer" / "src")))


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """What a condition returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:.0f} s"
        time.sleep(0.05)
    return found


def remember_groups(file: Path, leaders: Sequence[int]) -> None:
    """Write down process groups, for whoever must end them if their parent cannot."""
    groups = [{"pid": leader, "begun": psutil.Process(leader).create_time()} for leader in leaders]
    write(file, json.dumps(groups))


def living_groups(file: Path) -> list[int]:
    """Leaders of the groups that were written down; a process id that another process has by now is left out."""
    found = []
    for group in json.loads(file.read_text()) if file.exists() else []:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(group["pid"])
            if leader.create_time() == group["begun"] and leader.status() != psutil.STATUS_ZOMBIE:
                found.append(leader.pid)
    return found


def end_remembered_groups(file: Path) -> None:
    """Kill the groups that were written down."""
    for leader in living_groups(file):
        end_group(leader, signal.SIGKILL)
    file.unlink(missing_ok=True)


def end_group(leader: int, number: signal.Signals) -> None:
    """Signal a whole process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


def free_addresses(hosts: Sequence[str]) -> dict[str, str]:
    """An address on this machine for each host."""
    sockets = [socket.socket() for _ in hosts]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = {host: f"127.0.0.1:{each.getsockname()[1]}" for host, each in zip(hosts, sockets, strict=True)}
    for each in sockets:
        each.close()
    return found
