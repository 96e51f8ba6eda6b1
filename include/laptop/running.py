"""An Airflow of this machine's own, for as long as `make run` lasts: alone in its folder, ready, ended afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from importlib.metadata import version
from pathlib import Path

from include.laptop.api import Api
from include.laptop.environment import Laptop
from include.laptop.leftovers import end_leftovers
from include.laptop.present import say
from include.laptop.services import migrate, wait_for
from include.settings import PROJECT

DAGS = frozenset(
    {"ingest_images", "build_dataset", "plan_training", "train_local", "compare_detectors"}
)  # always there
STOP_SECONDS = 60.0
FREE_BYTES = 2 << 30  # Airflow's state, a dataset and its shards, a training with its exports


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Only one Airflow at a time in a state folder."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"Another make run or make airflow is at work in {home}. Stop it, or set LANNER_HOME elsewhere."
            ) from None
        free = shutil.disk_usage(home).free
        if free < FREE_BYTES:
            raise RuntimeError(
                f"No room: {free >> 20} MiB are free at {home}, and a run needs {FREE_BYTES >> 20}. "
                "Make room, or set LANNER_HOME to a folder on a larger disk."
            )
        yield


@contextlib.contextmanager
def running_airflow() -> Iterator[Laptop]:
    """Airflow's components, started; whatever happens, nothing of them is left afterwards."""
    laptop = Laptop.here()
    if ended := end_leftovers(laptop.home):
        say(f"Ended {ended} processes that an earlier run had left behind.")
    os.environ.update(laptop.environment())
    prepare_database(laptop)
    services = subprocess.Popen(
        [sys.executable, "-m", "include.laptop.services", str(laptop.logs), laptop.url, str(laptop.home)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we end them in order
    )
    try:
        yield laptop
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("Stopping Airflow.")
        assert services.stdin is not None
        services.stdin.close()
        try:
            services.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            services.kill()
            end_leftovers(laptop.home)


def prepare_database(laptop: Laptop) -> None:
    """Create or upgrade Airflow's database, once per Airflow version."""
    stamp = laptop.home / "migrated"
    wanted = version("apache-airflow-core")
    if not laptop.database.exists() or not stamp.exists() or stamp.read_text() != wanted:
        say("Setting up Airflow's database.")
        migrate(laptop.database)
        stamp.write_text(wanted)


def wait_until_ready(api: Api, laptop: Laptop, dags: Collection[str] = DAGS, seconds: float = 180.0) -> None:
    """Return when all components are healthy and some DAGs are there."""
    say(f"Starting Airflow at {laptop.url} (logs: {laptop.logs}).")
    wait_for(laptop.url)
    deadline = time.monotonic() + seconds
    while (unhealthy := api.unhealthy()) or not api.dags() >= set(dags):
        if errors := api.import_errors():
            raise RuntimeError("A DAG file could not be read:\n" + "\n".join(errors))
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"Airflow is not ready after {seconds:.0f} s; unhealthy: {unhealthy or 'none'}. See {laptop.logs}."
            )
        time.sleep(0.5)
