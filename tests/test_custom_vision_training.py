"""What Custom Vision is told of a training, as lanner.yaml has it."""

from __future__ import annotations

from typing import Any

import pytest

from include.custom_vision_training import DOMAINS, PRESETS, CustomVisionConfiguration
from include.training_program import program_of


def test_presets() -> None:
    assert CustomVisionConfiguration.preset("default").reserved_hours == 1
    assert CustomVisionConfiguration.preset("sample").reserved_hours == 0
    with pytest.raises(ValueError, match="There is no preset 'best'; there are default, sample"):
        CustomVisionConfiguration.preset("best")


@pytest.mark.parametrize("preset", PRESETS)
def test_it_comes_back_from_json(preset: str) -> None:
    configuration = CustomVisionConfiguration.preset(preset)
    assert CustomVisionConfiguration.of(configuration.to_json()) == configuration


def test_hours_change_an_advanced_training_alone() -> None:
    """They are part of the job's name, and a quick training that was told others is the same training."""
    quick = CustomVisionConfiguration.preset("sample")
    assert quick.to_json() == quick.replace(hours=5).to_json()
    advanced = CustomVisionConfiguration.preset("default")
    assert advanced.to_json() != advanced.replace(hours=5).to_json()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"domain": "Food"}, r"domain is 'Food'; it must be one of General \(compact\) \[S1\], "),
        ({"training": "Regular"}, "training is 'Regular'; it must be quick or advanced"),
        ({"hours": 0}, "hours is 0; it must be a whole number from 1 to 168"),
        ({"hours": 1.5}, "hours is 1.5"),
        ({"hours": True}, "hours is True"),
        ({"epochs": 3}, "Custom Vision is not told of epochs; it is told domain, training, hours"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        CustomVisionConfiguration().replace(**change)


def test_the_target_has_it_as_its_program() -> None:
    assert program_of("custom_vision").configuration is CustomVisionConfiguration
    assert len(set(DOMAINS.values())) == len(DOMAINS)
