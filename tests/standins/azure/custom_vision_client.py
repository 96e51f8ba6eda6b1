"""The Custom Vision stand-in as a process, and Microsoft's own clients pointed at it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import Iteration
from msrest.authentication import ApiKeyCredentials

from include.laptop.environment import free_port
from tests.standins.azure.azure_ml_workspace import GROUP, SUBSCRIPTION
from tests.standins.azure.custom_vision_service import PREDICTION_KEY, TRAINING_KEY
from tests.standins.azure.custom_vision_status import ENDED
from tests.standins.processes import Standin, python_module, until

FIRST_PORT = 18900
PAUSE = 0.5  # seconds between two looks at a training: the machine's time is the training's
PREDICTION_RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/"
    "rehearsal-prediction"
)


def custom_vision_standin(state: Path, *options: str, port: int | None = None) -> Standin:
    """The stand-in, not yet started; ``options`` as of ``python -m tests.standins.azure.custom_vision``."""
    chosen = port or free_port(FIRST_PORT, quiet=True)
    command = python_module(
        "tests.standins.azure.custom_vision", "--port", str(chosen), "--state", str(state), *options
    )
    return Standin("custom-vision", command, f"http://127.0.0.1:{chosen}", state, ready="/control/next")


class CustomVisionClient:
    """Both of the SDK's clients, and the control endpoint.

    Args:
        url: of the stand-in, or of a proxy before it.
    """

    def __init__(self, url: str, training_key: str = TRAINING_KEY, prediction_key: str = PREDICTION_KEY) -> None:
        self.url = url
        self.training = CustomVisionTrainingClient(url, ApiKeyCredentials(in_headers={"Training-key": training_key}))
        self.prediction = CustomVisionPredictionClient(
            url, ApiKeyCredentials(in_headers={"Prediction-key": prediction_key})
        )

    def reaches(
        self, project: str, iteration: str, statuses: Collection[str] = ENDED, seconds: float = 120.0
    ) -> Iteration:
        """An iteration once it is in one of some statuses; fails if it ends in another."""
        return until(lambda: self._in(project, iteration, statuses), seconds, f"one of {sorted(statuses)}")

    def _in(self, project: str, iteration: str, statuses: Collection[str]) -> Iteration | None:
        found = self.training.get_iteration(project, iteration)
        if found.status in statuses:
            return found
        assert found.status not in ENDED, found
        time.sleep(PAUSE)
        return None

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", content, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
