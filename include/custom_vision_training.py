"""What Azure's Custom Vision is told of a training: its domain, how thoroughly, and for how long at most.

Presets have the interface of the trainer's ``Configuration``, so that a plan is made of either. All else about the
model is the service's own: it shows no network, no learning rate and no step.
https://learn.microsoft.com/azure/ai-services/custom-vision-service/select-domain
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

VERSION = "custom-vision:3.4-preview"  # of the service's API; with the configuration it decides what is trained
QUICK, ADVANCED = "quick", "advanced"
TRAINING_TYPES: Mapping[str, str] = MappingProxyType({QUICK: "Regular", ADVANCED: "Advanced"})  # as the service says

# Domains for object detection, by name; read 2026-11-29 in
# https://github.com/MicrosoftDocs/azure-docs/blob/11ba2e7/articles/cognitive-services/Custom-Vision-Service/select-domain.md
DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        "General (compact) [S1]": "7ec2ac80-887b-48a6-8df9-8b1357765430",
        "General (compact)": "a27d5ca5-bb19-49d8-a70a-fec086c47f5b",
        "General": "da2e3a8a-40a5-4171-82f4-58522f70fbc1",
        "General [A1]": "9c616dff-2e7d-ea11-af59-1866da359ce6",
        "Logo": "1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4",
        "Products on shelves": "3780a898-81c3-4516-81ae-3a139614e1f3",
    }
)
EXPORTABLE = frozenset({"General (compact) [S1]", "General (compact)"})
"""Domains whose models may leave the service. Models of [S1] suppress overlapping boxes themselves; those of the other
need anchors and that suppression around them."""
LONGEST_HOURS = 24 * 7  # more than anybody means


@dataclass(frozen=True)
class CustomVisionConfiguration:
    """One training.

    Attributes:
        domain: a name of ``DOMAINS``.
        training: "quick" ends by itself, often within the hour; "advanced" searches for up to ``hours``.
        hours: that an advanced training may use, and costs at most; a quick one has no such limit.
    """

    domain: str = "General (compact) [S1]"
    training: str = ADVANCED
    hours: int = 1

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise ValueError(f"domain is {self.domain!r}; it must be one of {', '.join(DOMAINS)}.")
        if self.training not in TRAINING_TYPES:
            raise ValueError(f"training is {self.training!r}; it must be {QUICK} or {ADVANCED}.")
        whole = isinstance(self.hours, int) and not isinstance(self.hours, bool)
        if not (whole and 1 <= self.hours <= LONGEST_HOURS):
            raise ValueError(f"hours is {self.hours!r}; it must be a whole number from 1 to {LONGEST_HOURS}.")

    @classmethod
    def preset(cls, name: str) -> CustomVisionConfiguration:
        """ "default" is an advanced training of an hour, as in the chapter; "sample" a quick one."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
        return PRESETS[name]

    def replace(self, **changes: Any) -> CustomVisionConfiguration:
        """With some fields changed.

        Raises:
            ValueError: there is no such field, or a value cannot be.
        """
        known = [field.name for field in dataclasses.fields(self)]
        if unknown := set(changes) - set(known):
            raise ValueError(f"Custom Vision is not told of {min(unknown)}; it is told {', '.join(known)}.")
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """``hours`` is left out of a quick training, which it does not change."""
        fields = dataclasses.asdict(self)
        return fields if self.training == ADVANCED else {**fields, "hours": 0}

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> CustomVisionConfiguration:
        """From what ``to_json`` wrote."""
        return cls(**{**configuration, "hours": configuration["hours"] or 1})

    @property
    def reserved_hours(self) -> int:
        """That the service is told to use at most; 0: it decides."""
        return self.hours if self.training == ADVANCED else 0


PRESETS: Mapping[str, CustomVisionConfiguration] = MappingProxyType(
    {"default": CustomVisionConfiguration(), "sample": CustomVisionConfiguration(training=QUICK)}
)
