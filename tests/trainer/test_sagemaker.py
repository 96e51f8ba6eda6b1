"""SageMaker's containers as the trainer finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector_trainer import cli
from detector_trainer.distribution import Task
from detector_trainer.sagemaker import Container, main


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for /opt/ml, with the channels of a job."""
    for channel in ("train", "validation", "job"):
        (tmp_path / "input" / "data" / channel).mkdir(parents=True)
    (tmp_path / "input" / "data" / "train" / "1.tfrecord").write_text("train")
    (tmp_path / "input" / "data" / "job" / "label_map.pbtxt").write_text("item {}")
    (tmp_path / "input" / "data" / "job" / "configuration.json").write_text('{"weights": "none", "steps": 3}')
    (tmp_path / "input" / "config").mkdir()
    resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    (tmp_path / "input" / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    return tmp_path


def test_what_the_trainer_reads_is_put_together(base: Path, tmp_path: Path) -> None:
    container = Container.read({"SAGEMAKER_BASE_DIR": str(base)})
    arguments = container.arguments(tmp_path / "scratch")
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert (Path(options["--data"]) / "train" / "1.tfrecord").read_text() == "train"
    assert (Path(options["--data"]) / "label_map.pbtxt").read_text() == "item {}"
    assert json.loads(Path(options["--config"]).read_text()) == {"weights": "none", "steps": 3}
    assert options["--output"] == str(base / "checkpoints")
    assert "--resume" not in options


def test_weights_and_an_earlier_attempt_come_in_channels(base: Path, tmp_path: Path) -> None:
    (base / "input" / "data" / "job" / "configuration.json").write_text('{"weights": "abc.weights.h5"}')
    environment = {
        "SAGEMAKER_BASE_DIR": str(base),
        "SM_CHANNEL_WEIGHTS": "/elsewhere/weights",
        "SM_CHANNEL_EARLIER": "/elsewhere/earlier",
    }
    arguments = Container.read(environment).arguments(tmp_path / "scratch")
    configuration = json.loads((tmp_path / "scratch" / "configuration.json").read_text())
    assert configuration["weights"] == "/elsewhere/weights/abc.weights.h5"
    assert arguments[-2:] == ["--resume", "/elsewhere/earlier"]


def test_hosts_are_workers_of_which_the_first_writes(base: Path) -> None:
    of_files = Container.read({"SAGEMAKER_BASE_DIR": str(base)})
    named = Container.read({"SM_HOSTS": '["algo-2","algo-1"]', "SM_CURRENT_HOST": "algo-1"})
    second, first = (Task.read({"TF_CONFIG": container.tf_config()}) for container in (of_files, named))
    assert first.cluster == second.cluster == {"worker": ["algo-1:2222", "algo-2:2222"]}
    assert (first.is_chief, second.is_chief) == (named.is_first, of_files.is_first) == (True, False)
    assert (first.number, second.number) == (0, 1)


def test_hosts_without_names_have_addresses(base: Path) -> None:
    addresses = json.dumps({"algo-1": "127.0.0.1:1", "algo-2": "127.0.0.1:2"})
    container = Container.read({"SAGEMAKER_BASE_DIR": str(base), "SM_HOST_ADDRESSES": addresses})
    assert json.loads(container.tf_config())["cluster"] == {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


@pytest.fixture
def alone(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SM_HOSTS", '["algo-1"]')
    monkeypatch.setenv("SM_CURRENT_HOST", "algo-1")
    return base


def test_at_the_end_a_model_is_handed_over(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(arguments: list[str]) -> int:
        output = Path(arguments[arguments.index("--output") + 1])
        for name in ("checkpoints/best/state.npz", "checkpoints/last/state.npz", "saved_model/pb", "tensorboard/x"):
            (output / name).parent.mkdir(parents=True)
            (output / name).write_text(name)
        (output / "metrics.jsonl").write_text("{}")
        return cli.DONE

    monkeypatch.setattr(cli, "main", train)
    assert main() == cli.DONE
    handed = sorted(file.relative_to(alone / "model").as_posix() for file in alone.glob("model/**/*") if file.is_file())
    assert handed == ["checkpoints/best/state.npz", "metrics.jsonl", "saved_model/pb"]


def test_a_failure_is_told_where_the_service_looks(alone: Path) -> None:
    assert main() == cli.BAD_INPUT  # there is no validation shard, and "steps" alone is no configuration either
    told = (alone / "output" / "failure").read_text()
    assert told.startswith("BAD_INPUT: ")
    assert told.endswith("ExitCode 2")
    assert not (alone / "model").exists()
