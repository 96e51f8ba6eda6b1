"""The built-in "Object Detection - MXNet", played by our own trainer with a few steps.

``python -m tests.standins.aws.sagemaker_detection train /opt/ml`` trains from the four channels, as the algorithm's
container does; ``… serve MODEL IMAGES ANSWERS`` answers for every image of a folder, as the same container does in a
batch transform. Lines, metrics, checkpoints, failures and answers have the algorithm's form:
https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-in-formats.html. How long and on how large images it
trains is the stand-in's choice (``STANDIN_DETECTOR``, fields of the trainer's configuration), not the job's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.standins.aws.sagemaker_detection_data import SUFFIXES, check_sizes, read_piped_side, read_side
from tests.standins.aws.sagemaker_detection_rules import SIDES, BadJob, check_channels, check_hyperparameters, is_piped
from tests.standins.small_training import DETECTOR, trainer_command, write_shards
from training_services.local_runner import write

if TYPE_CHECKING:
    from include.scoring.detections import Detections

CLIENT_ERROR, STOPPED = 2, 75
MODEL = "model_algo_1"  # folder of the SavedModel; the algorithm has files that begin so


def train(base: Path) -> int:
    """Train from what lies below a folder that stands for ``/opt/ml``. Returns the exit code."""
    config = base / "input" / "config"
    given = json.loads((config / "hyperparameters.json").read_text())
    print("Docker entrypoint called with argument(s): train")
    _say("INFO", f"Reading provided configuration from /opt/ml/input/config/hyperparameters.json: {given}")
    try:
        channels = json.loads((config / "inputdataconfig.json").read_text())
        check_channels(channels)
        configuration = check_hyperparameters(given)
        _say("INFO", f"Final configuration: {configuration}")
        classes, data = int(configuration["num_classes"]), base / "input" / "data"
        if is_piped(channels):
            sides = {side: read_piped_side(data / side, classes) for side in SIDES}
        else:
            sides = {side: read_side(data / side, data / f"{side}_annotation", classes) for side in SIDES}
        check_sizes(sides, configuration)
    except BadJob as why:
        _say("ERROR", f"Customer Error: {why}")
        write(base / "output" / "failure", str(why))
        return CLIENT_ERROR
    if len(sides["train"]) != int(configuration["num_training_samples"]):
        _say("WARNING", f"num_training_samples is {configuration['num_training_samples']}; {len(sides['train'])} found")
    work = base / "work"
    write_shards(sides, [str(number) for number in range(classes)], work / "data")
    checkpoints = base / "checkpoints"
    output = checkpoints / "detector" if checkpoints.exists() else work / "output"
    code = _run_trainer(work, output, int(configuration["epochs"]))
    if code == 0:
        shutil.copytree(output / "saved_model", base / "model" / MODEL)
        write(base / "model" / "hyperparams.json", json.dumps(configuration))
    return code


def serve(model: Path, images: Path, answers: Path) -> int:
    """Answer for every image of a folder: ``<name>.out`` with its detections. Returns the exit code."""
    from include.scoring.picture import Picture
    from include.scoring.predict import SavedModelPredictor

    predict = SavedModelPredictor(model / MODEL)
    for image in sorted(file for file in images.rglob("*") if file.is_file()):
        if image.suffix.lower() not in SUFFIXES:
            _say("ERROR", f"Unable to decode image {image.name}")
            return CLIENT_ERROR
        answer = answers / f"{image.relative_to(images)}.out"
        answer.parent.mkdir(parents=True, exist_ok=True)
        write(answer, answer_of(predict(Picture(image.read_bytes()))))
    return 0


def answer_of(found: Detections) -> str:
    """What was found in an image, in the algorithm's words."""
    rows = [
        [float(class_id - 1), float(score), float(xmin), float(ymin), float(xmax), float(ymax)]
        for (ymin, xmin, ymax, xmax), class_id, score in zip(found.boxes, found.classes, found.scores, strict=True)
    ]
    return json.dumps({"prediction": rows})


def _run_trainer(work: Path, output: Path, epochs: int) -> int:
    """Run our trainer, and tell of its metrics as the algorithm does. Returns its exit code; SIGTERM is passed on."""
    settings = {**DETECTOR, **json.loads(os.environ.get("STANDIN_DETECTOR", "{}"))}
    every = max(1, -(-settings["steps"] // min(epochs, 5)))
    command = trainer_command(work, output, {"evaluate_every": every, "checkpoint_every": every, **settings})
    with (work / "trainer.txt").open("wb") as said:
        trainer = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: trainer.terminate())
    told = 0
    while trainer.poll() is None:
        time.sleep(0.2)
        told = _tell(output / "metrics.jsonl", told, every)
    _tell(output / "metrics.jsonl", told, every)
    if trainer.returncode not in {0, STOPPED}:
        print((work / "trainer.txt").read_text(errors="replace"))
    return trainer.returncode


def _tell(file: Path, told: int, every: int) -> int:
    """Print the metrics after the first ``told`` lines. Returns how many have been told now."""
    for metrics in _whole_lines(file, told):
        told += 1
        epoch = max(0, metrics["step"] // every - 1)
        if "validation_mAP50" in metrics:
            print(
                f"#quality_metric: host=algo-1, epoch={epoch}, validation mAP <score>=({metrics['validation_mAP50']})"
            )
        else:
            at = f"#quality_metric: host=algo-1, epoch={epoch}, batch={metrics['step']} train"
            print(f"{at} cross_entropy <loss>=({metrics['class_loss']})")
            print(f"{at} smooth_l1 <loss>=({metrics['box_loss']})")
    return told


def _whole_lines(file: Path, after: int) -> Iterator[dict[str, Any]]:
    if file.exists():
        for line in file.read_text().splitlines(keepends=True)[after:]:
            if line.endswith("\n"):
                yield json.loads(line)


def _say(level: str, text: str) -> None:
    print(f"[{time.strftime('%m/%d/%Y %H:%M:%S')} {level} {os.getpid()}] {text}")


def main(argv: Sequence[str]) -> int:
    what, *paths = argv
    return {"train": train, "serve": serve}[what](*map(Path, paths))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
