"""What trains at a target: our trainer, or where a cloud's own algorithm is asked for, that one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, Self

from detector_trainer import __version__
from detector_trainer.configuration import Configuration
from include import builtin_detector, custom_vision_training


class TrainingConfiguration(Protocol):
    """One training, but for its data."""

    @classmethod
    def preset(cls, name: str) -> Self: ...

    def replace(self, **changes: Any) -> Self:
        """``ValueError`` or ``TypeError`` that names the field that is wrong."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class TrainingProgram:
    """
    Attributes:
        model: what comes of it, in words.
        version: with the configuration and the data it decides what is trained.
        takes_weights: may it start from a file of weights?
    """

    model: str
    configuration: type[TrainingConfiguration]
    version: str
    takes_weights: bool = False


TRAINER = TrainingProgram("ours", Configuration, __version__, takes_weights=True)
OF_CLOUDS: Mapping[str, TrainingProgram] = MappingProxyType(
    {
        "sagemaker_builtin": TrainingProgram(
            "AWS's own detector", builtin_detector.BuiltinConfiguration, builtin_detector.VERSION
        ),
        "custom_vision": TrainingProgram(
            "Custom Vision's own detector",
            custom_vision_training.CustomVisionConfiguration,
            custom_vision_training.VERSION,
        ),
    }
)


def program_of(target: str) -> TrainingProgram:
    """What trains at a target, by its name in lanner.yaml."""
    return OF_CLOUDS.get(target, TRAINER)


def other_models(targets: Iterable[str]) -> Iterator[str]:
    """A line for each target that a comparison shows beside others and that trains another kind of model."""
    for target in targets:
        if target in OF_CLOUDS:
            yield f"{target} is {OF_CLOUDS[target].model}: another kind of model, not ours trained elsewhere."
