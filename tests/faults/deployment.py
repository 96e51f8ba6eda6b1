"""A whole Airflow whose components can be killed, frozen and started again, one by one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy

from include.laptop.api import Api
from include.laptop.environment import USER, Laptop, free_port
from include.laptop.leftovers import end_leftovers
from include.laptop.running import DAGS
from include.laptop.services import COMPONENTS, wait_for
from include.settings import PROJECT
from include.store import Store
from tests.faults.jobs.targets import JOBS
from tests.standins.clouds import Cloud

FIRST_PORT = 18500
# Airflow notices a dead part in seconds instead of minutes. The triggerer's own threshold stays at 30.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "4",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__CORE__PARALLELISM": "4",
}
FROZEN_SECONDS = 40.0  # beyond the threshold after which another triggerer takes over


class Hand(Api):
    """The API, also for what a person changes in the UI."""

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)


class Deployment:
    """Airflow's components on a database of their own, the project's DAGs, and an empty store.

    Args:
        folder: of its own; holds Airflow's home, the state folder, lanner.yaml.
        database: SQLAlchemy URL; None: SQLite in the folder.
        target: whose trainings are watched.
        cloud: on this machine, if the target is one of a cloud.
    """

    def __init__(
        self, folder: Path, database: str | None = None, target: str = "local", cloud: Cloud | None = None
    ) -> None:
        self.folder = folder
        self.target, self.dag = target, f"train_{target}"
        self.cloud = cloud
        self.jobs = JOBS[target](folder, cloud)
        self.laptop = Laptop(folder / "airflow", free_port(FIRST_PORT))
        self.environment = self.laptop.environment() | IMPATIENT
        self.environment |= {"LANNER_HOME": str(folder / "state"), "LANNER_SETTINGS": str(folder / "lanner.yaml")}
        self.environment |= cloud.connections if cloud else {}
        if database is not None:
            self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        self.is_sqlite = database is None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: list[int] = []  # of all that was ever started: a killed scheduler leaves its idle workers behind
        self._engine = sqlalchemy.create_engine(self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])

    @property
    def store(self) -> Store:
        return Store(self.folder / "state" / "store")

    @property
    def api(self) -> Hand:
        return Hand(self.laptop.url, USER, self.laptop.secret("password"))

    def __enter__(self) -> Deployment:
        self.laptop.logs.mkdir(parents=True, exist_ok=True)
        migrated = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=self.environment, capture_output=True, text=True
        )
        assert migrated.returncode == 0, migrated.stderr
        try:
            self.start("api-server")
            wait_for(self.laptop.url)
            for name in COMPONENTS:
                if name != "api-server":
                    self.start(name)
            until(lambda: not self.api.unhealthy() and self.api.dags() >= DAGS | {self.dag}, 600, "a healthy Airflow")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        end_leftovers(self.laptop.home)

    # --- components

    def start(self, name: str) -> None:
        """Start a component, in a process group of its own; ``triggerer-2`` is a second triggerer."""
        command = COMPONENTS[name.removesuffix("-2")].split()
        with (self.laptop.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self._running[name].pid)

    def kill(self, name: str) -> None:
        """SIGKILL a component's main process and start another, as a supervisor would.

        What it had forked lives on: the orphans of a dead scheduler are part of the trouble.
        """
        self._running[name].kill()
        self._running[name].wait()
        self.start(name)

    def end(self, name: str) -> None:
        os.killpg(self._running[name].pid, signal.SIGTERM)
        self._running.pop(name).wait(60)

    def freeze(self, name: str) -> None:
        os.killpg(self._running[name].pid, signal.SIGSTOP)

    def wake(self, name: str) -> None:
        os.killpg(self._running[name].pid, signal.SIGCONT)

    # --- what the database says; it answers while the API server is dead, too

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self._engine.connect() as connection:
            bound = {name: value for name, value in ({"dag": self.dag} | values).items() if f":{name}" in statement}
            return list(connection.execute(sqlalchemy.text(statement), bound))

    # --- what it says of runs of the target's DAG

    def task_states(self, run: str) -> dict[str, str | None]:
        """State of every task."""
        statement = "select task_id, state from task_instance where dag_id = :dag and run_id = :run"
        return {row.task_id: row.state for row in self.rows(statement, run=run)}

    def tries(self, run: str, task: str) -> int:
        """The number of a task's current try."""
        statement = "select try_number from task_instance where dag_id = :dag and run_id = :run and task_id = :task"
        return self.rows(statement, run=run, task=task)[0].try_number

    def live_triggerers(self) -> list[int]:
        """Job ids of the triggerers that gave a sign of life lately, the oldest first."""
        found = self.rows("select id, latest_heartbeat from job where job_type = 'TriggererJob' order by id")
        now = datetime.now(UTC)
        return [row.id for row in found if now - _time(row.latest_heartbeat) < timedelta(seconds=20)]

    def triggerer_of(self, run: str) -> int | None:
        """Job id of the triggerer that has the trigger of ``wait``."""
        found = self.rows(
            "select triggerer_id from trigger join task_instance on trigger.id = task_instance.trigger_id "
            "where run_id = :run and task_id = 'wait' and dag_id = :dag",
            run=run,
        )
        return found[0].triggerer_id if found else None

    def run_state(self, run: str) -> str:
        return self.rows("select state from dag_run where dag_id = :dag and run_id = :run", run=run)[0].state

    def task_process(self, run: str, task: str) -> psutil.Process | None:
        """The process in which a task runs now; its parent is the worker that supervises it."""
        found = self.rows(
            "select id from task_instance where dag_id = :dag and run_id = :run and task_id = :task",
            run=run,
            task=task,
        )
        title = f"airflow worker -- {found[0].id}".replace("-", "")
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if "".join(process.cmdline()).replace("-", "").startswith(title):
                    return process
        return None

    # --- runs

    def begin(self, collection: str) -> None:
        """Take in the collection's one batch."""
        self.api.trigger("ingest_images", {"collection": collection, "batch": "all"})

    def ingest(self, collection: str) -> None:
        """Take in the collection's one batch, and wait until nothing of its cascade runs any more."""
        self.begin(collection)
        until(lambda: self._settled(collection, "compare_detectors"), 600, f"the first cascade of {collection}")

    def retrain(self, collection: str) -> str:
        """Plan a new generation; returns the run of the target's DAG that follows."""
        before = self.training_runs()
        body = {"logical_date": None, "partition_key": f"{collection}:all", "conf": {"retrain": True}}
        self.api.post("/dags/plan_training/dagRuns", body)
        until(lambda: self.training_runs() - before, 60, f"a run of {self.dag}")
        return (self.training_runs() - before).pop()

    def run_again(self, run: str) -> str:
        """A second run of the target's DAG for the same plan. Returns its id."""
        body = {"logical_date": None, "partition_key": self.partition(run)}
        return self.api.post(f"/dags/{self.dag}/dagRuns", body)["dag_run_id"]

    def log_of(self, run: str, task: str) -> str:
        """What a task of the target's DAG logged, over all its tries."""
        folder = self.laptop.home / "logs" / f"dag_id={self.dag}" / f"run_id={run}" / f"task_id={task}"
        return "".join(file.read_text() for file in sorted(folder.glob("attempt=*.log")))

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """A field of lanner.yaml, set for a while."""
        file = self.folder / "lanner.yaml"
        before = file.read_text()
        file.write_text(f"{name}: {value}\n{before}")
        try:
            yield
        finally:
            file.write_text(before)

    def training_runs(self) -> set[str]:
        return {row.run_id for row in self.rows("select run_id from dag_run where dag_id = :dag")}

    def stop_trainings(self) -> None:
        """Mark every unfinished run of the target's DAG as failed, and wait for the end of what it does then."""
        statement = "select run_id from dag_run where dag_id = :dag and state in ('running', 'queued')"
        for row in self.rows(statement):
            self.mark_failed(row.run_id)
        until(lambda: not self.rows(statement), 120, "the end of all runs")
        until(lambda: not self.jobs.processes(), 60 + self.jobs.grace, "the end of all trainings")

    def first_training_run(self) -> str:
        return self.rows("select run_id from dag_run where dag_id = :dag order by id limit 1")[0].run_id

    def partition(self, run: str) -> str:
        """``collection:batch:number`` of a run of the target's DAG."""
        statement = "select partition_key from dag_run where dag_id = :dag and run_id = :run"
        return self.rows(statement, run=run)[0].partition_key

    def mark_failed(self, run: str) -> None:
        self.api.patch(f"/dags/{self.dag}/dagRuns/{run}", {"state": "failed"})

    def clear(self, run: str, task: str) -> None:
        body = {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False, "only_running": False}
        self.api.post(f"/dags/{self.dag}/clearTaskInstances", body)

    def _settled(self, collection: str, last: str) -> bool:
        runs = self.api.runs(f"{collection}:")
        return any(run.dag == last for run in runs) and not any(run.unfinished for run in runs)


def _time(value: Any) -> datetime:
    """A moment as the database gives it: SQLite a text, PostgreSQL a datetime."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def until(condition: Callable[[], Any], seconds: float, what: str, every: float = 0.2) -> Any:
    """What a condition returns once it is true; fails after some seconds, saying what was awaited."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(every)
    return found
