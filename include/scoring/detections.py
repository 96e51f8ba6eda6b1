"""What a detector says about one image, in the one form that all export formats are brought to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Detections:
    """The N detections in one image, best first.

    Attributes:
        boxes: (N, 4) float32, ymin, xmin, ymax, xmax, as fractions of the image's height and width, within 0..1.
        classes: (N,) int64, ids of the label map (from 1).
        scores: (N,) float32, 0..1.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def from_outputs(
        cls, boxes: NDArray, classes: NDArray, scores: NDArray, count: float, first_class: int
    ) -> Detections:
        """Take the first ``count`` rows of an exported model's padded outputs.

        Args:
            boxes, classes, scores: (M, 4), (M,), (M,) as the model returns them, M ≥ ``count``.
            first_class: what the model calls the label map's class 1: 1, or 0 for ``TFLite_Detection_PostProcess``.
        """
        n = int(count)
        order = np.argsort(-scores[:n], kind="stable")
        return cls(
            boxes=np.clip(boxes[:n], 0.0, 1.0).astype(np.float32)[order],
            classes=np.rint(classes[:n]).astype(np.int64)[order] + 1 - first_class,
            scores=scores[:n].astype(np.float32)[order],
        )

    def above(self, threshold: float) -> Detections:
        """Those with a score of at least ``threshold``."""
        keep = self.scores >= threshold
        return Detections(self.boxes[keep], self.classes[keep], self.scores[keep])

    def xywh(self, width: int, height: int) -> NDArray[np.float64]:
        """(N, 4) x, y, width, height in pixels of a ``width`` x ``height`` image: COCO's ``bbox``."""
        ymin, xmin, ymax, xmax = self.boxes.astype(np.float64).T
        return np.stack([xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height], axis=1)

    def same_as(self, other: Detections) -> bool:
        """Whether both are equal to the last bit."""
        return (
            np.array_equal(self.boxes, other.boxes)
            and np.array_equal(self.classes, other.classes)
            and np.array_equal(self.scores, other.scores)
        )
