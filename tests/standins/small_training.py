"""A real training of our own detector with a few steps: how the stand-ins play services that have a detector."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from include.dataset.label_map import write_label_map
from include.dataset.tfrecord import Floats, Ints, encode_example, frame
from training_services.local_runner import write

DETECTOR: Mapping[str, Any] = MappingProxyType(
    {"input_size": 128, "width": 0.5, "weights": "none", "steps": 60, "batch_size": 8, "learning_rate": 0.01}
)


@dataclass(frozen=True)
class Sample:
    """One image with its objects.

    Attributes:
        boxes: (class id from 0, left, top, width, height) in pixels.
    """

    name: str
    encoded: bytes
    width: int
    height: int
    boxes: Sequence[tuple[int, float, float, float, float]]


def write_shards(sides: Mapping[str, Sequence[Sample]], classes: Sequence[str], folder: Path) -> None:
    """What our trainer reads: a shard for each side, and a label map with ids from 1."""
    for side, samples in sides.items():
        shard = folder / side / "0.tfrecord"
        shard.parent.mkdir(parents=True, exist_ok=True)
        with shard.open("wb") as file:
            for sample in samples:
                file.writelines(frame(encode_example(_features(sample))))
    (folder / "label_map.pbtxt").write_text(write_label_map(dict(enumerate(classes, 1))))


def trainer_command(work: Path, output: Path, settings: Mapping[str, Any]) -> list[str]:
    """The command that trains from ``work/data``; its configuration is written.

    Args:
        settings: fields of the trainer's configuration; ``DETECTOR`` has what is left out.
    """
    write(work / "config.json", json.dumps({**DETECTOR, "warmup_steps": 5, **settings}))
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "detector_trainer", "--config", str(work / "config.json")]
    return [*command, "--data", str(work / "data"), "--output", str(output)]


def _features(sample: Sample) -> dict[str, Any]:
    edges: dict[str, list[float]] = {"xmin": [], "ymin": [], "xmax": [], "ymax": []}
    for _, left, top, width, height in sample.boxes:
        edges["xmin"].append(left / sample.width)
        edges["ymin"].append(top / sample.height)
        edges["xmax"].append((left + width) / sample.width)
        edges["ymax"].append((top + height) / sample.height)
    return {
        "image/encoded": [sample.encoded],
        "image/filename": [sample.name.encode()],
        "image/width": Ints([sample.width]),
        "image/height": Ints([sample.height]),
        **{f"image/object/bbox/{edge}": Floats(min(max(value, 0.0), 1.0) for value in edges[edge]) for edge in edges},
        "image/object/class/label": Ints(class_id + 1 for class_id, *_ in sample.boxes),
    }
