"""Make the environment: ``python3 include/laptop/set_up.py .venv requirements.txt`` (what `make` runs first).

It runs before anything is installed, so it needs the standard library alone. Interrupted at any moment it leaves no
environment that looks finished; two at once wait for each other.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

NEEDED_BYTES = 5 << 30  # 3.8 GB of packages, and what is downloaded meanwhile
ATTEMPTS = 3  # a connection that breaks half-way is tried again; what has arrived is kept
LAST_CHARACTERS = 1500  # of an installer's complaint


def main(environment: Path, lock: Path) -> int:
    """Set the environment up unless it is newer than the lock. Returns an exit code."""
    ready = environment / "ready"
    with environment.with_name(f"{environment.name}.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if ready.exists() and ready.stat().st_mtime >= lock.stat().st_mtime:
            return 0  # another make was faster
        if complaint := _no_room(environment):
            return _refuse(complaint)
        print(f"Setting up {environment} with {sys.executable}; this takes a minute or two.", flush=True)
        shutil.rmtree(environment, ignore_errors=True)
        python = environment / "bin" / "python"
        uv = re.search(r"^uv==\S+", lock.read_text(), re.MULTILINE)
        assert uv, f"{lock} does not name uv"
        steps = (
            ([sys.executable, "-m", "venv", str(environment)], "Python has no venv (Debian: apt install python3-venv)"),
            ([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", uv[0]], ""),
            ([str(environment / "bin" / "uv"), "pip", "sync", "--quiet", "--python", str(python), str(lock)], ""),
        )
        for command, remedy in steps:
            if complaint := _run(command):
                return _refuse(f"{complaint}\n{_no_room(environment) or remedy or _NETWORK}")
        ready.touch()
    return 0


_NETWORK = (
    "If this is about the network: is there a connection? Behind a proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL "
    "and UV_DEFAULT_INDEX. Then run the same again: what was downloaded is kept."
)


def _run(command: list[str]) -> str:
    """Run a step, again where that may help. Returns what it complained of; nothing if it went well."""
    complaint = ""
    for _ in range(ATTEMPTS if command[1] == "pip" else 1):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode == 0:
            return ""
        complaint = done.stderr.strip()[-LAST_CHARACTERS:]
    return f"{complaint}\n{Path(command[0]).name} could not do its part of the set-up (exit {done.returncode})."


def _no_room(environment: Path) -> str:
    """What to do about too little space; nothing if there is enough."""
    place = environment.absolute().parent
    free = shutil.disk_usage(place).free
    have = sum(file.lstat().st_size for file in environment.rglob("*") if file.is_file()) if environment.exists() else 0
    if free + have >= NEEDED_BYTES:
        return ""
    return (
        f"No room: {free >> 20} MiB are free at {place}, and the environment needs {NEEDED_BYTES >> 20}. "
        "Make room, or move the project to a larger disk."
    )


def _refuse(complaint: str) -> int:
    print(complaint, file=sys.stderr)
    return 2


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once and without a traceback
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
