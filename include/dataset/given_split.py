"""A split that the batch brings along: VOC's image sets, or folders named after the sides."""

from __future__ import annotations

from pathlib import PurePosixPath

from include.dataset.quarantine import Notes
from include.dataset.source import SourceFiles, image_stem
from include.documents import Side

MAX_LIST_BYTES = 256 << 20

SET_SIDES: tuple[tuple[str, Side], ...] = (  # later ones overrule: what is tested on is never trained on
    ("trainval", "train"),
    ("train", "train"),
    ("val", "validation"),
    ("test", "holdout"),
)
FOLDER_SIDES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "holdout",
    "testing": "holdout",
    "holdout": "holdout",
    "train2017": "train",
    "val2017": "validation",
}


def given_sides(files: SourceFiles, notes: Notes) -> dict[str, Side]:
    """Image → side, for the images to which the batch gives one.

    ``ImageSets/Main/{train,val,trainval,test}.txt`` list images by their stems; where there are none of these, the
    innermost folder with a telling name decides. VOC's lists per class (``dog_train.txt``) are passed over.

    Raises:
        Refused: an image set cannot be read.
    """
    stems: dict[str, Side] = {}
    for name, side in SET_SIDES:
        for path in files.image_sets:
            if PurePosixPath(path).stem == name:
                lines = files.read(path, MAX_LIST_BYTES).decode(errors="replace").splitlines()
                stems |= {line.split()[0]: side for line in lines if line.strip()}
    sides: dict[str, Side] = {}
    for image in files.images:
        if found := stems.get(image_stem(image)) if stems else _folder_side(image):
            sides[image] = found
        else:
            notes.add("image without a given side; its bytes' hash decides", image)
    return sides


def _folder_side(image: str) -> Side | None:
    folders = PurePosixPath(image).parent.parts
    return next((FOLDER_SIDES[name.lower()] for name in reversed(folders) if name.lower() in FOLDER_SIDES), None)
