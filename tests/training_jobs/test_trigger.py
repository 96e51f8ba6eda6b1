"""Waiting for jobs: one poller for many, log lines on the way, and no false end."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path

import pytest

from include import settings
from training_jobs.poller import Poller
from training_jobs.trigger import TrainingTrigger
from training_services.job import LogPage


def lay_out(name: str, ended: dict[str, object] | None = None, log: str = "") -> Path:
    """A job's folder, as the local target leaves it."""
    folder = settings.load().jobs / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps({"owner": "run_1"}))
    (folder / "started").write_text("1")
    (folder / "log.txt").write_text(log)
    if ended is not None:
        end(folder, **ended)
    return folder


def end(folder: Path, **told: object) -> None:
    whole = {"state": "SUCCEEDED", "reason": None, "message": "", "seconds": 1.0} | told
    (folder / "ended").write_text(json.dumps(whole))


async def fire(trigger: TrainingTrigger) -> dict[str, object]:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("ended without an event")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_services.local.LocalService.interval", 0.02)
    monkeypatch.setattr(Poller, "_pollers", {})


def test_shows_the_log_and_fires_when_the_job_has_ended(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = lay_out("job-a1", log="step 1\nstep 2\nhalf a li")

    async def scenario() -> dict[str, object]:
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # it runs
            waiting = asyncio.create_task(fire(TrainingTrigger("local", "job-a1", owned=True)))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            (folder / "log.txt").write_text("step 1\nstep 2\nhalf a line\nlast words\n")
            end(folder)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(scenario()) == {"name": "job-a1"}
    shown = capsys.readouterr().out
    places = [shown.index(line) for line in ("step 1", "step 2", "half a line", "last words")]
    assert places == sorted(places)
    assert "half a li " not in shown


def test_a_job_that_has_ended_is_told_at_once_with_all_of_its_log(
    lanner: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Poller.of("local")._service
    whole, asked = [f"line {number}" for number in range(7)], []
    monkeypatch.setattr(service, "interval", 3600.0)  # there is no second look

    def two_lines_at_a_time(cursors: dict[str, int]) -> dict[str, LogPage]:
        asked.append(cursors)
        return {name: LogPage(tuple(whole[at : at + 2]), min(at + 2, len(whole))) for name, at in cursors.items()}

    monkeypatch.setattr(service, "log_pages", two_lines_at_a_time)
    lay_out("job-a1", ended={})
    assert asyncio.run(asyncio.wait_for(fire(TrainingTrigger("local", "job-a1", owned=False)), 5)) == {"name": "job-a1"}
    shown = capsys.readouterr().out
    assert [line for line in whole if line in shown] == whole
    assert len(asked) == 5, "four pages, and one to see that there are no more"


def test_many_waiters_share_one_poller(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        lay_out(f"job-{number}", ended={})
    asked: list[int] = []
    describe = Poller.of("local")._service.describe
    monkeypatch.setattr(
        Poller.of("local")._service, "describe", lambda names: (asked.append(len(names)), describe(names))[1]
    )

    async def scenario() -> list[dict[str, object]]:
        triggers = [TrainingTrigger("local", f"job-{number}", owned=False) for number in range(50)]
        return await asyncio.wait_for(asyncio.gather(*map(fire, triggers)), 10)

    assert len(asyncio.run(scenario())) == 50
    assert len(asked) < 5, "one call per beat, not one per job"
    assert max(asked) == 50


def test_a_failing_call_is_a_missed_beat(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out("job-a1", ended={})
    service = Poller.of("local")._service
    describe, failures = service.describe, iter([ConnectionResetError("reset"), TimeoutError("503")])

    def sometimes(names: list[str]) -> object:
        for failure in failures:
            raise failure
        return describe(names)

    monkeypatch.setattr(service, "describe", sometimes)
    assert asyncio.run(asyncio.wait_for(fire(TrainingTrigger("local", "job-a1", owned=False)), 5)) == {"name": "job-a1"}


def test_a_job_that_the_service_does_not_know_ends_the_wait(lanner: Path) -> None:
    trigger = TrainingTrigger("local", "never-was", owned=False)
    assert asyncio.run(asyncio.wait_for(fire(trigger), 5)) == {"name": "never-was"}


def test_on_kill_leaves_a_job_alone_whose_task_is_not_in_a_final_state(lanner: Path) -> None:
    """Clear, too, calls on_kill, after the new try has perhaps adopted the job."""
    folder = lay_out("job-a1")
    asyncio.run(TrainingTrigger("local", "job-a1", owned=True).on_kill())
    assert not (folder / "cancel").exists()


def test_survives_being_stored_and_read_back() -> None:
    path, arguments = TrainingTrigger("local", "job-a1", owned=True).serialize()
    assert path == f"{TrainingTrigger.__module__}.{TrainingTrigger.__name__}"
    assert TrainingTrigger(**json.loads(json.dumps(arguments))).serialize() == (path, arguments)
