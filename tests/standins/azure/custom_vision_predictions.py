"""The prediction API: a published iteration looks at an image, which is stored or is not.

https://learn.microsoft.com/rest/api/customvision/prediction/detect-image.
"""

from __future__ import annotations

from pathlib import Path

from tests.standins.azure.custom_vision_account import MAX_PREDICTED_BYTES, PREDICT, PREDICT_UNSTORED
from tests.standins.azure.custom_vision_calls import PREDICTION, Call, Route
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_image_check import BadImage, size_of
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_model import load
from tests.standins.azure.custom_vision_store import Project, Row, new_id, now
from tests.standins.azure.custom_vision_upload import Sent

_REFUSALS = {
    "ErrorImageSize": ("BadRequestImageSizeBytes", f"Image size should be at most {MAX_PREDICTED_BYTES >> 20} MB."),
    "ErrorImageFormat": ("BadRequestImageFormat", "Image format is not supported."),
    "ErrorImageDimensions": ("BadRequestImageDimensions", "Image dimensions are not supported."),
}


class PredictionCalls:
    """Detection by published iterations, and by any iteration of one's own (quick test)."""

    def __init__(self, iterations: Iterations, sent: Sent) -> None:
        self.iterations, self.projects, self.sent = iterations, iterations.projects, sent

    def routes(self) -> list[Route]:
        detect, test = "/{projectId}/detect/iterations/{name}/image", "/projects/{projectId}/quicktest/image"
        return [
            Route("DetectImage", "POST", detect, lambda call: self._detect(call, True), PREDICT, PREDICTION),
            Route(
                "DetectImageWithNoStore",
                "POST",
                f"{detect}/nostore",
                lambda call: self._detect(call, False),
                PREDICT_UNSTORED,
                PREDICTION,
            ),
            Route("QuickTestImage", "POST", test, self._test),
            Route("DeletePrediction", "DELETE", "/projects/{projectId}/predictions", self._delete),
        ]

    def _detect(self, call: Call, store: bool) -> Row:
        project = self.projects.get(call.at["projectId"])
        folder = self.iterations.published(project, call.at["name"])
        if folder is None:
            # The words: https://stackoverflow.com/questions/58310206, from memory.
            raise Refusal("NotFound", f"Iteration with name '{call.at['name']}' is not published.")
        return self._predict(call, project, folder, store)

    def _test(self, call: Call) -> Row:
        project = self.projects.get(call.at["projectId"])
        id_ = call.query.get("iterationId") or self._newest(project)
        folder = self.iterations.folder(project, id_, trained=True)
        return self._predict(call, project, folder, call.query.get("store", "true").lower() == "true")

    def _newest(self, project: Project) -> str:
        trained = [each["id"] for each in self.iterations.of(project) if each["status"] == "Completed"]
        if not trained:
            raise Refusal("NotFoundProjectDefaultIteration", "The project has no trained iteration.")
        return trained[0]

    def _predict(self, call: Call, project: Project, folder: Path, store: bool) -> Row:
        encoded = call.file("imageData")
        self.sent.keep(project, encoded, "predictions")
        try:
            width, height = size_of(encoded, MAX_PREDICTED_BYTES)
        except BadImage as why:
            raise Refusal(*_REFUSALS[str(why)]) from why
        predictions = load(folder).predictions(encoded)
        about = {"id": new_id(), "project": project.id, "iteration": folder.name, "created": now()}
        if store:
            with project.lock:
                (project.files / about["id"]).write_bytes(encoded)
                size = {"width": width, "height": height}
                project.predictions.put(about | size | {"predictions": predictions})
        return about | {"predictions": predictions}

    def _delete(self, call: Call) -> None:
        project = self.projects.get(call.at["projectId"])
        with project.lock:
            for id_ in call.ids("ids", 64):
                project.predictions.remove(id_)
                (project.files / id_).unlink(missing_ok=True)
