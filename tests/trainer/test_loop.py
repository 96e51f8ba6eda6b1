from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

from detector_trainer.configuration import Configuration
from detector_trainer.evaluation import Score
from detector_trainer.learner import Progress
from detector_trainer.loop import Loop
from detector_trainer.schedule import Schedule


def steps_kept(scores: list[float], standard_error: float) -> tuple[list[int], Progress]:
    """After which steps a loop that evaluates every step keeps the weights as the best."""
    kept: list[int] = []
    learner = Mock(progress=Progress(), step=lambda *_: SimpleNamespace(numpy=lambda: [1.0, 1.0]))
    learner.detector.configuration = Configuration(evaluate_every=1)
    learner.save_best = lambda _: kept.append(learner.progress.step)
    evaluator = Mock(side_effect=[Score(mAP, mAP) for mAP in scores], standard_error=lambda _: standard_error)
    evaluator.examples.return_value = (None, None)
    schedule = Schedule(steps=len(scores), minutes=None, peak=1e-3, warmup_steps=0)
    Loop(learner, schedule, evaluator, Mock(), Path(), lambda: False).run([(None, None)] * len(scores))
    return kept, learner.progress


def test_within_the_standard_error_the_later_weights_are_the_best() -> None:
    kept, progress = steps_kept([0.3, 0.5, 0.47, 0.4], standard_error=0.05)
    assert kept == [1, 2, 3]
    assert (progress.best_step, progress.best_mAP, progress.highest_mAP) == (3, 0.47, 0.5)
    assert progress.evaluations_since_best == 2


def test_small_losses_do_not_add_up() -> None:
    kept, _ = steps_kept([0.5, 0.46, 0.42, 0.38], standard_error=0.05)
    assert kept == [1, 2]
