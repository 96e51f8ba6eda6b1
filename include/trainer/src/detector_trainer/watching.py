"""Evaluating the checkpoints of a training beside it, in a process of its own, here or on another machine.

It watches the training's output folder and evaluates each checkpoint that it finds there, as long as the training
lasts. What the training writes it leaves alone; its own are ``evaluation.jsonl`` and ``tensorboard/evaluation``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from detector_trainer.checkpoints import checkpoint_path, read_average
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.evaluation import Evaluator
from detector_trainer.evaluation_journal import EvaluationJournal
from detector_trainer.label_map import read_label_map
from detector_trainer.model import Detector, build_detector
from detector_trainer.records import find_shards, read_annotations

LOOK_EVERY = 2.0  # seconds
SETTLES = 60.0  # seconds after which an end that lay there from the start is not that of an earlier training
SILENCE = 3600.0  # seconds without a sign of the training
TRIES = 5  # looks at a checkpoint that cannot be read, as buckets may show them for a moment

ENDS = ("summary.json", "failure.json")
SIGNS = (*ENDS, "configuration.json", "metrics.jsonl", "checkpoints/last/state.npz")

Stamp = tuple[int, int]  # time of the last change in ns, size in bytes

logger = logging.getLogger(__name__)


class Silence(Exception):
    """For long there was no sign of the training: it ended without a word, or never began."""


def watch(
    data: Path,
    output: Path,
    *,
    resume: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    look_every: float = LOOK_EVERY,
    settles: float = SETTLES,
    silence: float = SILENCE,
) -> bool:
    """Evaluate the averaged weights of each new checkpoint in ``output`` on the validation images of ``data``.

    A training that is faster than its evaluation is followed by its newest checkpoints alone. Started again, it goes
    on with the first checkpoint that it has not evaluated; ``resume`` is the output of an earlier attempt, whose
    evaluations are brought along.

    Returns:
        True once the training has ended, False if asked to stop before.

    Raises:
        BadInput: the data cannot be evaluated on, or are not those of the training.
        Silence: for so many seconds nothing of the training has changed.
    """
    training = Training(output, settles, silence)
    checkpoints = Checkpoints(data, output, EvaluationJournal(output, resume))
    while not should_stop():
        ended = training.has_ended()  # asked first: its last checkpoint is there before its end
        if checkpoints.look() and ended:
            return True
        time.sleep(look_every)
    return False


class Training:
    """A training, as far as its output folder shows it. Times are in seconds."""

    def __init__(self, output: Path, settles: float = SETTLES, silence: float = SILENCE) -> None:
        self._output, self._settles, self._silence = output, settles, silence
        self._heard = time.monotonic()
        self._first = self._signs = self._look()

    def has_ended(self) -> bool:
        """Whether it has left its summary or its failure.

        One that was there from the start may be of an earlier training in the same folder, which the next one takes
        away as it begins; after a while without a sign it counts.

        Raises:
            Silence: there has been no sign of it for too long.
        """
        now, signs = time.monotonic(), self._look()
        if signs != self._signs:
            self._signs, self._heard = signs, now
        ends = [name for name in ENDS if signs[name] is not None]
        if any(signs[name] != self._first[name] for name in ends) or (ends and now - self._heard >= self._settles):
            return True
        if now - self._heard >= self._silence:
            raise Silence(
                f"There was no sign of a training in {self._output} for {self._silence / 60:.0f} minutes. It has ended "
                "without a word, or --output is not its folder."
            )
        return False

    def _look(self) -> dict[str, Stamp | None]:
        return {name: _stamp(self._output / name) for name in SIGNS}


class Checkpoints:
    """The checkpoints of a training as they come, and how good they are.

    Args:
        data: of the training; its validation side and its label map are read.
        output: of the training.

    Raises:
        BadInput: the data cannot be evaluated on.
    """

    def __init__(self, data: Path, output: Path, journal: EvaluationJournal) -> None:
        self._output, self._journal = output, journal
        self._label_map = read_label_map(data / "label_map.pbtxt")
        self._shards = find_shards(data, "validation")
        self._annotations = read_annotations(self._shards, self._label_map)
        self._done: Stamp | None = None
        self._unread: Stamp | None = None
        self._tries = 0
        self._detector: Detector | None = None
        logger.info("Evaluating the checkpoints in %s on %d images as they come", output, len(self._annotations))

    def look(self) -> bool:
        """Evaluate the last checkpoint if it is a new one. False if it could not be read, and is to be tried again."""
        stamp = _stamp(checkpoint_path(self._output, "last"))
        if stamp is None or stamp == self._done:
            return True
        try:
            configuration = Configuration.read(self._output / "configuration.json")
            label_map = read_label_map(self._output / "label_map.pbtxt")
            step, weights = read_average(self._output)
        except (OSError, ValueError, KeyError) as error:  # BadInput is a ValueError
            return self._pass_over(stamp, error)
        if label_map != self._label_map:
            raise BadInput(
                f"The training in {self._output} has the classes {list(label_map.values())}, --data has "
                f"{list(self._label_map.values())}. Name the --data of the training."
            )
        if step != self._journal.step:
            self._evaluate(configuration, step, weights)
        self._done = stamp
        return True

    def _evaluate(self, configuration: Configuration, step: int, weights: list[np.ndarray]) -> None:
        if self._detector is None or self._detector.configuration != configuration:
            self._detector = build_detector(configuration, self._label_map)
            self._evaluator = Evaluator(self._detector, self._shards, self._annotations)
        began = time.monotonic()
        self._detector.model.set_weights(weights)
        self._journal.record(step, configuration.steps, self._evaluator.figures(), time.monotonic() - began)

    def _pass_over(self, stamp: Stamp, error: Exception) -> bool:
        """Whether that is for good."""
        self._tries = self._tries + 1 if stamp == self._unread else 1
        self._unread = stamp
        if self._tries < TRIES:
            return False
        logger.warning("WARNING: a checkpoint could not be read in %d looks and is passed over: %s", TRIES, error)
        self._done = stamp
        return True


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
