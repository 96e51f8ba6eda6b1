from __future__ import annotations

import pytest

from detector_trainer.configuration import Configuration
from detector_trainer.schedule import EPOCHS, LEAST_STEPS, Schedule

BY_STEPS = Schedule(steps=100, minutes=None, peak=1e-3, warmup_steps=9)
BY_CLOCK = Schedule(steps=100, minutes=1, peak=1e-3, warmup_steps=0)


def test_steps_follow_the_number_of_images_unless_given() -> None:
    assert Schedule.plan(Configuration(steps=7), images=10_000).steps == 7
    assert Schedule.plan(Configuration(), images=20).steps == LEAST_STEPS
    assert Schedule.plan(Configuration(batch_size=10), images=100_000).steps == EPOCHS * 10_000


def test_the_rate_warms_up_and_falls_to_one_percent() -> None:
    rates = [BY_STEPS.learning_rate(step, 0) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(1e-3, rel=0.05)
    assert rates[-1] == pytest.approx(1e-5)


def test_the_clock_ends_a_slow_training() -> None:
    assert BY_CLOCK.progress(10, 30) == pytest.approx(0.5)
    assert BY_CLOCK.progress(90, 30) == pytest.approx(0.9)
    assert BY_CLOCK.progress(10, 90) == 1
    assert BY_STEPS.progress(10, 1e6) == pytest.approx(0.1)


def test_time_left_is_estimated_from_the_pace() -> None:
    assert BY_STEPS.seconds_left(25, 10) == pytest.approx(30)
    assert BY_CLOCK.seconds_left(25, 30) == pytest.approx(30)
