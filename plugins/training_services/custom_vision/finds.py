"""What a model of the service's finds in images that it looks at and does not store.

It is written down in the store a few images at a time, so that whoever comes after an interruption pays for none twice;
and the project need not be there any more for it to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from training_services.custom_vision.records import JobRecords

TOGETHER = 40  # images whose answers are written down together: two seconds' worth
AT_ONCE = 4  # images; the account keeps the pace of all of them

Row = list[float | str]  # tag's name, probability, xmin, ymin, xmax, ymax as fractions


class Finds:
    """The rows found in each image, by its name.

    Args:
        folder: of the records, for one model.
    """

    def __init__(self, records: JobRecords, folder: str) -> None:
        self.records, self.folder = records, folder

    @property
    def known(self) -> dict[str, list[Row]]:
        return {name: rows for part in self.records.all(self.folder) for name, rows in part.items()}

    def complete(self, images: Collection[str], look: Callable[[str], list[Row]]) -> None:
        """Look at the images that are missing, a few at once, with a line of progress for each few."""
        missing = sorted(set(images) - self.known.keys())
        done = len(images) - len(missing)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(missing), TOGETHER):
                some = missing[start : start + TOGETHER]
                rows = dict(zip(some, pool.map(look, some), strict=True))
                self.records.write(f"{self.folder}/{some[0]}.json", rows)
                done += len(some)
                print(f"Custom Vision has looked at {done} of {len(images)} images")


def row_of(prediction: Any) -> Row:
    """The SDK's ``Prediction`` as it is written down."""
    box = prediction.bounding_box
    left, top = float(box.left), float(box.top)
    corners = (left, top, left + float(box.width), top + float(box.height))
    return [str(prediction.tag_name), float(prediction.probability), *corners]
