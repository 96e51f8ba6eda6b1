"""A machine of a job while it runs: the command in a process group of its own, its lines on the way to the log.

Environment: https://learn.microsoft.com/azure/machine-learning/how-to-train-with-rest (``AZURE_ML_INPUT_…``),
https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu (``TF_CONFIG``); the other names are
from memory. The command is bash's, in an empty folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from tests.standins.azure.azure_ml_storage import Storage
from tests.standins.processes import end_group

TOLD_LINES = 20  # of what was said last, in a failure
_EXPRESSION = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}")


class NodeLog:
    """The lines of a machine, appended to a blob of the workspace now and then."""

    def __init__(self, storage: Storage, container: str, path: str) -> None:
        self._storage, self._container, self._path = storage, container, path
        self._waiting: list[str] = []
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        with self._lock:
            self._waiting.append(text + "\n")

    def flush(self) -> None:
        """Append what waits; what the storage does not take now waits on."""
        with self._lock:
            waiting = list(self._waiting)
        if waiting:
            with contextlib.suppress(OSError):
                self._storage.append(self._container, self._path, "".join(waiting))
                with self._lock:
                    del self._waiting[: len(waiting)]


class Node:
    """One machine.

    Args:
        folders: where inputs and outputs are, by ``inputs.<name>`` and ``outputs.<name>``.
        command: in place of the job's own.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        rank: int,
        addresses: list[str],
        folder: Path,
        folders: Mapping[str, Path],
        log: NodeLog,
        command: str | None = None,
    ) -> None:
        self.log = log
        self._last: deque[str] = deque(maxlen=TOLD_LINES)
        properties = job["properties"]
        text = command or _EXPRESSION.sub(lambda found: str(folders[f"{found[1]}.{found[2]}"]), properties["command"])
        (folder / "wd").mkdir(parents=True, exist_ok=True)
        (folder / "home").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", text],
            env=environment(job, rank, addresses, folder, folders),
            cwd=folder / "wd",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout
        self._reader = threading.Thread(target=self._follow, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def failure(self, code: int, log: str) -> str:
        """Why it failed, as the service tells it."""
        status = code if code > 0 else 128 - code
        said = "\n".join(self._last)
        killed = " It was killed, probably for want of memory." if status == 137 else ""
        return (
            f"Execution failed. User process 'python' exited with status code {status}.{killed} Please check log file "
            f"'user_logs/{log}' for error details. Error: {said}"
        )

    def terminate(self) -> None:
        end_group(self.process.pid, signal.SIGTERM)

    def end(self) -> None:
        """Kill it and all that it started."""
        end_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.finish_reading()

    def finish_reading(self) -> None:
        self._reader.join(2.0)
        self.log.flush()

    def _follow(self, stream: IO[str]) -> None:
        for line in stream:
            text = line.rstrip("\n")
            self._last.append(text)
            self.log.line(text)


def environment(
    job: Mapping[str, Any], rank: int, addresses: list[str], folder: Path, folders: Mapping[str, Path]
) -> dict[str, str]:
    """Nothing of this process's own but the path of programs."""
    _, subscription, _, group, _, _, _, workspace, _, name = job["id"].strip("/").split("/")
    properties = job["properties"]
    found = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "AZUREML_RUN_ID": name,
        "AZUREML_ROOT_RUN_ID": name,
        "AZUREML_EXPERIMENT_NAME": properties.get("experimentName", "Default"),
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_CR_NODE_RANK": str(rank),
        "AZUREML_NODE_COUNT": str(len(addresses)),
        "MLFLOW_RUN_ID": name,
    }
    for place, path in folders.items():
        kind, _, key = place.partition(".")
        found[f"AZURE_ML_{kind.removesuffix('s').upper()}_{key}"] = str(path)
    if (properties.get("distribution") or {}).get("distributionType") == "TensorFlow":
        task = {"type": "worker", "index": rank}
        found["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task, "environment": "cloud"})
    return found | properties.get("environmentVariables", {})
