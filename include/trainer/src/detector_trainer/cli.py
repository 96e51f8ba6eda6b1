"""The command line: reads the configuration, trains, and says how it ended by exit code and ``failure.json``."""

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
from detector_trainer.distribution import Task
from detector_trainer.errors import BadInput
from detector_trainer.files import write_json
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
        "75 stopped by SIGTERM after writing a checkpoint. failure.json in --output says what was wrong.",
    )
    arguments.add_argument(
        "--config", type=mounted_path, required=True, metavar="FILE", help="the configuration, as JSON"
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
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True
    )
    should_stop = StopRequest()
    output: Path = options.output
    task = Task()
    try:
        task = Task.read(os.environ)
        if task.is_chief:
            output.mkdir(parents=True, exist_ok=True)
            for name in ("failure.json", "summary.json"):
                (output / name).unlink(missing_ok=True)
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
        if task.is_chief:
            _write_failure(output, "BAD_INPUT", str(error))
        return BAD_INPUT
    except Exception as error:
        logger.exception("The trainer failed")
        if task.is_chief:
            _write_failure(output, "TRAINER_ERROR", f"{type(error).__name__}: {error}")
        return OWN_FAILURE
    logger.info("Done: %s", json.dumps(summary))
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


def _write_failure(output: Path, reason: str, message: str) -> None:
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "failure.json", {"reason": reason, "message": message})
