"""Evaluating the checkpoints of a training beside it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detector_trainer.checkpoints import checkpoint_path, read_checkpoint, write_checkpoint
from detector_trainer.cli import main
from detector_trainer.errors import BadInput
from detector_trainer.evaluation import FIGURES
from detector_trainer.training import train
from detector_trainer.watching import Silence, watch
from tests.trainer.conftest import STEPS, TINY

SPARSE = TINY.replace(checkpoint_every=6)
IN_JOB = {"cluster": {"chief": ["cmle-training-workerpool0-0:2222"]}, "task": {"type": "evaluator", "index": 0}}
ALONE: dict[str, Any] = {"look_every": 0.0, "settles": 0.0}  # beside no training that might just be starting


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a training."""
    output = tmp_path_factory.mktemp("finished")
    train(SPARSE, data, output)
    return output


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """The output of a training as it is once its first checkpoint might come."""
    folder = tmp_path / "output"
    folder.mkdir()
    for name in ("configuration.json", "label_map.pbtxt", "metrics.jsonl"):
        shutil.copyfile(finished / name, folder / name)
    return folder


def evaluations(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "evaluation.jsonl").read_text().splitlines()]


def put(finished: Path, output: Path, step: int) -> None:
    """A checkpoint of the finished training as that of another step."""
    groups = read_checkpoint(finished, "last")
    progress = json.loads(str(groups["progress"][0])) | {"step": step}
    write_checkpoint(output, "last", {**groups, "progress": [json.dumps(progress)]})


def acts(*happenings: Callable[[], object]) -> Callable[[], bool]:
    """What happens in the folder between the looks, one after the other; asked to stop after the last."""
    waiting = list(happenings)

    def should_stop() -> bool:
        if waiting:
            waiting.pop(0)()
            return False
        return True

    return should_stop


def test_each_new_checkpoint_is_evaluated_once(finished: Path, output: Path, data: Path) -> None:
    before = {path.name for path in output.iterdir()}
    last = checkpoint_path(output, "last")
    happened = acts(
        lambda: None,
        lambda: put(finished, output, 6),
        last.touch,
        lambda: put(finished, output, 12),
        lambda: shutil.copyfile(finished / "summary.json", output / "summary.json"),
    )
    assert watch(data, output, should_stop=happened, look_every=0.0)
    lines = evaluations(output)
    assert [(line["step"], line["steps"]) for line in lines] == [(6, STEPS), (12, STEPS)]
    assert set(lines[0]) == {"time", "step", "steps", *(f"validation_{name}" for name in FIGURES)}
    chief = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()][-1]
    assert lines[1]["validation_mAP"] == pytest.approx(chief["validation_mAP"], abs=1e-6)
    assert lines[1]["validation_mAP50"] == pytest.approx(chief["validation_mAP50"], abs=1e-6)
    assert {path.name for path in output.iterdir()} - before == {
        *("evaluation.jsonl", "tensorboard"),
        *("checkpoints", "summary.json"),  # the training's
    }
    assert scalars(output / "tensorboard" / "evaluation") >= {"validation_mAP", "validation_AR_100"}


