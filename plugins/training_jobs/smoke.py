"""``make smoke``: the smallest real training in a cloud, with your own connection; then all of it is removed.

It costs money: never more than the budget that you name, and with the smallest machine some cents. State, settings,
namespace and prefix in the bucket are its own (``lanner-smoke``), so it touches nothing that you trained.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from include import settings
from include.dataset.sample import write_sample
from include.laptop import main_job
from include.laptop.present import complain, say
from training_jobs.targets import open_service
from training_services.job import TrainingService

NAME = "lanner-smoke"
COLLECTION = "digits"
IMAGES = 60
FOR_CUSTOM_VISION = 140  # it wants each of the ten digits in 15 images
TRAINING = {
    "input_size": 96,
    "width": 0.35,
    "weights": "none",
    "steps": 20,
    "batch_size": 8,
    "evaluate_every": 10,
    "checkpoint_every": 10,
}
MAX_HOURS = 0.5


def smoke(given: Sequence[str]) -> int:
    """Train, score, remove. Returns an exit code; 1 also if something could not be removed."""
    asked = parser().parse_args(given)
    try:
        target = TARGETS[asked.target]
        home = settings.load().home.resolve() / "smoke"
        declare(home, target.sections(settings.load()) | _prices(settings.load()), asked.target, asked.budget)
    except settings.SettingsError as wrong:
        complain(str(wrong))
        return 2
    code = 1
    try:
        code = main_job.main(["--collection", COLLECTION])
    finally:
        say(f"Removing everything that was made on {asked.target}.")
        try:
            say(f"Removed: {target.remove(open_service(asked.target))}.")
        except Exception as kept:
            complain(f"Not everything could be removed: {kept}\nLook for {NAME} in the cloud's console.")
            code = 1
    if code == 0:
        shutil.rmtree(home)
        say("It works. Nothing of it is left here or there.")
    else:
        say(f"What is left here, logs above all, is in {home}.")
    return code


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("--target", required=True, choices=sorted(TARGETS))
    parser.add_argument("--budget", required=True, type=float, help="US dollars that it may cost at most")
    return parser


def declare(home: Path, sections: Mapping[str, Any], target: str, budget: float) -> None:
    """Make the sample and settings of its own, and let this process and its Airflow use them."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / COLLECTION).exists():
        write_sample(home / COLLECTION, images=TARGETS[target].images)
    file = home / "lanner.yaml"
    with file.open("w") as sink:
        YAML().dump({"namespace": NAME, **sections, "collections": {}}, sink)
    os.environ |= {"LANNER_HOME": str(home), "LANNER_SETTINGS": str(file)}
    asked = {"training": dict(TARGETS[target].training), "preset": "sample", "budget": budget, "max_hours": MAX_HOURS}
    settings.put_collection(COLLECTION, {"source": str(home / COLLECTION), "targets": {target: asked}})


def _prices(current: settings.Settings) -> dict[str, Any]:
    return {"prices": current.model_dump()["prices"]}


def _google(current: settings.Settings) -> dict[str, Any]:
    return {"google": current.require_google().model_dump() | {"prefix": NAME}}


def _remove_from_vertex(service: TrainingService) -> str:
    from training_services.vertex.removal import remove_everything
    from training_services.vertex.service import VertexService

    assert isinstance(service, VertexService)
    return remove_everything(service)


def _aws(current: settings.Settings) -> dict[str, Any]:
    return {"aws": current.require_aws().model_dump(mode="json") | {"prefix": NAME}}


def _remove_from_sagemaker(service: TrainingService) -> str:
    from training_services.sagemaker.removal import remove_everything
    from training_services.sagemaker.service import SageMakerService

    assert isinstance(service, SageMakerService)
    return remove_everything(service)


def _azure(current: settings.Settings) -> dict[str, Any]:
    return {"azure": current.require_azure().model_dump(mode="json") | {"prefix": NAME}}


def _remove_from_azure_ml(service: TrainingService) -> str:
    from training_services.azure_ml.removal import remove_everything
    from training_services.azure_ml.service import AzureMLService

    assert isinstance(service, AzureMLService)
    return remove_everything(service)


def _custom_vision(current: settings.Settings) -> dict[str, Any]:
    return {"custom_vision": current.custom_vision.model_dump(mode="json")}


def _remove_from_custom_vision(service: TrainingService) -> str:
    from training_services.custom_vision.removal import remove_everything
    from training_services.custom_vision.service import CustomVisionService

    assert isinstance(service, CustomVisionService)
    return remove_everything(service)


@dataclass(frozen=True)
class Smoke:
    """What differs from target to target.

    Attributes:
        sections: of lanner.yaml that it needs, from those of the deployment, but apart from them in the cloud.
        remove: all that was made; returns what that was.
        training: what differs from the preset "sample" of whatever trains there.
        images: of the sample.
    """

    sections: Callable[[settings.Settings], dict[str, Any]]
    remove: Callable[[TrainingService], str]
    training: Mapping[str, Any] = field(default_factory=lambda: TRAINING)
    images: int = IMAGES


TARGETS: Mapping[str, Smoke] = MappingProxyType(
    {
        "vertex": Smoke(_google, _remove_from_vertex),
        "sagemaker": Smoke(_aws, _remove_from_sagemaker),
        "sagemaker_builtin": Smoke(_aws, _remove_from_sagemaker, MappingProxyType({"epochs": 1})),
        "azure_ml": Smoke(_azure, _remove_from_azure_ml),
        "custom_vision": Smoke(_custom_vision, _remove_from_custom_vision, MappingProxyType({}), FOR_CUSTOM_VISION),
    }
)


if __name__ == "__main__":
    sys.exit(smoke(sys.argv[1:]))
