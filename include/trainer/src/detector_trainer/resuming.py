"""Going on with an earlier training: where its checkpoint is, and whether it is the same training."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from detector_trainer.checkpoints import checkpoint_path
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.label_map import read_label_map

# What may differ between a training and its continuation. (A file of weights may lie elsewhere on another machine.)
CHANGEABLE = ("weights", "steps", "minutes", "evaluate_every", "patience", "checkpoint_every")


def find_checkpoint(output: Path, resume: Path | None) -> Path | None:
    """The folder to go on from: ``output`` if it has a checkpoint, else ``resume``; None to start anew.

    Raises:
        BadInput: ``resume`` was given and neither folder has a checkpoint.
    """
    if checkpoint_path(output, "last").is_file():
        return output
    if resume is not None and not checkpoint_path(resume, "last").is_file():
        raise BadInput(f"--resume: {checkpoint_path(resume, 'last')} is missing; leave --resume out to start anew.")
    return resume


def continued(configuration: Configuration, label_map: dict[int, str], earlier: Path) -> Configuration:
    """The configuration to go on with.

    Where the earlier training had to start from scratch for want of a network, so it goes on.

    Raises:
        BadInput: the earlier training was another one.
    """
    before = Configuration.read(earlier / "configuration.json")
    if configuration.weights == "imagenet" and before.weights == "none":
        configuration = configuration.replace(weights="none")
    differing = [
        f"{name} was {getattr(before, name)!r}, is {getattr(configuration, name)!r}"
        for name in (spec.name for spec in dataclasses.fields(Configuration))
        if name not in CHANGEABLE and getattr(before, name) != getattr(configuration, name)
    ]
    if (before.weights == "none") != (configuration.weights == "none"):
        differing.append(f"weights were {before.weights!r}, are {configuration.weights!r}")
    labels_before = read_label_map(earlier / "label_map.pbtxt")
    if labels_before != label_map:
        differing.append(f"classes were {list(labels_before.values())}, are {list(label_map.values())}")
    if differing:
        raise BadInput(f"{earlier} holds another training: {'; '.join(differing)}. Choose an empty --output.")
    return configuration


def bring(earlier: Path, output: Path) -> None:
    """Copy what ``earlier`` had achieved, besides the checkpoint to go on from, to ``output``."""
    if earlier != output:
        for path in (checkpoint_path(earlier, "best"), earlier / "metrics.jsonl"):
            if path.is_file():
                copy = output / path.relative_to(earlier)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
