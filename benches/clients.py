"""What it costs a process to have a client of Vertex AI: importing and making it, in fresh processes.

Ours is Google's API client with the description of the service that it brings along, over REST
(``training_services.vertex.cloud``). Against it the library of Vertex AI, and the provider's hook, whose module imports
that and more. CPU seconds and peak memory of the whole process, a bare interpreter's included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from benches.measure import Asked, Row, Timing, main, side_by_side
from include.settings import PROJECT

REPETITIONS = 5
OURS = """\
from google.auth.credentials import AnonymousCredentials
from training_services.vertex.cloud import GoogleCloud
client = GoogleCloud(AnonymousCredentials(), "project", {}).custom_jobs("us-central1")
client.list(parent="projects/project/locations/us-central1")
"""
LIBRARY = """\
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform_v1 import JobServiceClient
client = JobServiceClient(credentials=AnonymousCredentials(), transport="rest")
"""
PROVIDER = """\
from airflow.providers.google.cloud.hooks.vertex_ai.custom_job import CustomJobHook
"""
WAYS = {"ours": OURS, "google.cloud.aiplatform_v1": LIBRARY, "the provider's vertex_ai.custom_job": PROVIDER}
PEAK = """\
import json
from benches.peak import peak_memory
print(json.dumps(peak_memory()))
"""


def bench(asked: Asked) -> list[Row]:
    peaks: dict[str, list[float]] = {name: [] for name in WAYS}
    ways = [_way(code, peaks[name]) for name, code in WAYS.items()]
    ours, *others = side_by_side(*ways, repetitions=REPETITIONS, warm=False)
    rows = []
    mine = Timing(tuple(peaks["ours"]))
    for name, theirs in zip(list(WAYS)[1:], others, strict=True):
        rows.append(_row("a client of Vertex AI", name, "{:.2f} CPU s", ours, theirs))
        its = Timing(tuple(peaks[name]))
        rows.append(_row("a client of Vertex AI: peak memory", name, "{:.0f} MB", mine, its))
    return rows


def _row(work: str, against: str, form: str, ours: Timing, theirs: Timing) -> Row:
    mine, its = (form.format(each.median) for each in (ours, theirs))
    return Row(work, against, "fresh processes", mine, its, ours.times(theirs))


def _way(code: str, peaks: list[float]) -> Callable[[], None]:
    return lambda: peaks.append(fresh(code))


def fresh(code: str) -> float:
    """Peak memory in MB of an interpreter that runs some code."""
    done = subprocess.run([sys.executable, "-c", code + PEAK], cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"This did not run:\n{code}\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])) / 1e6


if __name__ == "__main__":
    main(__doc__, bench)
