from __future__ import annotations

import pytest

from detector_trainer.configuration import Configuration
from detector_trainer.schedule import learning_rate, progress, seconds_left

BY_STEPS = Configuration(steps=100, warmup_steps=9, learning_rate=1e-3)
BY_CLOCK = Configuration(steps=100, minutes=1, warmup_steps=0)


def test_the_rate_warms_up_and_falls_to_one_percent() -> None:
    rates = [learning_rate(BY_STEPS, step, 0) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(1e-3, rel=0.05)
    assert rates[-1] == pytest.approx(1e-5)


def test_the_clock_ends_a_slow_training() -> None:
    assert progress(BY_CLOCK, 10, 30) == pytest.approx(0.5)
    assert progress(BY_CLOCK, 90, 30) == pytest.approx(0.9)
    assert progress(BY_CLOCK, 10, 90) == 1
    assert progress(BY_STEPS, 10, 1e6) == pytest.approx(0.1)


def test_time_left_is_estimated_from_the_pace() -> None:
    assert seconds_left(BY_STEPS, 25, 10) == pytest.approx(30)
    assert seconds_left(BY_CLOCK, 25, 30) == pytest.approx(30)
