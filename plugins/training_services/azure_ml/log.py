"""What jobs of Azure Machine Learning say: text in the blobs of the workspace, which grows while they run.

Where it lies: https://learn.microsoft.com/azure/machine-learning/how-to-log-view-metrics#view-and-download-log-files,
and ``azure-ai-ml`` (operations/_job_ops_helper.py), which reads the same. A job of one machine writes ``std_log.txt``;
the names of several, ``std_log_<process>_<number>.txt``, are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from training_services.azure_ml.blobs import BlobContainer
from training_services.azure_ml.states import OVER
from training_services.job import LogPage

DATASTORE = "workspaceartifactstore"  # the workspace's, of its own storage account
ONLY = "std_log.txt"
PAGE_BYTES = 1 << 18  # of one log at one look; the rest comes at the next
AT_ONCE = 8
MOST = 2  # logs of one job that are read
UNIT = 1 << 31  # of a cursor: bytes read of the first log, and this times the bytes read of the second


def folder_of(job: str) -> str:
    return f"ExperimentRun/dcid.{job}/user_logs/"


def new_lines(
    container: BlobContainer, jobs: Mapping[str, Mapping[str, Any]], cursors: Mapping[str, int]
) -> dict[str, LogPage]:
    """The lines of each job's log after its cursor.

    Args:
        container: of the datastore ``DATASTORE``.
        jobs: as the service has them; one that is not among them has no lines yet.
        cursors: by name; 0: from the start.
    """

    def read(name: str) -> LogPage:
        return _page(container, jobs[name], cursors[name]) if name in jobs else LogPage((), cursors[name])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cursors, pool.map(read, cursors), strict=True))


def _page(container: BlobContainer, job: Mapping[str, Any], cursor: int) -> LogPage:
    folder = folder_of(str(job["name"]))
    properties = job["properties"]
    names = [folder + ONLY]
    if (properties.get("resources") or {}).get("instanceCount", 1) > 1:
        names = sorted((each.name for each in container.blobs(folder + "std_log")), key=_number)[:MOST] or names
    ended = properties.get("status") in OVER
    read = list(reversed(divmod(cursor, UNIT)))
    lines: list[str] = []
    for place, name in enumerate(names):
        text = _whole_lines(container.read(name, since=read[place], most=PAGE_BYTES), ended)
        read[place] += len(text)
        who = "" if place == 0 else name.removeprefix(f"{folder}std_log_").removesuffix(".txt") + ": "
        lines += [who + line for line in text.decode(errors="replace").splitlines()]
    return LogPage(tuple(lines), read[0] + UNIT * read[1])


def _whole_lines(text: bytes, ended: bool) -> bytes:
    """Up to the last line's end; all of it, where nothing more will come or a line is longer than a page."""
    return text if ended or len(text) == PAGE_BYTES else text[: text.rfind(b"\n") + 1]


def _number(name: str) -> tuple[int, str]:
    """The first machine's log comes first."""
    found = re.search(r"(\d+)\D*$", name)
    return int(found[1]) if found else 0, name
