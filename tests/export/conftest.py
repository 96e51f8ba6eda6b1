from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from include.documents import ExportFormat
from tests.toy_collection import make_images, write_coco, write_label_map, write_shard


@dataclass(frozen=True)
class Toy:
    """A toy detector as the trainer leaves it, and the data that it has and has not seen."""

    trained: Path
    train_shards: list[Path]
    holdout_shards: list[Path]
    coco: Path
    input_size: int


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Trained for seconds: enough for detections that depend on the image."""
    from detector_trainer.configuration import Augmentation, Configuration
    from detector_trainer.training import train

    folder = tmp_path_factory.mktemp("toy")
    data, trained = folder / "data", folder / "trained"
    trained.mkdir()
    shards = [write_shard(data / "train" / f"{i}.tfrecord", make_images(24, seed=i)) for i in (1, 2)]
    write_shard(data / "validation" / "1.tfrecord", make_images(8, seed=3))
    write_label_map(data / "label_map.pbtxt")
    holdout = make_images(16, seed=4)
    configuration = Configuration(
        input_size=64,
        width=0.35,
        weights="none",
        steps=150,
        batch_size=16,
        learning_rate=5e-3,
        warmup_steps=5,
        ema_decay=0.8,
        evaluate_every=150,
        augmentation=Augmentation(crop=1, zoom_out=1, stretch=1, mosaic=0),
    )
    train(configuration, data, trained)
    return Toy(
        trained=trained,
        train_shards=shards,
        holdout_shards=[
            write_shard(folder / "holdout" / "1.tfrecord", holdout[:8]),
            write_shard(folder / "holdout" / "2.tfrecord", holdout[8:]),
        ],
        coco=write_coco(folder / "holdout.json", holdout),
        input_size=configuration.input_size,
    )


@pytest.fixture(scope="session")
def exports(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[ExportFormat, Path]:
    from include.export.formats import export_all

    return export_all(toy.trained, tmp_path_factory.mktemp("exports"), calibration=toy.train_shards)
