"""``make run``: start Airflow on this machine, run the main job in it, show what came of it. See ``--help``."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from include import settings
from include.dataset.obtain import FORMS, canonical, data_name, obtain
from include.documents import ResultDocument
from include.laptop.api import Api
from include.laptop.cascade import Cascade, CascadeFailed
from include.laptop.environment import USER, Laptop
from include.laptop.leftovers import end_leftovers
from include.laptop.present import show_progress, show_results
from include.laptop.services import migrate, wait_for
from include.planning import newest_plan
from include.settings import PROJECT

BATCH = "all"  # a folder given as DATA is one batch; the fixed key makes a second run, tomorrow too, the same
DAGS = frozenset({"ingest_images", "build_dataset", "plan_training", "train_local", "compare_detectors"})
STOP_SECONDS = 60.0

console = Console()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make run",
        description="Train a detector from annotated images, in a real Airflow on this machine. "
        "Without --data: on handwritten digits, made on the spot.",
    )
    parser.add_argument("--data", help=f"images with Pascal VOC XML or COCO JSON: {FORMS}")
    parser.add_argument("--weights", help="imagenet (needs network), none, or a .weights.h5 file")
    parser.add_argument("--minutes", type=float, help="limit of the training itself")
    parser.add_argument("--config", type=Path, help="JSON file with fields of the trainer's configuration")
    parser.add_argument("--split", choices=["hash", "given"], help="given: use the folder's image sets or subfolders")
    parser.add_argument("--only-ui", action="store_true", help="start Airflow and run nothing (make airflow)")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as with Ctrl-C: everything is stopped
    stay = sys.stdout.isatty() and not os.environ.get("CI")
    try:
        collection = None if asked.only_ui else declare_collection(asked)
        with alone(settings.load().home), running_airflow() as laptop:
            api = Api(laptop.url, USER, laptop.secret("password"))
            wait_until_ready(api, laptop)
            code = run_main_job(api, laptop, collection) if collection else 0
            if stay or asked.only_ui:
                stay_up(laptop)
            return code
    except KeyboardInterrupt:
        return 130
    except (settings.SettingsError, RuntimeError) as wrong:
        console.print(str(wrong), style="red", highlight=False, markup=False, soft_wrap=True)
        return 2


def declare_collection(asked: argparse.Namespace) -> str:
    """Put the collection that was asked for into lanner.yaml (and make the sample's images). Returns its name."""
    if asked.data is None:
        folder = settings.load().home / "sample"
        make_sample(folder)
        source = str(folder)
        name, preset = "digits", "sample"
    else:
        source = find_data(asked.data)
        name, preset = collection_name(source), "default"
    training: dict[str, Any] = json.loads(asked.config.read_text()) if asked.config else {}
    if asked.minutes is not None:
        training["minutes"] = asked.minutes
    if asked.weights is not None:
        training["weights"] = (
            asked.weights if asked.weights in {"imagenet", "none"} else str(Path(asked.weights).resolve())
        )
    target: dict[str, Any] = {"preset": preset} | ({"training": training} if training else {})
    fields: dict[str, Any] = {"source": source, "targets": {"local": target}}
    if asked.split:
        fields["split"] = asked.split
    if settings.put_collection(name, fields):
        console.print(f"Collection {name} is now in {settings.settings_file()}.", highlight=False, soft_wrap=True)
    return name


def find_data(data: str) -> str:
    """``DATA`` as settings name it. What has to be fetched or unpacked is, here, where a person sees it happen."""
    try:
        source = canonical(data)
        obtain(source, settings.load().home, say=lambda line: console.print(line, highlight=False, markup=False))
    except ValueError as wrong:
        raise settings.SettingsError(f"DATA={data} cannot be used. {wrong}") from wrong
    return source


def collection_name(source: str | Path) -> str:
    """A name for the collection of some data: the data's own, with a suffix if other data has it already."""
    name = re.sub(r"[^a-z0-9]+", "_", data_name(str(source)).lower()).strip("_")[:30] or "images"
    name = name if name[0].isalpha() else f"c_{name}"
    known = settings.load().collections.get(name)
    if known is None or known.source == str(source):
        return name
    return f"{name}_{sha256(str(source).encode()).hexdigest()[:6]}"


def make_sample(folder: Path) -> None:
    """Draw the sample's images unless they are there."""
    if folder.exists():
        return
    from include.dataset.sample import write_sample

    console.print("Drawing the sample: handwritten digits on textured pages.")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    write_sample(unfinished)
    unfinished.rename(folder)


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Only one Airflow at a time in a state folder."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stop(f"Another make run or make airflow is at work in {home}. Stop it, or set LANNER_HOME elsewhere.")
        yield


@contextlib.contextmanager
def running_airflow() -> Iterator[Laptop]:
    """Airflow's components, started; whatever happens, nothing of them is left afterwards."""
    laptop = Laptop.here()
    if ended := end_leftovers(laptop.home):
        console.print(f"Ended {ended} processes that an earlier run had left behind.")
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
        console.print("Stopping Airflow.")
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
        console.print("Setting up Airflow's database.")
        migrate(laptop.database)
        stamp.write_text(wanted)


def wait_until_ready(api: Api, laptop: Laptop, seconds: float = 180.0) -> None:
    """Return when all components are healthy and our DAGs are there."""
    console.print(f"Starting Airflow at {laptop.url} (logs: {laptop.logs}).", highlight=False, soft_wrap=True)
    wait_for(laptop.url)
    deadline = time.monotonic() + seconds
    while (unhealthy := api.unhealthy()) or not api.dags() >= DAGS:
        if errors := api.import_errors():
            stop("A DAG file could not be read:\n" + "\n".join(errors))
        if time.monotonic() > deadline:
            stop(f"Airflow is not ready after {seconds:.0f} s; unhealthy: {unhealthy or 'none'}. See {laptop.logs}.")
        time.sleep(0.5)


def run_main_job(api: Api, laptop: Laptop, collection: str) -> int:
    """Run one batch through all pipelines and show what came of it. Returns an exit code."""
    current = settings.load()
    store = current.open_store()
    cascade = Cascade(api, collection, BATCH, current.jobs)
    if cascade.begin():
        console.print("Going on with what was interrupted.")
    code = 0
    try:
        show_progress(cascade.follow(), console)
    except CascadeFailed as failure:
        console.print(str(failure), style="red", highlight=False, markup=False, soft_wrap=True)
        code = 1
    _, plan = newest_plan(store, collection, BATCH)
    found = [store.newest(ResultDocument, collection, f"{plan.key}/{t.target}") for t in plan.targets] if plan else []
    show_results(console, store, collection, BATCH, [result for _, result in filter(None, found)])
    if cascade.nothing_to_train and not code:
        console.print("[bold]Nothing was trained:[/bold] the same images and configuration have been trained before.")
    return code


def stay_up(laptop: Laptop) -> None:
    """Leave the UI up until Ctrl-C."""
    login = f"user {USER}   password {laptop.secret('password')}"
    console.print(f"\nAirflow: {laptop.url}   {login}", highlight=False, soft_wrap=True)
    console.print("Press Ctrl-C to stop it.")
    while True:
        time.sleep(3600)


def stop(message: str) -> NoReturn:
    console.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