def scalars(folder: Path) -> set[str]:
    import tensorflow as tf
    from tensorflow.core.util.event_pb2 import Event

    [path] = folder.iterdir()
    events = [Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    return {value.tag for event in events for value in event.summary.value}


def test_a_file_that_is_seen_in_part_is_looked_at_again(finished: Path, output: Path, data: Path) -> None:
    whole = checkpoint_path(finished, "last").read_bytes()
    last = checkpoint_path(output, "last")
    last.parent.mkdir(parents=True)
    happened = acts(
        lambda: last.write_bytes(b""),
        lambda: last.write_bytes(whole[: len(whole) // 2]),
        lambda: last.write_bytes(whole),
    )
    assert not watch(data, output, should_stop=happened, look_every=0.0)
    assert [line["step"] for line in evaluations(output)] == [STEPS]


def test_a_damaged_checkpoint_is_passed_over(output: Path, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    last = checkpoint_path(output, "last")
    last.parent.mkdir(parents=True)
    last.write_bytes(b"no checkpoint")
    (output / "failure.json").write_text("{}")
    with caplog.at_level(logging.WARNING):
        assert watch(data, output, **ALONE)
    assert "could not be read in 5 looks and is passed over" in caplog.text
    assert not (output / "evaluation.jsonl").exists()


def test_started_again_it_evaluates_nothing_twice(finished: Path, output: Path, data: Path, tmp_path: Path) -> None:
    put(finished, output, 6)
    shutil.copyfile(finished / "summary.json", output / "summary.json")
    assert watch(data, output, **ALONE)
    kept = (output / "evaluation.jsonl").read_text()
    with (output / "evaluation.jsonl").open("a") as file:
        file.write('{"time": 1.0, "st')  # a kill
    assert watch(data, output, **ALONE)
    put(finished, output, 12)
    assert watch(data, output, **ALONE)
    assert (output / "evaluation.jsonl").read_text().startswith(kept)
    assert [line["step"] for line in evaluations(output)] == [6, 12]

    later = shutil.copytree(output, tmp_path / "next attempt", ignore=shutil.ignore_patterns("evaluation.jsonl"))
    put(finished, later, 18)
    assert watch(data, later, resume=output, **ALONE)
    assert [line["step"] for line in evaluations(later)] == [6, 12, 18]
    put(finished, later, 12)  # someone trains again from there
    assert watch(data, later, **ALONE)
    assert [line["step"] for line in evaluations(later)] == [6, 12]


def test_an_end_of_an_earlier_training_is_not_that_of_the_next(finished: Path, output: Path, data: Path) -> None:
    (output / "failure.json").write_text("{}")
    happened = acts(
        lambda: None,
        (output / "failure.json").unlink,
        lambda: put(finished, output, 6),
        lambda: (output / "failure.json").write_text("{}"),
    )
    assert watch(data, output, should_stop=happened, look_every=0.0)
    assert [line["step"] for line in evaluations(output)] == [6]


def test_without_a_sign_of_the_training_it_gives_up(tmp_path: Path, data: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(Silence, match=rf"no sign of a training in {nowhere} for 0 minutes"):
        watch(data, nowhere, look_every=0.01, silence=0.05)
    assert not nowhere.exists()


def test_other_data_are_refused(finished: Path, output: Path, data: Path, tmp_path: Path) -> None:
    put(finished, output, 6)
    others = shutil.copytree(data, tmp_path / "others")
    (others / "label_map.pbtxt").write_text((data / "label_map.pbtxt").read_text().replace("red", "blue"))
    with pytest.raises(BadInput, match=r"has the classes \['red', 'green'\], --data has \['blue', 'green'\]"):
        watch(others, output, **ALONE)


@pytest.fixture
def handlers() -> Iterator[None]:
    """The command line takes signals and the log for itself."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    logs = list(logging.root.handlers)
    yield
    logging.root.handlers[:] = logs
    for number, handler in signals.items():
        signal.signal(number, handler)


def test_as_a_machine_of_a_job_it_ends_well_in_any_case(
    handlers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(tmp_path / "none"), "--output", str(tmp_path / "output")]
    assert main([*arguments, "--evaluate"]) == 2
    monkeypatch.setenv("TF_CONFIG", json.dumps(IN_JOB))
    assert main([*arguments, "--config", "c.json"]) == 0
    said = capsys.readouterr().out
    assert said.count("Bad input: ") == 2
    assert said.count("The training goes on without it.") == 1
    assert not (tmp_path / "output").exists()


def start(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "detector_trainer", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=(folder / f"{name}.log").open("a"),
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_training_and_two_evaluators_as_processes(data: Path, tmp_path: Path) -> None:
    """One is started by hand and stopped; the other is a machine of the job, and ends with the training."""
    output = tmp_path / "output"
    SPARSE.replace(steps=200, checkpoint_every=10, evaluate_every=100).write(tmp_path / "c.json")
    common = ["--data", str(data), "--output", str(output)]
    by_hand = start(tmp_path, "by hand", *common, "--evaluate")
    chief = {**IN_JOB, "task": {"type": "chief", "index": 0}}
    training = start(tmp_path, "training", *common, "--config", str(tmp_path / "c.json"), TF_CONFIG=json.dumps(chief))
    in_job = None
    try:
        deadline = time.monotonic() + 240
        while not (output / "evaluation.jsonl").exists():
            assert by_hand.poll() is None, (tmp_path / "by hand.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        by_hand.send_signal(signal.SIGTERM)
        assert by_hand.wait(60) == 75, (tmp_path / "by hand.log").read_text()
        in_job = start(tmp_path, "in job", *common, "--config", str(tmp_path / "c.json"), TF_CONFIG=json.dumps(IN_JOB))
        assert training.wait(240) == 0, (tmp_path / "training.log").read_text()
        assert in_job.wait(120) == 0, (tmp_path / "in job.log").read_text()
    finally:
        for process in filter(None, (by_hand, training, in_job)):
            process.kill()
            process.wait()
    steps = [line["step"] for line in evaluations(output)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 200
    assert all(step % 10 == 0 for step in steps)
    assert "has ended" in (tmp_path / "in job.log").read_text()
    assert not (output / "failure.json").exists()
