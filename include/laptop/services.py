"""Start Airflow's components together, and end them together. ``python -m include.laptop.services``

It runs as a child of ``make run`` and ends, with everything that it started, when its standard input closes: so
also when its parent is killed. Each component is in a process group of its own, its output in a log file of its own;
one that ends (killed, out of memory) is started again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from honcho.manager import Manager

from include.laptop.leftovers import end_leftovers

COMPONENTS = {
    "api-server": "api-server",
    "dag-processor": "dag-processor",
    "triggerer": "triggerer --skip-serve-logs",
    "scheduler": "scheduler --skip-serve-logs",
}
RESTART_SECONDS = 3


class Quiet:
    """honcho's printer, silent: the components write to files."""

    width = 0

    def write(self, message: object) -> None:
        pass


def migrate(database: Path) -> None:
    """Create or upgrade Airflow's SQLite database, beside its place: interrupted, it leaves the old one, or none."""
    database.parent.mkdir(parents=True, exist_ok=True)
    unfinished = database.with_suffix(".migrating")
    unfinished.unlink(missing_ok=True)
    if database.exists():
        shutil.copyfile(database, unfinished)
    environment = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{unfinished}"}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"Airflow's database {database} could not be set up:\n{done.stderr[-3000:]}\n"
            "Mend what it complains of (no space left?) and run the same again; `make clean` starts from nothing."
        )
    unfinished.replace(database)


def supervise(logs: Path, url: str, home: Path) -> int:
    """Keep all components running until standard input closes. Returns an exit code."""
    logs.mkdir(parents=True, exist_ok=True)
    manager = Manager(printer=Quiet())
    for name, arguments in COMPONENTS.items():
        log = shlex.quote(str(logs / f"{name}.log"))
        once = f"{shlex.quote(sys.executable)} -m airflow {arguments}"
        again = f'echo "{name} ended with $?; it is started again in {RESTART_SECONDS} s"; sleep {RESTART_SECONDS}'
        command = f"while :; do {once}; {again}; done >>{log} 2>&1"
        if name == "scheduler":  # its first tasks would fail before the API server answers
            command = f"{shlex.quote(sys.executable)} -m include.laptop.services --wait {url} && {command}"
        manager.add_process(name, command)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    manager.loop()
    end_leftovers(home)
    return manager.returncode or 0


def wait_for(url: str, seconds: float = 180.0) -> None:
    """Return when Airflow's API server answers; ``TimeoutError`` if it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/v2/version", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"Airflow's API server did not answer at {url} within {seconds:.0f} s; see its log.")


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin.read(): its lock, held in a thread, would block the forks
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    if sys.argv[1] == "--wait":
        wait_for(sys.argv[2])
    else:
        sys.exit(supervise(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
