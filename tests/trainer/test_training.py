"""Whole trainings, tiny ones. Those in processes of their own run the trainer's sdist, installed alone in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector_trainer.checkpoints import checkpoint_path, read_checkpoint
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.loop import check_finite
from detector_trainer.model import load_detector
from detector_trainer.training import train
from tests.trainer.conftest import STEPS, TINY

TRAINER = Path(__file__).resolve().parents[2] / "include" / "trainer"
AS_JSON = json.dumps(TINY.to_json())


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a training that nothing disturbed."""
    output = tmp_path_factory.mktemp("undisturbed")
    train(TINY, data, output)
    return output


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trainer's sdist, built, unpacked and installed into an otherwise empty folder, as pip would."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(TRAINER, folder / "source", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    build = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"
    command = [sys.executable, "-c", build]
    subprocess.run([*command, "build_sdist", str(folder)], cwd=source, check=True, capture_output=True)
    [sdist] = folder.glob("lanner_trainer-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    [unpacked] = (folder / "unpacked").iterdir()
    subprocess.run([*command, "build_wheel", str(folder)], cwd=unpacked, check=True, capture_output=True)
    [wheel] = folder.glob("lanner_trainer-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(installed: Path, data: Path, tmp_path: Path) -> Start:
    """Starts the installed trainer, which sees nothing else of this project."""

    def start(output: Path, *, configuration: str = AS_JSON) -> subprocess.Popen[str]:
        path = tmp_path / "given.json"
        path.write_text(configuration)
        arguments = ["--config", str(path), "--data", str(data), "--output", str(output)]
        return subprocess.Popen(
            [sys.executable, "-m", "detector_trainer", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    return start


def lines(output: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def step_reached(output: Path) -> int:
    if not checkpoint_path(output, "last").is_file():
        return 0
    return int(json.loads(str(read_checkpoint(output, "last")["progress"][0]))["step"])


def wait_for_step(output: Path, step: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while step_reached(output) < step:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no checkpoint in ten minutes"
        time.sleep(0.02)


def test_leaves_all_that_others_need(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary) == {"steps", "best_step", "validation_mAP", "validation_mAP50", "seconds", "warnings"}
    assert summary["steps"] == STEPS
    assert Configuration.read(finished / "configuration.json") == TINY
    assert list((finished / "tensorboard").glob("events.out.tfevents.*"))
    training = [line for line in lines(finished) if "loss" in line]
    assert [line["step"] for line in training] == list(range(1, STEPS + 1))
    assert set(training[0]) >= {"time", "steps", "class_loss", "box_loss", "learning_rate", "seconds_per_step"}
    validation = [line for line in lines(finished) if "validation_mAP" in line]
    assert [line["step"] for line in validation] == [6, 12]
    assert validation[0]["best"] is True


def test_tensorboard_has_scalars_graph_and_pictures(finished: Path) -> None:
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

    [path] = (finished / "tensorboard").iterdir()
    events = [Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    tags = {value.tag for event in events for value in event.summary.value}
    assert tags >= {"loss", "learning_rate", "validation_mAP", "training", "validation"}
    assert any(event.graph_def for event in events)


def test_the_saved_model_takes_encoded_images_and_agrees_with_the_detector(finished: Path) -> None:
    import tensorflow as tf

    from detector_trainer.detection import detect
    from detector_trainer.records import decode_and_resize

    pixels = np.random.default_rng(2).integers(0, 255, (50, 70, 3)).astype(np.uint8)
    encoded = [tf.io.encode_jpeg(pixels), tf.io.encode_png(pixels[:40]), tf.io.encode_jpeg(pixels[..., :1])]
    served = tf.saved_model.load(str(finished / "saved_model")).signatures["serving_default"]
    answer = served(encoded_images=tf.stack(encoded))
    assert {name: tensor.shape.as_list() for name, tensor in answer.items()} == {
        "detection_boxes": [3, 100, 4],
        "detection_classes": [3, 100],
        "detection_scores": [3, 100],
        "num_detections": [3],
    }
    found = detect(load_detector(finished), tf.stack([decode_and_resize(image, 64) for image in encoded]))
    np.testing.assert_allclose(answer["detection_scores"], found.scores, atol=1e-5)


def test_killed_stopped_and_moved_it_goes_on_to_the_very_same_weights(
    finished: Path, start: Start, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    first = start(output)
    wait_for_step(output, 2, first)
    first.kill()
    first.wait()
    killed_at = step_reached(output)
    assert 2 <= killed_at < STEPS

    second = start(output)
    wait_for_step(output, killed_at + 2, second)
    second.send_signal(signal.SIGTERM)
    log, _ = second.communicate(timeout=60)
    assert second.returncode == 75, log
    assert f"Going on from step {killed_at}" in log
    assert not (output / "failure.json").exists()

    last = tmp_path / "another machine"
    summary = train(TINY, data, last, resume=output)
    assert summary["steps"] == STEPS
    assert [line["step"] for line in lines(last) if "loss" in line] == list(range(1, STEPS + 1))
    for which in ("last", "best"):
        ours, theirs = (read_checkpoint(folder, which)["average"] for folder in (last, finished))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_before_its_first_step_it_ends_at_once(start: Start, tmp_path: Path) -> None:
    """While TensorFlow is loaded there is nothing to keep, and nothing looks at a flag."""
    process = start(tmp_path / "output")
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_another_configuration_is_no_continuation(finished: Path, data: Path) -> None:
    with pytest.raises(BadInput, match="another training: batch_size was 2, is 4"):
        train(TINY.replace(batch_size=4), data, finished)


def test_a_loss_that_is_no_number_ends_it() -> None:
    check_finite(np.array([2.0, 0.5]), 7, TINY)
    with pytest.raises(BadInput, match=r"The loss is nan at step 7.*Lower learning_rate \(now 0.003\)"):
        check_finite(np.array([np.nan, 0.5]), 7, TINY)


def test_bad_input_has_its_own_exit_code_and_says_what(start: Start, tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = start(output, configuration='{"stepps": 3}')
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    failure = json.loads((output / "failure.json").read_text())
    assert failure["reason"] == "BAD_INPUT"
    assert failure["message"].startswith("Configuration: there is no field stepps")
    assert failure["message"] in log


def test_help_explains(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "detector_trainer", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "goes on from its last checkpoint" in done.stdout
    assert "75 stopped by SIGTERM" in " ".join(done.stdout.split())
