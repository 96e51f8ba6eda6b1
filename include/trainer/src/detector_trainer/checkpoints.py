"""Checkpoints: one file of arrays each, replaced atomically, so that a kill at any moment leaves a whole one.

``checkpoints/last/state.npz`` is all that a training needs to go on; ``checkpoints/best/state.npz`` the running
average of the weights when it did best on the validation images.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from detector_trainer.errors import BadInput

AVERAGE = "average"  # the group of arrays that is evaluated and exported
PROGRESS = "progress"  # the group of one text: how far the training is, as JSON
Which = Literal["best", "last"]
Groups = Mapping[str, Sequence[np.ndarray]]


def checkpoint_path(output: Path, which: Which) -> Path:
    return output / "checkpoints" / which / "state.npz"


def write_checkpoint(output: Path, which: Which, groups: Groups) -> None:
    """Write named lists of arrays; a reader sees the old checkpoint or the new."""
    path = checkpoint_path(output, which)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    named: dict[str, Any] = {f"{name}/{i}": array for name, arrays in groups.items() for i, array in enumerate(arrays)}
    with temporary.open("wb") as file:
        np.savez(file, **named)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_checkpoint(output: Path, which: Which, groups: Collection[str] = ()) -> dict[str, list[np.ndarray]]:
    """The lists of arrays that were written.

    Args:
        groups: names of those to read; none: all.

    Raises:
        BadInput: there is no such checkpoint, or it is damaged (not by a kill: writing is atomic).
    """
    path = checkpoint_path(output, which)
    if not path.is_file():
        raise BadInput(f"{path} is missing; has the training in {output} come that far?")
    found: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:  # in the order written
                group = key.partition("/")[0]
                if not groups or group in groups:
                    found.setdefault(group, []).append(arrays[key])
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise BadInput(f"{path} is damaged ({error}). Remove {path.parent} to start again.") from error
    return found


def read_weights(output: Path, which: Which) -> list[np.ndarray]:
    """The averaged weights of a checkpoint, in the order of ``keras.Model.get_weights``."""
    return read_checkpoint(output, which, [AVERAGE])[AVERAGE]


def read_average(output: Path) -> tuple[int, list[np.ndarray]]:
    """Of the last checkpoint the step, and the averaged weights. Raises as ``read_checkpoint``."""
    groups = read_checkpoint(output, "last", [AVERAGE, PROGRESS])
    return int(json.loads(str(groups[PROGRESS][0]))["step"]), groups[AVERAGE]
