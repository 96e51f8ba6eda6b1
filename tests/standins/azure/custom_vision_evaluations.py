"""The calls about how well an iteration does: its figures, and image by image what it found."""

from __future__ import annotations

import json

from tests.standins.azure.custom_vision_calls import Call, Route
from tests.standins.azure.custom_vision_images import addresses, view
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_model import Found, shown
from tests.standins.azure.custom_vision_performance import FILE, performance
from tests.standins.azure.custom_vision_store import Row


class EvaluationCalls:
    def __init__(self, iterations: Iterations) -> None:
        self.iterations, self.projects = iterations, iterations.projects

    def routes(self) -> list[Route]:
        path = "/projects/{projectId}/iterations/{iterationId}/performance"
        return [
            Route("GetIterationPerformance", "GET", path, self._performance),
            Route("GetImagePerformances", "GET", f"{path}/images", lambda call: call.page(self._images(call))),
            Route("GetImagePerformanceCount", "GET", f"{path}/images/count", lambda call: len(self._images(call))),
        ]

    def _performance(self, call: Call) -> Row:
        project = self.projects.get(call.at["projectId"])
        folder = self.iterations.folder(project, call.at["iterationId"], trained=True)
        threshold, overlap = (call.number(name, 0.5, 0, 1) for name in ("threshold", "overlapThreshold"))
        return performance(folder, threshold, overlap)

    def _images(self, call: Call) -> list[Row]:
        """The held-out images that are still there, with what was found in them."""
        project = self.projects.get(call.at["projectId"])
        folder = self.iterations.folder(project, call.at["iterationId"], trained=True)
        known = json.loads((folder / "model" / FILE).read_text())
        wanted = set(call.ids("tagIds", 20))
        answers = []
        for each in known["images"]:
            image = project.images.get(each["image"])
            if image is None or (wanted and not wanted & {tag["tagId"] for tag in image["tags"]}):
                continue
            whole = view(project, image, call.url)
            about = {name: whole[name] for name in ("id", "created", "width", "height", "tags", "regions")}
            at = addresses(project, image["id"], call.url)["originalImageUri"]
            predictions = [shown(Found(*found), known["tags"]) for found in each["found"]]
            answers.append(about | {"imageUri": at, "thumbnailUri": at, "predictions": predictions})
        return answers
