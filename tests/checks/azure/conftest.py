"""A workspace of Azure Machine Learning and a Custom Vision resource on this machine, in which nothing is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_client import AzureMLClient, azure_ml_standin
from tests.standins.azure.azure_ml_fixtures import options_for
from tests.standins.azure.azure_ml_service import TOKEN
from tests.standins.azure.azure_ml_workspace import GROUP, REGION, SUBSCRIPTION, WORKSPACE
from tests.standins.azure.custom_vision_client import CustomVisionClient, custom_vision_standin
from tests.standins.azure.custom_vision_service import PREDICTION_KEY, TRAINING_KEY

CLUSTERS = (
    "lanner-cpu=Standard_D8s_v3:2",
    "lanner-t4-spot=Standard_NC4as_T4_v3:1:low",
    "lanner-t4x4=Standard_NC64as_T4_v3:1",
    "lanner-workers=Standard_D8s_v3:1",  # for one, not for two
    "lanner-a10=Standard_NV36ads_A10_v5:1-2",  # keeps one
    "unfit=Standard_D8s_v3:1:low",
)
PREDICTING = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.CognitiveServices/accounts/ours-predicts"
)
SETTINGS = f"""\
azure: {{resource_group: {GROUP}, workspace: {WORKSPACE}, region: {REGION}}}
collections:
  digits:
    source: images
    targets:
      azure_ml: {{machines: [{{preset: t4, spot: true}}, {{preset: cpu}}]}}
      custom_vision: {{preset: sample}}
"""


@dataclass(frozen=True)
class Standins:
    """Where they answer."""

    blob: str
    azure_ml: str
    vision: str

    def resources(self) -> list[dict[str, str]]:
        """The Custom Vision resources, as Azure's management has them."""
        common = {"tier": "S0", "region": REGION, "endpoint": self.vision}
        return [
            {"name": "ours", "kind": "CustomVision.Training", **common},
            {"name": "ours-predicts", "kind": "CustomVision.Prediction", **common},
        ]

    def change(self, **changes: object) -> None:
        """Change the subscription; see ``tests.standins.azure.azure_ml_subscription``."""
        AzureMLClient(self.azure_ml, self.blob).control("subscription", changes)


@pytest.fixture(scope="session")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standins]:
    if why := azurite.why_not():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp
    with (
        azurite.azurite_standin(folder("azurite")) as blob,
        azure_ml_standin(folder("azure_ml"), blob.url, *options_for(*CLUSTERS)) as azure_ml,
        custom_vision_standin(folder("custom_vision"), "--calls", "0") as vision,
    ):
        yield Standins(blob.url, azure_ml.url, vision.url)


@pytest.fixture
def azure(standins: Standins, lanner: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standins]:
    """Nothing is missing; connections and settings are those of a deployment."""
    (lanner / "lanner.yaml").write_text(SETTINGS)
    standins.change()
    standins.change(resources=standins.resources())
    connect(monkeypatch, "azure_default", "azure", asking(standins))
    storing = {"connection_string": azurite.connection_string(standins.blob)}
    connect(monkeypatch, "wasb_default", "wasb", storing)
    predicting = {"prediction_api_key": PREDICTION_KEY, "prediction_resource_id": PREDICTING}
    connect(monkeypatch, "custom_vision_default", "generic", predicting, host=standins.vision, password=TRAINING_KEY)
    yield standins
    vision = CustomVisionClient(standins.vision).training
    for project in vision.get_projects():
        vision.delete_project(project.id)


def asking(standins: Standins) -> dict[str, object]:
    """The extra of a connection to the workspace."""
    endpoints = {"management": standins.azure_ml, "history": standins.azure_ml}
    return {"token": TOKEN, "subscriptionId": SUBSCRIPTION, "endpoints": endpoints}


def connect(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str, extra: dict[str, object] | dict[str, str], **fields: str
) -> None:
    """Let the environment have an Airflow connection."""
    described = {"conn_type": kind, "extra": extra, **fields}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(described))
