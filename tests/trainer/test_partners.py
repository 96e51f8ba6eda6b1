"""When one of two workers that train together dies, the other does not wait for ever, and says whose failure it was."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.trainer.two_workers import Workers, end, small

FOREVER = 100_000  # steps
SECONDS = 120  # within which a partner must be missed


@pytest.fixture
def workers(data: Path, tmp_path: Path) -> Workers:
    return Workers(tmp_path, small(tmp_path, FOREVER).replace(evaluate_every=FOREVER), data)


def failure(workers: Workers) -> dict[str, str]:
    return json.loads((workers.output / "failure.json").read_text())


@pytest.mark.parametrize("kind", ["chief", "worker"])
def test_a_partner_that_is_killed_is_lost(workers: Workers, kind: str) -> None:
    processes = workers.start()
    try:
        workers.wait_for_checkpoint(processes)
        [left] = processes.keys() - {kind}
        processes[kind].send_signal(signal.SIGKILL)
        began = time.monotonic()
        assert processes[left].wait(SECONDS) == 75, workers.log()
        print(f"missed after {time.monotonic() - began:.1f} s")
        assert "Another of the 2 workers went away (" in (workers.folder / f"{left}.log").read_text()
        if left == "chief":
            assert failure(workers)["reason"] == "LOST"
            assert "the last checkpoint" in failure(workers)["message"]
    finally:
        end(processes)


def test_a_partner_that_fails_by_itself_is_not_lost(workers: Workers, tmp_path: Path) -> None:
    """The chief says what the worker wrote."""
    (tmp_path / "empty").mkdir()
    processes = workers.start(worker=tmp_path / "empty")
    try:
        ended = {kind: process.wait(SECONDS) for kind, process in processes.items()}
        assert ended == {"chief": 2, "worker": 2}, workers.log()
        assert failure(workers)["reason"] == "BAD_INPUT"
        assert failure(workers)["message"].startswith("Worker 2 of 2: ")
        assert "label_map.pbtxt is missing" in failure(workers)["message"]
    finally:
        end(processes)
