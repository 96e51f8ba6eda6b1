"""What a published model of a job finds in the hold-out's images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.costs.prices import PriceList
from include.dataset.custom_vision_images import PREDICTION_BYTES, within_limits
from include.scoring.detections import Detections
from training_services.custom_vision.finds import Finds, Row, row_of
from training_services.custom_vision.records import JobRecords

PUBLISHED = "lanner"  # under which name a model answers, in its own project
ALREADY = "BadRequestIterationIsPublished"
PREDICTION = "prediction"  # in the price list

Paid = Callable[[Decimal, str], None]


class PredictionFailed(RuntimeError):
    """Custom Vision did not answer for the images. The training is not lost: the task may be cleared."""


class Answers:
    """The answers of one job's model.

    Args:
        prices: None: they cost nothing.
    """

    def __init__(self, account: CustomVisionAccount, records: JobRecords, prices: PriceList | None) -> None:
        self.account, self.prices = account, prices
        self.finds = Finds(records, "answers")

    def missing(self, images: Iterable[str]) -> set[str]:
        return set(images) - self.finds.known.keys()

    def ask(self, project: str, training: Any, images: Mapping[str, Path], paid: Paid) -> None:
        """Publish the model and ask it for what is missing.

        Args:
            paid: told what all answers together cost so far, also where it failed.

        Raises:
            PredictionFailed: the service refuses an image.
            PermissionError: it does not know the resource that is to answer.
        """
        published = self._publish(project, training)

        def ask_one(name: str) -> list[Row]:
            encoded = within_limits(images[name].read_bytes(), PREDICTION_BYTES)
            try:
                return [row_of(each) for each in self.account.detect(project, published, encoded)]
            except CustomVisionRefused as refusal:
                raise PredictionFailed(f"Custom Vision did not look at {name}: {refusal}") from refusal

        try:
            self.finds.complete(images, ask_one)
        finally:
            if self.prices:
                done = len(images) - len(self.missing(images))
                paid(self.prices.units(PREDICTION, done), f"{done} predictions")

    def detections(
        self, images: Iterable[str], class_ids: Sequence[int], tags: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Detections]:
        """The answers for some images.

        Args:
            class_ids: of the label map.
            tags: by class id, what the service calls it (``{"name": …}``).

        Raises:
            PredictionFailed: an answer is missing, or names a tag that there is not.
        """
        by_name = {tag["name"]: int(class_id) for class_id, tag in tags.items() if int(class_id) in class_ids}
        known = self.finds.known
        if lacking := sorted(set(images) - known.keys()):
            raise PredictionFailed(f"There is no answer for {len(lacking)} images, the first is {lacking[0]}.")
        return {name: _detections(name, known[name], by_name) for name in images}

    def _publish(self, project: str, training: Any) -> str:
        """Publish a model unless it is. Returns the name under which it answers."""
        if not self.account.prediction_resource:
            raise PermissionError(
                "The Airflow connection names no resource that a model could be published to: prediction_resource_id "
                "in its extra (docs/custom_vision.md)."
            )
        with contextlib.suppress(FileNotFoundError):
            training = self.account.call("get_iteration", project, training.id)
        if training.publish_name:
            return str(training.publish_name)
        try:
            self.account.call(
                "publish_iteration", project, training.id, PUBLISHED, self.account.prediction_resource, repeatable=False
            )
        except CustomVisionRefused as refusal:  # another was faster, or the answer was lost
            if refusal.code != ALREADY:
                raise
        return PUBLISHED


def _detections(image: str, rows: Sequence[Row], class_ids: Mapping[str, int]) -> Detections:
    if unknown := {str(row[0]) for row in rows} - class_ids.keys():
        raise PredictionFailed(f"In {image} it found {min(unknown)!r}; its tags are {', '.join(class_ids)}.")
    ids = np.array([class_ids[str(row[0])] for row in rows], np.int64)
    scores, xmin, ymin, xmax, ymax = np.array([row[1:] for row in rows], np.float64).reshape(-1, 5).T
    return Detections.from_outputs(np.stack([ymin, xmin, ymax, xmax], axis=1), ids, scores, len(rows), first_class=1)
