"""The replicas of a training job: one process group each, with the environment that Vertex AI gives them.

https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables,
https://cloud.google.com/vertex-ai/docs/training/distributed-training
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tests.standins.google.vertex_logs import JobLog
from tests.standins.processes import end_group

_TASKS = ("chief", "worker", "ps", "evaluator")  # TensorFlow's names for the four worker pools


class Replica:
    """One running replica; its lines go to the job's log.

    Args:
        name: such as ``workerpool0-0``.
    """

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], cwd: Path, log: JobLog) -> None:
        self.name = name
        cwd.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout and self.process.stderr
        streams = ((self.process.stdout, "INFO"), (self.process.stderr, "ERROR"))
        self._readers = [threading.Thread(target=self._follow, args=(*stream, log), daemon=True) for stream in streams]
        for reader in self._readers:
            reader.start()

    def finish_reading(self) -> None:
        for reader in self._readers:
            reader.join(2.0)

    def _follow(self, stream: IO[str], severity: str, log: JobLog) -> None:
        for line in stream:
            log.replica(self.name, line.rstrip("\n"), severity)


def names(job: dict[str, Any]) -> list[tuple[int, int]]:
    """(worker pool, index) of every replica, the primary one first."""
    pools = job["jobSpec"]["workerPoolSpecs"]
    return [(pool, index) for pool, spec in enumerate(pools) for index in range(int(spec.get("replicaCount", 0)))]


def command(spec: dict[str, Any]) -> list[str]:
    """What a replica of a worker pool runs. A container's own entry point is not known here: it must have a command."""
    if package := spec.get("pythonPackageSpec"):
        return [sys.executable, "-m", package["pythonModule"], *package.get("args", [])]
    container = spec["containerSpec"]
    return [*container.get("command", ["false"]), *container.get("args", [])]


def environments(job: dict[str, Any], project_number: str, folder: Path) -> dict[tuple[int, int], dict[str, str]]:
    """The environment of every replica; nothing of this process's own but the path of programs."""
    replicas, spec = names(job), job["jobSpec"]
    addresses = {
        replica: f"127.0.0.1:{port}" for replica, port in zip(replicas, _free_ports(len(replicas)), strict=True)
    }
    common = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(folder / "site"),
        "CLOUD_ML_JOB_ID": job["name"].rsplit("/", 1)[1],
        "CLOUD_ML_PROJECT_ID": project_number,
        "GCS_MOUNT": str(folder / "gcs"),
    }
    if output := spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/"):
        common["AIP_MODEL_DIR"] = f"{output}/model/"
        common["AIP_CHECKPOINT_DIR"] = f"{output}/checkpoints/"
        common["AIP_TENSORBOARD_LOG_DIR"] = f"{output}/logs/"
    (folder / "home").mkdir(exist_ok=True)
    found = {}
    for replica in replicas:
        pool = spec["workerPoolSpecs"][replica[0]]
        given = (pool.get("pythonPackageSpec") or pool["containerSpec"]).get("env", [])
        found[replica] = common | _cluster(addresses, replica) | {item["name"]: item.get("value", "") for item in given}
    return found


def end(replicas: Sequence[Replica], grace: float) -> None:
    """SIGTERM to all, and SIGKILL to what is left of them after a while."""
    for replica in replicas:
        if replica.process.poll() is None:
            end_group(replica.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(replica.process.poll() is None for replica in replicas):
        time.sleep(0.05)
    for replica in replicas:
        end_group(replica.process.pid, signal.SIGKILL)
        replica.process.wait()
        replica.finish_reading()


def _cluster(addresses: dict[tuple[int, int], str], replica: tuple[int, int]) -> dict[str, str]:
    """CLUSTER_SPEC for every job, TF_CONFIG for one with several replicas.

    Evaluators are no part of TF_CONFIG's cluster: https://cloud.google.com/ai-platform/training/docs/distributed-training-details
    """
    pools: dict[str, list[str]] = {}
    tasks: dict[str, list[str]] = {}
    for (pool, _), address in addresses.items():
        pools.setdefault(f"workerpool{pool}", []).append(address)
        if pool < 3:
            tasks.setdefault(_TASKS[pool], []).append(address)
    pool, index = replica
    spec = {"cluster": pools, "task": {"type": f"workerpool{pool}", "index": index}, "environment": "cloud"}
    config = {"cluster": tasks, "task": {"type": _TASKS[pool], "index": index}, "environment": "cloud"}
    several = {"TF_CONFIG": json.dumps(config)} if len(addresses) > 1 else {}
    return {"CLUSTER_SPEC": json.dumps(spec)} | several


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
