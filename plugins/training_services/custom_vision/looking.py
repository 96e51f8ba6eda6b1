"""What an iteration finds in images that the service looks at and does not store ("quick test").

The side of an image that nobody has labelled is decided when its batch joins a dataset, so it may yet be one of the
hold-out. It may be looked at, as the hold-out is when a model is scored; what is uploaded to get suggestions
(``suggest_tags_and_regions``) would stay there. A quick test needs no published iteration and no second resource.
https://learn.microsoft.com/rest/api/customvision/predict/quick-test-image
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.dataset.custom_vision_images import PREDICTION_BYTES, within_limits
from training_services.custom_vision.finds import Finds, Row, row_of
from training_services.custom_vision.records import JobRecords


class Looks:
    """All looks of one iteration; each image is looked at once, whoever asks again.

    Args:
        records: of the project.
    """

    def __init__(self, account: CustomVisionAccount, records: JobRecords, project: str, iteration: str) -> None:
        self.account, self.project, self.iteration = account, project, iteration
        self.finds = Finds(records, f"looks/{iteration}")

    def at(self, images: Mapping[str, Callable[[], bytes]]) -> dict[str, list[Row]]:
        """What is found in images. In one that the service refuses nothing is, and the log says why.

        Args:
            images: what reads each, by its name.
        """

        def look(name: str) -> list[Row]:
            encoded = within_limits(images[name](), PREDICTION_BYTES)
            try:
                answer = self.account.call("quick_test_image", self.project, encoded, self.iteration, store=False)
            except CustomVisionRefused as refusal:
                print(f"Custom Vision did not look at image {name}: {refusal}")
                return []
            return [row_of(each) for each in answer.predictions or ()]

        self.finds.complete(images, look)
        known = self.finds.known
        return {name: known[name] for name in images}
