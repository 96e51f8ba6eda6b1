"""The environment in which Airflow's components run on one machine. Nothing listens beyond 127.0.0.1."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from include.laptop.leftovers import MARK
from include.settings import PROJECT, load

PREFERRED_PORT = 8080
FIRST_OPEN_PORT, LAST_PORT = 1024, 65535  # lower ones are the system's
PORTS_TO_TRY = 100
USER = "admin"
LOCK_SECONDS = 60  # that a writer waits for another one before it gives up; SQLite has one at a time
_reservations: list[IO[str]] = []  # open files whose locks hold our ports


@dataclass(frozen=True)
class Laptop:
    """Where this machine's Airflow lives and how it is reached."""

    home: Path  # AIRFLOW_HOME
    port: int

    @classmethod
    def here(cls) -> Laptop:
        """In the settings' state folder, on the first free port from 8080 on (``PORT`` names another)."""
        asked = os.environ.get("PORT") or str(PREFERRED_PORT)
        if not (asked.isdecimal() and FIRST_OPEN_PORT <= int(asked) <= LAST_PORT):
            raise RuntimeError(f"PORT={asked}: expected a number from {FIRST_OPEN_PORT} to {LAST_PORT}, such as 8080.")
        return cls(load().home / "airflow", free_port(int(asked)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        """Where each component's own output goes."""
        return self.home / "logs" / "components"

    @property
    def database(self) -> Path:
        return self.home / "airflow.db"

    def secret(self, name: str) -> str:
        """A random secret of this installation, made at first use, readable by its owner only."""
        file = self.home / "secrets" / name
        if not file.exists():
            _write_secret(file, secrets.token_urlsafe(24))
        return file.read_text()

    def environment(self) -> dict[str, str]:
        """Environment variables for Airflow's components and for ``airflow`` by hand."""
        passwords = self.home / "secrets" / "passwords.json"
        if not passwords.exists():
            _write_secret(passwords, json.dumps({USER: self.secret("password")}))
        path = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        python_path = [str(PROJECT), str(PROJECT / "plugins"), str(PROJECT / "include" / "trainer" / "src")]
        return os.environ | {
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join(python_path),
            "PYTHONUNBUFFERED": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            MARK: str(self.home),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(max(2, min(8, os.cpu_count() or 2))),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}?timeout={LOCK_SECONDS}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self.secret("api"),
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secret("jwt"),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
        }


def _write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner may read; whole, or, interrupted, not at all."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        sink.write(text)
    unfinished.replace(file)


def free_port(preferred: int, *, quiet: bool = False) -> int:
    """The preferred port if nobody listens on it, else the next free one; says so, unless it shall be quiet.

    It is reserved among us until this process ends: two that start at the same moment would both find it free, and
    one would talk to the other's Airflow.
    """
    last = min(preferred + PORTS_TO_TRY - 1, LAST_PORT)
    for port in range(preferred, last + 1):
        if _reserve(port):
            if port != preferred and not quiet:
                print(f"Port {preferred} is taken; using {port}.")
            return port
    raise RuntimeError(f"Ports {preferred} to {last} are all taken. Say another: PORT=… make run")


def _reserve(port: int) -> bool:
    reservation = (Path(tempfile.gettempdir()) / f"lanner-{os.getuid()}-port-{port}").open("a")
    try:
        fcntl.flock(reservation, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True
