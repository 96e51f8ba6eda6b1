"""How long a training lasts, how far it is, by steps and by the clock, and which learning rate belongs to that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from detector_trainer.configuration import Configuration

# Steps where the configuration names none: small sets need a number of steps, large ones a number of passes.
LEAST_STEPS, EPOCHS = 650, 12
FINAL_SHARE = 0.01  # of the peak learning rate


@dataclass(frozen=True)
class Schedule:
    """A half cosine after a linear warm-up, https://arxiv.org/abs/1608.03983 without restarts.

    ``step`` is the number of steps done, ``seconds`` the time that they took.
    """

    steps: int
    minutes: float | None
    peak: float  # learning rate
    warmup_steps: int

    @classmethod
    def plan(cls, configuration: Configuration, images: int) -> Schedule:
        """The schedule of a training on so many images."""
        steps = configuration.steps or max(LEAST_STEPS, math.ceil(EPOCHS * images / configuration.batch_size))
        return cls(steps, configuration.minutes, configuration.learning_rate, configuration.warmup_steps)

    def progress(self, step: int, seconds: float) -> float:
        """0 at the start, 1 at the end: the steps done or the minutes spent, whichever is further."""
        share = step / self.steps
        if self.minutes is not None:
            share = max(share, seconds / (60 * self.minutes))
        return min(share, 1.0)

    def learning_rate(self, step: int, seconds: float) -> float:
        """For the step after ``step``."""
        cosine = (1 + math.cos(math.pi * self.progress(step, seconds))) / 2
        warm_up = min(1.0, (step + 1) / (self.warmup_steps + 1))
        return self.peak * warm_up * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)

    def seconds_left(self, step: int, seconds: float) -> float:
        """An estimate, from the pace so far."""
        share = self.progress(step, seconds)
        return seconds * (1 - share) / share if share else math.inf
