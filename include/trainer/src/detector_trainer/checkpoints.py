"""Checkpoints: one file of arrays each, replaced atomically, so that a kill at any moment leaves a whole one.

``checkpoints/last/state.npz`` is all that a training needs to go on; ``checkpoints/best/state.npz`` the running
average of the weights when it did best on the validation images.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from detector_trainer.errors import BadInput

AVERAGE = "average"  # the group of arrays that is evaluated and exported
Which = Literal["best", "last"]
Groups = Mapping[str, Sequence[np.ndarray]]


def checkpoint_path(output: Path, which: Which) -> Path:
    return output / "checkpoints" / which / "state.npz"


def write_checkpoint(output: Path, which: Which, groups: Groups) -> None:
    """Write named lists of arrays; a reader sees the old checkpoint or the new."""
    path = checkpoint_path(output, which)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(file, **{f"{name}/{i}": array for name, arrays in groups.items() for i, array in enumerate(arrays)})
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_checkpoint(output: Path, which: Which) -> dict[str, list[np.ndarray]] | None:
    """The lists of arrays that were written, or None if there is no such checkpoint.

    Raises:
        BadInput: the file is damaged (not by a kill: writing is atomic).
    """
    path = checkpoint_path(output, which)
    if not path.is_file():
        return None
    groups: dict[str, list[np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:  # in the order written
                groups.setdefault(key.partition("/")[0], []).append(arrays[key])
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise BadInput(f"{path} is damaged ({error}). Remove {path.parent} to start again.") from error
    return groups


def read_weights(output: Path, which: Which) -> list[np.ndarray]:
    """The averaged weights of a checkpoint, in the order of ``keras.Model.get_weights``."""
    groups = read_checkpoint(output, which)
    if groups is None:
        raise BadInput(f"{checkpoint_path(output, which)} is missing; has the training in {output} evaluated yet?")
    return groups[AVERAGE]
