"""What each call does: who may make it, how often, and which room answers."""

from __future__ import annotations

import json
import urllib.parse
from collections import deque
from email.message import Message
from typing import Any

from tests.standins.azure.custom_vision_account import Tier
from tests.standins.azure.custom_vision_calls import PREDICTION, TRAINING, Call, Reply, Route, find
from tests.standins.azure.custom_vision_errors import Refusal, invalid, too_many, wrong_key
from tests.standins.azure.custom_vision_evaluations import EvaluationCalls
from tests.standins.azure.custom_vision_exports import DOWNLOADS, ExportCalls
from tests.standins.azure.custom_vision_images import BLOBS, ImageCalls, view
from tests.standins.azure.custom_vision_iterations import Iterations, folders
from tests.standins.azure.custom_vision_predictions import PredictionCalls
from tests.standins.azure.custom_vision_projects import ProjectCalls
from tests.standins.azure.custom_vision_rate import Rate
from tests.standins.azure.custom_vision_suggestions import SuggestionCalls
from tests.standins.azure.custom_vision_training import TrainingCalls
from tests.standins.azure.custom_vision_upload import Sent, Uploads

TRAINING_KEY, PREDICTION_KEY = "rehearsal-training-key", "rehearsal-prediction-key"
REMEMBERED = 10_000  # calls

_APIS = {
    TRAINING: ("Training-Key", TRAINING_KEY, "Custom_Vision_Training_3.4-preview", "Custom_Vision.Training"),
    PREDICTION: ("Prediction-Key", PREDICTION_KEY, "Custom_Vision_Prediction_3.1", "Custom_Vision.Prediction"),
}


# What the SDK can call, too, and nobody here does: classification, other people's URLs, copies between resources.
NOT_SERVED = (
    ("ExportProject", "GET", "/projects/{projectId}/export", TRAINING),
    ("ImportProject", "POST", "/projects/import", TRAINING),
    ("GetArtifact", "GET", "/projects/{projectId}/artifacts", TRAINING),
    ("GetImageRegionProposals", "POST", "/projects/{projectId}/images/{imageId}/regionproposals", TRAINING),
    ("CreateImageTags", "POST", "/projects/{projectId}/images/tags", TRAINING),
    ("DeleteImageTags", "DELETE", "/projects/{projectId}/images/tags", TRAINING),
    ("CreateImagesFromUrls", "POST", "/projects/{projectId}/images/urls", TRAINING),
    ("QueryPredictions", "POST", "/projects/{projectId}/predictions/query", TRAINING),
    ("QuickTestImageUrl", "POST", "/projects/{projectId}/quicktest/url", TRAINING),
    ("DetectImageUrl", "POST", "/{projectId}/detect/iterations/{name}/url", PREDICTION),
    ("DetectImageUrlWithNoStore", "POST", "/{projectId}/detect/iterations/{name}/url/nostore", PREDICTION),
    ("ClassifyImage", "POST", "/{projectId}/classify/iterations/{name}/image", PREDICTION),
    ("ClassifyImageWithNoStore", "POST", "/{projectId}/classify/iterations/{name}/image/nostore", PREDICTION),
    ("ClassifyImageUrl", "POST", "/{projectId}/classify/iterations/{name}/url", PREDICTION),
    ("ClassifyImageUrlWithNoStore", "POST", "/{projectId}/classify/iterations/{name}/url/nostore", PREDICTION),
)


class Service:
    """All calls of both APIs, and the control paths."""

    def __init__(
        self,
        iterations: Iterations,
        training: TrainingCalls,
        exports: ExportCalls,
        sent: Sent,
        rate: Rate,
        tier: Tier,
    ) -> None:
        self.training, self.exports, self.rate, self.tier = training, exports, rate, tier
        self.projects = iterations.projects
        self.made: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.routes: list[Route] = [
            *ProjectCalls(self.projects, tier, iterations.before_removal).routes(),
            *ImageCalls(self.projects).routes(),
            *Uploads(self.projects, tier, sent, view).routes(),
            *training.routes(),
            *EvaluationCalls(iterations).routes(),
            *exports.routes(),
            *SuggestionCalls(iterations).routes(),
            *PredictionCalls(iterations, sent).routes(),
            *(Route(name, method, path, _not_served, api=api) for name, method, path, api in NOT_SERVED),
        ]

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Reply:
        """The answer to a request.

        Raises:
            Refusal: the service or the gateway before it refuses.
        """
        url = urllib.parse.urlsplit(target)
        if url.path.startswith("/control/"):
            return Reply(200, self._control(method, url.path.removeprefix("/control/"), body) or {})
        if method == "GET" and url.path.startswith(BLOBS):
            return Reply(200, self._blob(url.path))
        if method == "GET" and url.path.startswith(DOWNLOADS):
            return Reply(200, self.exports.download(url.path))
        api = next((each for each in _APIS if url.path.startswith(each)), None)
        if api is None:
            raise Refusal("NotFound", f"Resource not found: {method} {url.path}")
        header, key, public_name, resource = _APIS[api]
        if headers.get(header) != key:
            raise wrong_key()
        route, at = find(self.routes, method, url.path)
        if not self.rate.allows(route.kind):
            raise self._count(route, too_many(route.name, public_name, resource, self.tier.name))
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        try:
            answer = route.act(Call(at, query, headers, body, f"http://{headers.get('Host')}"))
        except Refusal as refusal:
            raise self._count(route, refusal) from refusal
        reply = answer if isinstance(answer, Reply) else Reply(204 if answer is None else 200, answer)
        self.made.append({"operation": route.name, "status": reply.status})
        return reply

    def _count(self, route: Route, refusal: Refusal) -> Refusal:
        self.made.append({"operation": route.name, "status": refusal.status, "code": refusal.code})
        return refusal

    def _blob(self, path: str) -> bytes:
        project_id, _, file = path.removeprefix(f"{BLOBS}/").partition("/")
        project = self.projects.get(project_id)
        if file not in {*(row["id"] for row in project.images), *(row["id"] for row in project.predictions)}:
            raise Refusal("NotFound", "The specified blob does not exist.")
        return (project.files / file).read_bytes()

    def _control(self, method: str, path: str, body: bytes) -> Any:
        asked = json.loads(body or b"{}")
        wishes = self.training.wishes
        match method, path:
            case "POST", "next":
                wishes.add(asked)
            case "GET", "next":
                return {"next": wishes.waiting()}
            case "DELETE", "next":
                wishes.clear()
            case "POST", "release":
                for project in self.projects:
                    for folder in folders(project):
                        (folder / "hold").unlink(missing_ok=True)
            case "POST", "strike":
                self.training.strike(str(asked.get("project")))
            case "POST", "settings":
                self.rate.set(asked.get("calls_per_second"))
            case "GET", "history":
                return {"calls": list(self.made)}
            case _:
                raise invalid(f"There is no {method} /control/{path}.")
        return None


def _not_served(call: Call) -> None:
    raise Refusal("BadRequestNotSupported", "The stand-in does not serve this call.")
