"""How far a training is, by steps and by the clock, and which learning rate belongs to that."""

from __future__ import annotations

import math

from detector_trainer.configuration import Configuration

FINAL_SHARE = 0.01  # of the peak learning rate


def progress(configuration: Configuration, step: int, seconds: float) -> float:
    """0 at the start, 1 at the end: the steps done or the minutes spent, whichever is further."""
    share = step / configuration.steps
    if configuration.minutes is not None:
        share = max(share, seconds / (60 * configuration.minutes))
    return min(share, 1.0)


def learning_rate(configuration: Configuration, step: int, seconds: float) -> float:
    """Linear warm-up, then a half cosine down to 1 % (https://arxiv.org/abs/1608.03983, without restarts)."""
    cosine = (1 + math.cos(math.pi * progress(configuration, step, seconds))) / 2
    warm_up = min(1.0, (step + 1) / (configuration.warmup_steps + 1))
    return configuration.learning_rate * warm_up * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


def seconds_left(configuration: Configuration, step: int, seconds: float) -> float:
    """An estimate, from the pace so far."""
    share = progress(configuration, step, seconds)
    return seconds * (1 - share) / share if share else math.inf
