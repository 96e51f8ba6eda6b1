"""A strict stand-in for Azure Machine Learning's command jobs, on 127.0.0.1.

``python -m tests.standins.azure.azure_ml --port 18920 --state DIR --blob http://127.0.0.1:18900``

It serves what Azure's management has of one workspace (jobs, compute clusters, datastores, environments, the region's
quotas) and the run history beside it. It refuses what the service refuses, really runs what is submitted, and loses
nothing when it is killed: its jobs run on, and started again on the same folder, it follows them. Ended by SIGTERM, it
takes their processes with it. Blob storage is Azurite's at ``--blob``, with the workspace's two containers in it.

Control, for rehearsals only:

====================================  ====================================================================
``POST /control/next``                what the next jobs are to suffer (see ``azure_ml_faults``); GET: all that
                                      still waits; DELETE: forget it
``POST /control/strike``              ``{"job": name, "fault": …}``: what a job is to suffer now, while it runs
``POST /control/release``             let held jobs go on
``POST /control/subscription``        what the caller may not do, cores, sizes of machines, AI services
                                      (see ``azure_ml_subscription``); ``{}``: as at first
``GET /control/history``              every job's statuses
``GET /control/access``               every blob that jobs could see, with its SHA-256
====================================  ====================================================================
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_handler import handler
from tests.standins.azure.azure_ml_jobs import Jobs, Times
from tests.standins.azure.azure_ml_queue import Queue
from tests.standins.azure.azure_ml_service import TOKEN, Service
from tests.standins.azure.azure_ml_store import JobStore
from tests.standins.azure.azure_ml_subscription import Subscription
from tests.standins.azure.azure_ml_workspace import CONTAINERS, Cluster, Workspace

TICK = 0.1


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    storage = azurite.connection_string(options.blob)
    clusters = {cluster.name: cluster for cluster in options.cluster}
    workspace = Workspace(options.state, azurite.ACCOUNT, clusters)
    times = Times(**{name: getattr(options, name) for name in vars(Times())})
    store = JobStore(options.state / "jobs")
    queue = Queue(store, workspace, times.preparing, times.allocation)
    jobs = Jobs(options.state, store, workspace, storage, times)
    make_containers(storage)
    group = workspace.id.partition("/providers/")[0]
    subscription = Subscription(options.state / "subscription.json", group, workspace.client, queue.cores)
    server = Server(("127.0.0.1", options.port), handler(Service(jobs, queue, subscription, options.token)))
    threading.Thread(target=_tick_for_ever, args=(queue.tick,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server.serve_forever()
    finally:
        queue.end_processes()


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="tests.standins.azure.azure_ml", description="Azure ML, rehearsed.")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--state", type=Path, required=True, metavar="DIR", help="keeps everything")
    arguments.add_argument("--blob", required=True, metavar="URL", help="where Azurite answers")
    arguments.add_argument("--token", default=TOKEN, help="that every call must bear")
    arguments.add_argument(
        "--cluster",
        action="append",
        default=[],
        type=Cluster.parse,
        metavar="NAME=VM_SIZE[:[LEAST-]MOST][:low]",
        help="a compute cluster; again for more",
    )
    for name, default in vars(Times()).items():
        arguments.add_argument(f"--{name}", type=float, default=default, metavar="SECONDS")
    return arguments


def make_containers(storage: str) -> None:
    """The containers that Azure makes with every workspace."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    account = BlobServiceClient.from_connection_string(storage, initial_backoff=1, increment_base=2)
    for name in CONTAINERS.values():
        try:
            account.create_container(name)
        except ResourceExistsError:
            continue


def _tick_for_ever(tick: Callable[[], None]) -> None:
    while True:
        begun = time.monotonic()
        tick()
        time.sleep(max(TICK, 4 * (time.monotonic() - begun)))  # thousands of waiting jobs do not eat the machine


if __name__ == "__main__":
    main()
