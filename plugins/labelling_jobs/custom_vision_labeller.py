"""Custom Vision as a labeller: a project for each collection, trained quickly on what was labelled so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from include.dataset.newest import newest_dataset
from include.labelling.labeller import LOWEST_SCORE, Labeller, Nobody, Proposal
from include.labelling.pool import PoolImage
from include.settings import Settings

if TYPE_CHECKING:
    from training_services.custom_vision.labelling import LabellingProject

NAME = "custom_vision"


class CustomVisionLabeller:
    """Trains when it is asked for suggestions, so that a round that is open already costs nothing.

    Until a class is in enough labelled images it is nobody.
    """

    def __init__(self, project: LabellingProject) -> None:
        self.name = Nobody.name  # until it has suggested something
        self.project = project

    def suggest(self, images: Iterable[PoolImage]) -> Iterator[Sequence[Proposal]]:
        from training_services.custom_vision.looking import Looks

        shown, project = list(images), self.project
        dataset = newest_dataset(project.store, project.collection)
        try:
            iteration = project.trained_on(dataset, len(shown)) if dataset else None
            if iteration is None:
                yield from Nobody().suggest(shown)
                return
            self.name = f"{NAME}/{iteration.name}"
            looks = Looks(project.account, project.records, iteration.project_id, iteration.id)
            try:
                found = looks.at({image.facts.sha256: image.read for image in shown})
            finally:
                project.bill.looked(iteration.id, len(looks.finds.known))
        finally:
            project.bill.close()
        for image in shown:
            yield proposals(found[image.facts.sha256], image.facts.width, image.facts.height)


def proposals(rows: Iterable[Sequence[Any]], width: int, height: int) -> list[Proposal]:
    """What the service says of an image, in its pixels, the surest first.

    >>> proposals([("cat", 0.01, 0, 0, 1, 1), ("cat", 0.5, 0.25, 0.5, 0.75, 1)], 80, 60)
    [Proposal(label='cat', score=0.5, xmin=20.0, ymin=30.0, xmax=60.0, ymax=60)]
    """
    found = [
        Proposal(label, score, xmin * width, ymin * height, xmax * width, ymax * height)
        for label, score, xmin, ymin, xmax, ymax in rows
        if score >= LOWEST_SCORE
    ]
    return sorted(found, key=lambda proposal: -proposal.score)


def open_custom_vision(settings: Settings, collection: str, batch: str) -> AbstractContextManager[Labeller]:
    """The labeller of a collection, by the connection that the settings name.

    Args:
        batch: that is being labelled; of two at the same time the second is told to come again.

    Raises:
        ValueError: the connection lacks an endpoint or a key.
    """
    from include.costs.prices import PriceList
    from training_services.custom_vision.cloud import CustomVisionCloud
    from training_services.custom_vision.labelling import LabellingProject
    from training_services.custom_vision.labelling_bill import LabellingBill
    from training_services.custom_vision.service import FREE

    vision, store = settings.custom_vision, settings.open_store()
    prices = None if vision.tier == FREE else PriceList.of(settings, NAME)
    monthly = settings.collection(collection).monthly_budget
    bill = LabellingBill(store, collection, f"{settings.namespace}-labelling", prices, monthly)
    account = CustomVisionCloud.of_connection(vision)
    project = LabellingProject(account, vision, store, settings.namespace, collection, f"{collection}:{batch}", bill)
    return nullcontext(CustomVisionLabeller(project))
