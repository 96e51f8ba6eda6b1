"""Neither a killed stand-in nor a killed runner loses a job, its lines, or what was asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.cloud import storage

from tests.standins.conftest import QUICK
from tests.standins.google.vertex_client import VertexClient, until, vertex_standin
from tests.standins.google.vertex_jobs import ATTEMPTS
from tests.standins.google.vertex_status import CANCELLED, FAILED, PENDING, QUEUED, RUNNING, SUCCEEDED
from tests.standins.processes import Standin

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def server(emulator: str, tmp_path: Path) -> Iterator[Standin]:
    with vertex_standin(tmp_path, emulator, *QUICK) as running:
        yield running


@pytest.fixture
def vertex(server: Standin) -> VertexClient:
    return VertexClient(server.url)


def folder_of(server: Standin, name: str) -> Path:
    return server.state / "jobs" / name.rsplit("/", 1)[1]


def has_begun(vertex: VertexClient, name: str) -> None:
    """Wait for a trainer's first line."""
    until(lambda: any("begun" in str(entry) for entry in vertex.lines(name)), 60, "the first line")


def test_killed_while_jobs_are_in_every_state(
    server: Standin, vertex: VertexClient, make_job: Job, bucket: storage.Bucket, output: Path
) -> None:
    """They go on while it is away, and it knows them when it is back; so it does what jobs to come shall suffer."""
    running = vertex.create(make_job("--print=begun", f"--wait=gs://{output}/go", "--print=done"))["name"]
    vertex.control("next", {"hold": QUEUED, "count": 2})
    queued, cancelled = (vertex.create(make_job("--print=done"))["name"] for _ in range(2))
    vertex.control("next", {"hold": PENDING})
    pending = vertex.create(make_job("--print=done"))["name"]
    vertex.reaches(pending, {PENDING})
    vertex.control("next", {"fault": "permission"})
    has_begun(vertex, running)
    before = {name: vertex.get(name) for name in (queued, pending)}
    server.kill()
    (folder_of(server, cancelled) / "cancel").touch()  # as if it had been killed right after it was asked
    go = folder_of(server, running) / "gcs" / output / "go"
    go.parent.mkdir(parents=True, exist_ok=True)
    go.touch()
    key = f"{output.relative_to(bucket.name)}/go"
    until(lambda: bucket.blob(key).exists(), 60, "what was written while nobody looked")
    server.start()
    vertex = VertexClient(server.url)
    assert vertex.reaches(running)["state"] == SUCCEEDED
    assert vertex.reaches(cancelled)["state"] == CANCELLED
    assert {name: vertex.get(name) for name in before} == before
    assert vertex.control("next")["next"] == [{"count": 1, "fault": "permission"}]
    vertex.control("release", {})
    for name in (running, queued, pending):
        assert vertex.reaches(name)["state"] == SUCCEEDED
        assert vertex.states(name) == [QUEUED, PENDING, RUNNING, SUCCEEDED]
        assert any("done" in str(entry) for entry in vertex.lines(name))


def test_cancelled_just_before_it_is_killed(server: Standin, vertex: VertexClient, make_job: Job, output: Path) -> None:
    """The job's runner heeds it alone."""
    name = vertex.create(make_job("--print=begun", f"--wait=gs://{output}/never"))["name"]
    has_begun(vertex, name)
    vertex.cancel(name)
    server.kill()
    server.start()
    assert VertexClient(server.url).reaches(name)["state"] == CANCELLED


def test_a_killed_runner_is_replaced(server: Standin, vertex: VertexClient, make_job: Job, output: Path) -> None:
    """Its trainer does not live on beside the next one."""
    name = vertex.create(make_job("--print=begun", f"--wait=gs://{output}/go"))["name"]
    has_begun(vertex, name)
    folder = folder_of(server, name)
    runner = next(each for each in psutil.process_iter(["cmdline"]) if str(folder) in (each.info["cmdline"] or []))
    (trainer,) = runner.children()
    runner.kill()
    assert psutil.wait_procs([trainer], timeout=30)[1] == []
    until(lambda: sum("begun" in str(entry) for entry in vertex.lines(name)) == 2, 60, "the second trainer")
    go = folder / "gcs" / output / "go"
    go.parent.mkdir(parents=True, exist_ok=True)
    go.touch()
    assert vertex.reaches(name)["state"] == SUCCEEDED
    assert any("restarted" in entry.get("textPayload", "") for entry in vertex.lines(name))
    assert vertex.states(name).count(RUNNING) == 1


def test_an_orderly_end_takes_the_jobs_along(
    server: Standin, vertex: VertexClient, make_job: Job, output: Path
) -> None:
    name = vertex.create(make_job("--print=begun", f"--wait=gs://{output}/never"))["name"]
    has_begun(vertex, name)
    folder = folder_of(server, name)
    ours = [each for each in psutil.process_iter(["cmdline"]) if str(folder) in (each.info["cmdline"] or [])]
    ours += [child for each in ours for child in each.children()]
    assert len(ours) == 2
    server.stop()
    assert psutil.wait_procs(ours, timeout=10)[1] == []


def test_a_runner_that_is_killed_every_time_is_given_up(
    server: Standin, vertex: VertexClient, make_job: Job, output: Path
) -> None:
    name = vertex.create(make_job(f"--wait=gs://{output}/never"))["name"]
    vertex.reaches(name, {RUNNING})
    folder = folder_of(server, name)
    for attempt in range(1, ATTEMPTS + 1):
        until(partial(kill_runner, folder, str(attempt)), 60, f"attempt {attempt}")
    ended = vertex.reaches(name)
    assert ended["state"] == FAILED
    assert ended["error"]["code"] == 13


def kill_runner(folder: Path, attempt: str) -> bool:
    """Kill the runner of a job's attempt; False if there is none yet."""
    if (folder / "attempts").read_text() != attempt:
        return False
    for each in psutil.process_iter(["cmdline"]):
        if str(folder) in (each.info["cmdline"] or []):
            each.kill()
            return True
    return False
