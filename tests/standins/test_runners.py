"""A job has one runner, also when its stand-in is killed at a bad moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from tests.standins.processes import living_groups
from tests.standins.runners import RUNNER, Runners


def never(_: Any) -> bool:
    return False


def test_one_that_has_only_just_begun_is_not_begun_again_by_the_next_stand_in(tmp_path: Path) -> None:
    runners = [Runners("tests.standins.azure.custom_vision_runner", never, never) for _ in range(2)]
    runners[0].look_after(tmp_path)
    (pid,) = living_groups(tmp_path / RUNNER)
    psutil.Process(pid).suspend()  # before it owns its job
    runners[1].look_after(tmp_path)
    assert living_groups(tmp_path / RUNNER) == [pid]
    runners[0].end(tmp_path)
    assert not psutil.pid_exists(pid)
    runners[1].look_after(tmp_path)
    assert living_groups(tmp_path / RUNNER) not in ([], [pid])
    runners[1].end(tmp_path)
