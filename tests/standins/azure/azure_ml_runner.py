"""Runs one job of the Azure ML stand-in on its machines. ``python -m tests.standins.azure.azure_ml_runner JOB``.

A process of its own, so that a job outlives a killed stand-in, as it outlives a broken front end of the service. A
killed runner is started again and begins the job anew with what is in Blob storage. One whose machines were taken away
leaves the job in the queue.

Of the words in which a job fails, those of a bad exit have been reported by users
(https://github.com/Azure/azureml-examples/issues/2614); all others are from memory, and so is that a cancelled job gets
SIGTERM, and that a job which is cancelled for its time ends as Canceled.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.standins.azure import azure_ml_status as status
from tests.standins.azure.azure_ml_node import Node, NodeLog
from tests.standins.azure.azure_ml_storage import Missing, Storage, clear
from tests.standins.job_folder import is_held, owning, tries
from tests.standins.processes import end_remembered_groups, free_addresses, remember_groups
from tests.standins.runners import HOSTS
from tests.standins.synced_folder import SyncedFolder

BEAT = 0.1  # seconds between two looks at everything
STRIKING = frozenset({"memory", "internal", "preempted"})
_BROKEN = "python -c \"raise RuntimeError('the rehearsal asked for a failure of user code')\""


class Ended(Exception):
    """The job is over."""

    def __init__(self, ends: str, error: dict[str, Any] | None = None) -> None:
        super().__init__(ends)
        self.ends, self.error = ends, error


class Preempted(Exception):
    """The machines were taken away; the job goes back into the queue."""


class Run:
    """One job, in its folder (see ``azure_ml_status``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: dict[str, Any] = json.loads((folder / "job.json").read_text())
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.storage = Storage(self.plan["storage"], Path(self.plan["access"]), folder.name)
        self.fault: dict[str, Any] = self.plan["fault"] or {}
        self.outputs: list[SyncedFolder] = []
        self.running: list[Node] = []

    def to_the_end(self) -> None:
        """Go on from wherever the job stands. Leaves it in a final status, or in the queue."""
        end_remembered_groups(self.folder / HOSTS)
        try:
            status.enter(self.folder, status.RUNNING)
            self._start()
            self._watch()
        except Preempted:
            self._queue_again()
        except Ended as end:
            self._finish(end)
        except Exception:
            traceback.print_exc()
            self._finish(Ended(status.FAILED, status.system_failure(status.INTERNAL)))

    def _start(self) -> None:
        """Mount what the job names, and start its command on every machine."""
        work = self.folder / "work"
        clear(work)
        folders: dict[str, Path] = {}
        for name, uri in self.plan["inputs"].items():
            self._heed()
            folders[f"inputs.{name}"] = work / "inputs" / name
            try:
                self.storage.mount(uri, folders[f"inputs.{name}"])
            except Missing as missing:
                message = f"Failed to mount input {name}: ScriptExecution.StreamAccess.NotFound: {missing}"
                raise Ended(status.FAILED, status.user_failure(message, "StreamAccess.NotFound")) from missing
        for name, uri in self.plan["outputs"].items():
            folders[f"outputs.{name}"] = work / "outputs" / name
            self.outputs.append(SyncedFolder(self.storage, folders[f"outputs.{name}"], uri, patient=False))
            self.outputs[-1].restore()
        machines = self.plan["machines"]
        addresses = list(free_addresses([str(rank) for rank in range(machines)]).values())
        command = _BROKEN if self.fault.get("fault") == "user_code" else None
        for rank in range(machines):
            log = NodeLog(
                self.storage, self.plan["artifacts"], f"ExperimentRun/dcid.{self.folder.name}/{self._log(rank)}"
            )
            node = Node(self.job, rank, addresses, work / f"node-{rank}", folders, log, command)
            self.running.append(node)
        remember_groups(self.folder / HOSTS, [node.process.pid for node in self.running])

    def _log(self, rank: int) -> str:
        return "user_logs/std_log.txt" if self.plan["machines"] == 1 else f"user_logs/std_log_worker_{rank}.txt"

    # --- while it runs

    def _watch(self) -> None:
        """Follow the machines until all have ended, or any one badly."""
        begun = looked = time.monotonic()
        while any(node.process.poll() is None for node in self.running):
            self._check_failed()
            self._beat()
            self._strike(time.monotonic() - begun)
            if time.monotonic() - looked > self.plan["upload_seconds"]:
                for node in self.running:
                    node.log.flush()
                self._upload()
                looked = time.monotonic()
        self._check_failed()
        raise Ended(status.COMPLETED)

    def _check_failed(self) -> None:
        for rank, node in enumerate(self.running):
            if code := node.process.poll():
                node.finish_reading()
                message = node.failure(code, self._log(rank).rpartition("/")[2])
                raise Ended(status.FAILED, status.user_failure(message, "ExecutionFailed"))

    def _strike(self, seconds: float) -> None:
        """Do what a fault of a running job asks for, once its time has come, or somebody asks for it now."""
        now = self.folder / "strike"
        kind = now.read_text() if now.exists() else self.fault.get("fault")
        if kind not in STRIKING or (not now.exists() and seconds < self.fault.get("after", 0)):
            return
        now.unlink(missing_ok=True)
        self.fault = {}
        if kind == "memory":
            self.running[0].process.kill()
        elif kind == "internal":
            raise Ended(status.FAILED, status.system_failure(status.INTERNAL))
        else:
            raise Preempted

    def _beat(self) -> None:
        """A moment's rest, unless the job is to end."""
        self._heed()
        time.sleep(BEAT)

    def _heed(self) -> None:
        """End the job if somebody asked for that, or its time is up."""
        if (self.folder / "cancel").exists():
            raise Ended(status.CANCELED)
        begun = status.seconds_since(status.read(self.folder)["startTimeUtc"])
        if self.plan["limit_seconds"] and begun > self.plan["limit_seconds"]:
            raise Ended(status.CANCELED)

    # --- at the end

    def _end_nodes(self, grace: float = 0.0) -> None:
        if grace:
            for node in self.running:
                if node.process.poll() is None:
                    node.terminate()
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and any(node.process.poll() is None for node in self.running):
            time.sleep(BEAT)
        for node in self.running:
            node.end()
        self.running = []

    def _queue_again(self) -> None:
        """What it had written is in Blob storage; the plan's fault has struck."""
        self._end_nodes()
        self._upload(last=True)
        (self.folder / "plan.json").write_text(json.dumps({**self.plan, "fault": None}))
        (self.folder / "attempts").unlink(missing_ok=True)
        status.enter(self.folder, status.QUEUED)

    def _finish(self, end: Ended) -> None:
        self._end_nodes(self.plan["grace_seconds"] if end.ends == status.CANCELED else 0.0)
        if end.ends == status.COMPLETED:
            status.enter(self.folder, status.FINALIZING)
            while is_held(self.folder, status.FINALIZING):
                time.sleep(BEAT)
        for _ in tries(5):
            with contextlib.suppress(OSError):
                self._upload(last=True, strict=True)
                break
        else:
            end = Ended(status.FAILED, status.system_failure(status.INTERNAL))
        status.enter(self.folder, end.ends, end.error)
        clear(self.folder / "work")

    def _upload(self, *, last: bool = False, strict: bool = False) -> None:
        for output in self.outputs:
            with contextlib.nullcontext() if strict else contextlib.suppress(OSError):  # the next time, then
                output.upload_changes(last=last)


def main(folder: Path) -> None:
    with owning(folder) as mine:
        if mine and status.read(folder)["status"] not in status.ENDED:
            Run(folder).to_the_end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
