"""The smart labeller: what a trained iteration would draw into images that nobody has tagged.

https://learn.microsoft.com/azure/ai-services/custom-vision-service/suggested-tags. How the service measures uncertainty
("entropy") and what it suggests at the least is not documented; here it is the mean binary entropy of what was found
with a probability of at least ``LEAST``, and 1 where nothing was.
"""

from __future__ import annotations

import math
from typing import Any

from tests.standins.azure.custom_vision_calls import Call, Route
from tests.standins.azure.custom_vision_errors import Refusal, invalid
from tests.standins.azure.custom_vision_images import addresses
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_model import Model, load
from tests.standins.azure.custom_vision_store import Project, Row, new_id, now

LEAST = 0.1
MOST_IMAGES = 64
ORDERS = ("UncertaintyAscending", "UncertaintyDescending")


class SuggestionCalls:
    """The calls about suggestions; what a model sees in an image is looked at once and remembered."""

    def __init__(self, iterations: Iterations) -> None:
        self.iterations, self.projects = iterations, iterations.projects
        self._seen: dict[tuple[str, str], list[Row]] = {}

    def routes(self) -> list[Route]:
        project = "/projects/{projectId}"
        return [
            Route("SuggestTagsAndRegions", "POST", f"{project}/tagsandregions/suggestions", self._suggest),
            Route("QuerySuggestedImages", "POST", f"{project}/images/suggested", self._query),
            Route("QuerySuggestedImageCount", "POST", f"{project}/images/suggested/count", self._count),
        ]

    def _suggest(self, call: Call) -> list[Row]:
        """Suggestions for images by their ids."""
        project, model, iteration = self._model(call)
        ids = call.ids("imageIds", MOST_IMAGES)
        if not ids:
            raise Refusal("BadRequestRequiredParamIsNull", "The parameter imageIds is required.")
        images = [project.image(id_) for id_ in ids]
        return [self._answer(project, model, iteration, image) for image in images]

    def _query(self, call: Call) -> Row:
        """Untagged images with suggestions of some tags, page by page; ``continuation`` is how many were told."""
        project, model, iteration = self._model(call)
        asked = call.json()
        order, most = asked.get("sortBy") or ORDERS[0], asked.get("maxCount") or MOST_IMAGES
        if order not in ORDERS or not isinstance(most, int) or not 1 <= most <= 256:
            raise invalid(f"sortBy '{order}', maxCount {most}.")
        answers = []
        for image, predictions in self._wanted(project, model, iteration, asked):
            size = {name: image[name] for name in ("width", "height")}
            answer = self._answer(project, model, iteration, image) | {"id": image["id"], "predictions": predictions}
            domain = project.about["settings"]["domainId"]
            answers.append(answer | size | {"domain": domain, **addresses(project, image["id"], call.url)})
        answers.sort(key=lambda each: each["predictionUncertainty"], reverse=order == ORDERS[1])
        told = _told(asked.get("continuation"))
        page, after = answers[told : told + most], told + most
        token = {"session": asked.get("session") or new_id(), "sortBy": order, "maxCount": most}
        token |= {name: asked.get(name) for name in ("tagIds", "threshold")}
        return {"token": token | {"continuation": str(after) if after < len(answers) else None}, "results": page}

    def _count(self, call: Call) -> dict[str, int]:
        """By tag, the number of untagged images with a suggestion of it."""
        project, model, iteration = self._model(call)
        counts: dict[str, int] = {}
        for _, predictions in self._wanted(project, model, iteration, call.json()):
            for tag in {each["tagId"] for each in predictions}:
                counts[tag] = counts.get(tag, 0) + 1
        return counts

    def _model(self, call: Call) -> tuple[Project, Model, str]:
        project = self.projects.get(call.at["projectId"])
        folder = self.iterations.folder(project, call.text("iterationId"), trained=True)
        return project, load(folder), folder.name

    def _wanted(self, project: Project, model: Model, iteration: str, asked: Row) -> list[tuple[Row, list[Row]]]:
        """The untagged images in which some tags are suggested, with those suggestions."""
        tags = set(asked.get("tagIds") or [tag["id"] for tag in project.tags])
        threshold = asked.get("threshold") or 0
        if not isinstance(threshold, int | float):
            raise invalid(f"threshold {threshold}.")
        found = []
        for image in project.images:
            if not image["tags"]:
                seen = self._look(project, model, iteration, image)
                wanted = [each for each in seen if each["tagId"] in tags and each["probability"] >= threshold]
                found += [(image, wanted)] if wanted else []
        return found

    def _answer(self, project: Project, model: Model, iteration: str, image: Row) -> Row:
        predictions = self._look(project, model, iteration, image)
        about = {"id": new_id(), "project": project.id, "iteration": iteration, "created": now()}
        return about | {"predictions": predictions, "predictionUncertainty": uncertainty(predictions)}

    def _look(self, project: Project, model: Model, iteration: str, image: Row) -> list[Row]:
        key = (iteration, image["id"])
        if key not in self._seen:
            predictions = model.predictions((project.files / image["id"]).read_bytes())
            self._seen[key] = [each for each in predictions if each["probability"] >= LEAST]
        return self._seen[key]


def uncertainty(predictions: list[Row]) -> float:
    """
    >>> uncertainty([{"probability": 0.5}, {"probability": 1.0}])
    0.5
    """
    return sum(_entropy(each["probability"]) for each in predictions) / len(predictions) if predictions else 1.0


def _entropy(probability: float) -> float:
    """In bits, of a coin."""
    return -sum(share * math.log2(share) for share in (probability, 1 - probability) if share > 0)


def _told(continuation: Any) -> int:
    if continuation in {None, ""}:
        return 0
    if not str(continuation).isdecimal():
        raise invalid(f"continuation '{continuation}'.")
    return int(continuation)
