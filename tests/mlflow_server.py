"""A real MLflow server on 127.0.0.1, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SECONDS = 90  # to come up, on two busy cores


@contextlib.contextmanager
def mlflow_server(database: Path, port: int) -> Iterator[str]:
    """URL of a server on a SQLite file, new or old; it answers when the block begins."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with database.with_suffix(".log").open("ab") as log:
        server = subprocess.Popen(
            [*command, "--backend-store-uri", f"sqlite:///{database}"], stdout=log, stderr=log, cwd=database.parent
        )
    try:
        deadline = time.monotonic() + SECONDS
        while not _answers(port):
            assert time.monotonic() < deadline, f"MLflow's server did not come up; see {database.with_suffix('.log')}"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
