"""What `make run` does: start Airflow, run the main job in it, show what came of it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from include import settings
from include.dataset.obtain import FORMS
from include.documents import ComparisonDocument, ResultDocument
from include.laptop.api import Api
from include.laptop.cascade import Cascade, CascadeFailed
from include.laptop.collection import declare_collection
from include.laptop.environment import USER, Laptop
from include.laptop.present import complain, console, say, show_comparison, show_progress, show_results
from include.laptop.running import DAGS, alone, running_airflow, wait_until_ready
from include.planning import newest_plan

BATCH = "all"  # what is given as DATA is one batch; the fixed key makes a second run, tomorrow too, the same
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make run",
        description="Train a detector from annotated images, in a real Airflow on this machine. "
        "Without --data: on handwritten digits, made on the spot.",
    )
    parser.add_argument("--data", help=f"images with Pascal VOC XML or COCO JSON: {FORMS}")
    parser.add_argument(
        "--collection", metavar="NAME", help="a collection of lanner.yaml as it stands, instead of --data"
    )
    parser.add_argument("--weights", help="imagenet (needs network), none, or a .weights.h5 file")
    parser.add_argument("--minutes", type=float, help="limit of the training itself")
    parser.add_argument(
        "--config", type=Path, help="JSON file with fields of the trainer's configuration, or a pipeline.config"
    )
    parser.add_argument("--split", choices=["hash", "given"], help="given: use the folder's image sets or subfolders")
    parser.add_argument(
        "--targets",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,…",
        help="where else to train than here (vertex, sagemaker, azure_ml); needs its section in lanner.yaml, and costs "
        "what it costs there",
    )
    parser.add_argument("--only-ui", action="store_true", help="start Airflow and run nothing (make airflow)")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run it all. Returns an exit code: 0, 1 (something failed), 2 (it could not begin), 130 (Ctrl-C)."""
    asked = arguments(given)
    stay = sys.stdout.isatty() and not os.environ.get("CI")
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # both end it in order: everything is stopped
            signal.signal(number, signal.default_int_handler)
        with alone(settings.load().home):
            collection = None if asked.only_ui else asked.collection or declare_collection(asked)
            if collection:
                settings.load().collection(collection)
            with running_airflow() as laptop:
                api = Api(laptop.url, USER, laptop.secret("password"))
                wait_until_ready(api, laptop, DAGS | training_dags(collection))
                code = run_main_job(api, collection) if collection else 0
                if stay or asked.only_ui:
                    stay_up(laptop)
                return code
    except KeyboardInterrupt:
        say("Interrupted. The same command again goes on from here.")
        return INTERRUPTED
    except (settings.SettingsError, RuntimeError, TimeoutError) as wrong:
        complain(str(wrong))
    except OSError as wrong:
        complain(f"{wrong}. Is there room, and may you write there? LANNER_HOME names another folder.")
    return 2


def training_dags(collection: str | None) -> set[str]:
    """The DAGs that must be ready before the collection's plan is announced: it is announced once."""
    return {f"train_{target}" for target in settings.load().collection(collection).targets} if collection else set()


def run_main_job(api: Api, collection: str) -> int:
    """Run one batch through all pipelines and show what came of it. Returns an exit code."""
    current = settings.load()
    store = current.open_store()
    cascade = Cascade(api, collection, BATCH)
    if cascade.begin():
        say("Going on with what was interrupted.")
    code = 0
    try:
        show_progress(cascade.follow(), console)
    except CascadeFailed as failure:
        complain(str(failure))
        code = 1
    _, plan = newest_plan(store, collection, BATCH)
    found = [store.newest(ResultDocument, collection, f"{plan.key}/{t.target}") for t in plan.targets] if plan else []
    results = [result for _, result in filter(None, found)]
    show_results(console, store, collection, BATCH, results)
    compared = store.newest(ComparisonDocument, collection, plan.key) if plan else None
    if compared and len(compared[1].rows) > 1:
        show_comparison(console, compared[1], results)
    if cascade.nothing_to_train and not code:
        say("Nothing was trained: the same images and configuration have been trained before.")
    return code


def stay_up(laptop: Laptop) -> None:
    """Leave the UI up until Ctrl-C."""
    say(f"\nAirflow: {laptop.url}   user {USER}   password {laptop.secret('password')}")
    say("Press Ctrl-C to stop it.")
    while True:
        time.sleep(3600)
