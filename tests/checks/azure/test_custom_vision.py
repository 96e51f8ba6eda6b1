"""What would make a training on Custom Vision fail is said before an image is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.checks.azure.custom_vision import RULES, TIERS, CustomVisionJob
from include.checks.rule import check
from include.custom_vision_training import CustomVisionConfiguration
from include.dataset.custom_vision_images import CustomVisionData, LabelledImage, Region

BOX = Region(1, 0.1, 0.1, 0.5, 0.5)


def data(*classes: int, names: dict[int, str] | None = None) -> CustomVisionData:
    """An image of each of these classes."""
    images = {
        str(number): LabelledImage(str(number), f"{number}.jpg", (BOX._replace(class_id=class_id),))
        for number, class_id in enumerate(classes)
    }
    return CustomVisionData(images, (), 0, names or {class_id: f"class {class_id}" for class_id in set(classes)})


SOUND = CustomVisionJob(
    data=data(*[1] * 15, *[2] * 20),
    configuration=CustomVisionConfiguration(),
    tier=TIERS["S0"],
    max_hours=2.0,
    prediction_resource="/subscriptions/0/resourceGroups/ours/providers/Microsoft.CognitiveServices/accounts/ours",
    exports=("TensorFlow",),
)


def test_a_sound_job_has_no_fault() -> None:
    assert check(RULES, SOUND) == []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"data": data(*[1] * 14, *[2] * 20)}, "TAG_WITH_FEW_IMAGES", "'class 1' is in 14 images"),
        ({"data": data(*[1] * 5_001), "tier": TIERS["F0"]}, "TOO_MANY_IMAGES", "5001 images with boxes; a project of"),
        (
            {"data": data(*[each for each in range(51) for _ in range(15)]), "tier": TIERS["F0"]},
            "TOO_MANY_TAGS",
            "51 classes; a project of tier F0 has 50 tags",
        ),
        ({"data": data(*[1] * 15, *[2] * 15, names={1: "Dog", 2: "dog"})}, "TAGS_ALIKE", "'Dog' and 'dog' differ only"),
        ({"max_hours": 0.5}, "HOURS_BEYOND_LIMIT", "may use 1 h, and would be cancelled after 0.5 h"),
        ({"configuration": CustomVisionConfiguration(domain="General")}, "NOT_EXPORTABLE", "cannot be exported"),
        ({"prediction_resource": ""}, "NO_PREDICTION_RESOURCE", "prediction_resource_id is missing"),
        ({"prediction_resource": "ours"}, "NO_PREDICTION_RESOURCE", "prediction_resource_id is 'ours'"),
        ({"machines": 2}, "NO_MACHINES", "2 machines are named for it"),
    ],
)
def test_each_fault_is_found_with_its_remedy(change: dict[str, Any], code: str, words: str) -> None:
    (finding,) = check(RULES, replace(SOUND, **change))
    assert finding.code == code
    assert words in finding.wrong
    assert finding.remedy
    assert finding.source.startswith("https://learn.microsoft.com/")


def test_a_quick_training_keeps_to_no_hours_and_no_exports_need_no_domain() -> None:
    quick = replace(SOUND, configuration=CustomVisionConfiguration(training="quick"), max_hours=0.1)
    assert check(RULES, quick) == []
    assert check(RULES, replace(SOUND, configuration=CustomVisionConfiguration(domain="Logo"), exports=())) == []
