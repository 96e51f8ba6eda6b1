"""The command line: trains, or evaluates beside a training, and says by exit code and ``failure.json`` how it ended."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from detector_trainer.clouds import mounted_path, with_mounted_weights
from detector_trainer.configuration import Configuration
from detector_trainer.distribution import EVALUATOR, Task
from detector_trainer.errors import BadInput
from detector_trainer.files import write_json
from detector_trainer.partners import leave_word, lost_partner, partners_word, take_words
from detector_trainer.stopping import StopRequest

DONE, OWN_FAILURE, BAD_INPUT, STOPPED = 0, 1, 2, 75  # 75: "try again later" (EX_TEMPFAIL of sysexits.h)
OLDEST_TENSORFLOW = (2, 17)

logger = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m detector_trainer",
        description="train an SSDLite-MobileNet object detector from TFRecord shards. "
        "Started again with the same --output, it goes on from its last checkpoint. "
        "Each path may also be gs://bucket/…, where buckets are mounted in /gcs (or in the folder GCS_MOUNT names).",
        epilog="Exit codes: 0 done; 1 the trainer failed; 2 bad input or configuration; "
        "75 stopped by SIGTERM after writing a checkpoint, or another of several workers went away: try again. "
        "failure.json in --output says what was wrong. An evaluator of a job of several machines (TF_CONFIG) ends with "
        "0 in any case, since the service would let the training fail with it; its log says what was wrong.",
    )
    arguments.add_argument(
        "--config", type=mounted_path, metavar="FILE", help="the configuration, as JSON; --evaluate needs none"
    )
    arguments.add_argument(
        "--data",
        type=mounted_path,
        required=True,
        metavar="DIR",
        help="holds train/*.tfrecord, validation/*.tfrecord and label_map.pbtxt",
    )
    arguments.add_argument(
        "--output", type=mounted_path, required=True, metavar="DIR", help="receives all that is written"
    )
    arguments.add_argument(
        "--resume",
        type=mounted_path,
        metavar="DIR",
        help="the output of an earlier attempt, to go on from while --output has no checkpoint of its own",
    )
    arguments.add_argument(
        "--evaluate",
        action="store_true",
        help="do not train: evaluate each checkpoint that a training writes to --output, here or on another machine, "
        "until it ends; into evaluation.jsonl and tensorboard/evaluation there",
    )
    return arguments


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.config is None and not options.evaluate:
        arguments.error("the following arguments are required: --config")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True
    )
    should_stop = StopRequest()
    output: Path = options.output
    if options.evaluate:
        return _evaluate(options, should_stop)
    task = Task()
    try:
        task = Task.read(os.environ)
        if task.kind == EVALUATOR:
            return _evaluate_in_job(options, should_stop)
        if task.is_chief:
            output.mkdir(parents=True, exist_ok=True)
            for name in ("failure.json", "summary.json"):
                (output / name).unlink(missing_ok=True)
            take_words(output)
        configuration = with_mounted_weights(Configuration.read(options.config))
        prepare_tensorflow()
        from detector_trainer.loop import Stopped
        from detector_trainer.training import train

        try:
            summary = train(configuration, options.data, output, resume=options.resume, should_stop=should_stop)
        except Stopped as stopped:
            logger.info("%s", stopped)
            return STOPPED
    except BadInput as error:
        logger.error("Bad input: %s", error)
        _tell(output, task, "BAD_INPUT", str(error))
        return BAD_INPUT
    except Exception as error:
        if lost := lost_partner(error, task):
            return _end_without_partner(output, task, lost)
        logger.exception("The trainer failed")
        _tell(output, task, "TRAINER_ERROR", f"{type(error).__name__}: {error}")
        return OWN_FAILURE
    logger.info("Done: %s", json.dumps(summary))
    return DONE


def _evaluate(options: argparse.Namespace, should_stop: StopRequest) -> int:
    """Evaluate the checkpoints of a training as they come. It is not ours to write how that ended."""
    try:
        prepare_tensorflow()
        from detector_trainer.watching import Silence, watch

        try:
            if watch(options.data, options.output, resume=options.resume, should_stop=should_stop):
                logger.info("Done: the training in %s has ended", options.output)
                return DONE
        except Silence as silence:
            logger.error("%s", silence)
            return OWN_FAILURE
    except BadInput as error:
        logger.error("Bad input: %s", error)
        return BAD_INPUT
    except Exception:
        logger.exception("The evaluation failed")
        return OWN_FAILURE
    logger.info("Stopped: the checkpoints of %s are not evaluated any more", options.output)
    return STOPPED


def _evaluate_in_job(options: argparse.Namespace, should_stop: StopRequest) -> int:
    """The same as a machine of a job, which Vertex AI lets fail with any of them: the training is worth more."""
    if _evaluate(options, should_stop) not in (DONE, STOPPED):
        logger.warning("WARNING: This machine evaluates no more. The training goes on without it.")
    return DONE


def leave(code: int) -> NoReturn:
    """End the process at once: everything is written, and TensorFlow's threads can take 15 s to wind down."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def prepare_tensorflow() -> None:
    """Set what TensorFlow and Keras read from the environment, and check that there is one new enough."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RuntimeError("There is no TensorFlow here: pip install 'lanner-trainer[tensorflow]'.") from error
    found = tuple(int(part) for part in tf.__version__.split(".")[:2])
    if found < OLDEST_TENSORFLOW:
        raise RuntimeError(f"TensorFlow {tf.__version__} is too old; 2.17 is the oldest that works.")


def _tell(output: Path, task: Task, reason: str, message: str) -> None:
    """Write why this process failed, for whoever looks at the job, or for the chief, who tells it."""
    output.mkdir(parents=True, exist_ok=True)
    if task.is_chief:
        write_json(output / "failure.json", {"reason": reason, "message": message})
    else:
        leave_word(output, task, reason, message)


def _end_without_partner(output: Path, task: Task, lost: str) -> int:
    """Another worker went away. Unless it says that it failed by itself, the next attempt may go better."""
    logger.error("%s", lost)
    if not task.is_chief:
        return STOPPED
    _tell(output, task, "LOST", lost)  # at once: the service may end this process, too
    if word := partners_word(output, task):
        logger.error("It failed by itself: %s", word["message"])
        _tell(output, task, word["reason"], word["message"])
        return BAD_INPUT if word["reason"] == "BAD_INPUT" else OWN_FAILURE
    return STOPPED
