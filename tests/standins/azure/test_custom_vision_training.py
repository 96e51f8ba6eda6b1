"""What a training needs, what it may suffer, and how it ends before its time. None here trains to its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException, Project, Tag

from tests.standins.azure.custom_vision_client import PREDICTION_RESOURCE, CustomVisionClient
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_fixtures import entry, picture, refused, region, send, send_pictures
from tests.standins.azure.custom_vision_iterations import check_room
from tests.standins.azure.custom_vision_status import FAILED

Refused = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tag(custom_vision: CustomVisionClient, cv_project: Project) -> Iterator[Tag]:
    """The tag of fifteen images of the project."""
    tag = custom_vision.training.create_tag(cv_project.id, "square")
    send_pictures(custom_vision, cv_project, tag, 15)
    return tag


@pytest.fixture
def refusal(custom_vision: CustomVisionClient, cv_project: Project) -> Refused:
    """Status, code and message with which a training is refused."""

    def ask(**how: Any) -> tuple[int, str, str]:
        with pytest.raises(CustomVisionErrorException) as error:
            custom_vision.training.train_project(cv_project.id, **how)
        return refused(error)

    return ask


TOO_FEW = "BadRequestDetectionTrainingValidationFailed"


def test_too_little_to_learn_from(custom_vision: CustomVisionClient, cv_project: Project, refusal: Refused) -> None:
    assert refusal()[:2] == (400, TOO_FEW)
    tag = custom_vision.training.create_tag(cv_project.id, "square")
    send_pictures(custom_vision, cv_project, tag, 14)
    send(custom_vision, cv_project, entry(picture(100)))  # untagged: does not count
    assert refusal() == (400, TOO_FEW, "Not enough images for training")
    custom_vision.training.create_tag(cv_project.id, "unused")
    send_pictures(custom_vision, cv_project, tag, 1, first=50)
    assert refusal() == (400, TOO_FEW, "Not enough images per tag for training")


def test_there_are_no_negative_tags(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag, refusal: Refused
) -> None:
    custom_vision.training.create_tag(cv_project.id, "nothing", type="Negative")
    assert refusal()[1] == "BadRequestDetectionTrainingNotAllowNegativeTag"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"training_type": "Advanced"}, "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining"),
        ({"training_type": "Deep"}, "BadRequest"),
        ({"reserved_budget_in_hours": -1}, "BadRequest"),
        ({"selected_tags": ["00000000-0000-0000-0000-000000000001"]}, "NotFoundTag"),
    ],
)
def test_trainings_that_cannot_be(tag: Tag, refusal: Refused, how: dict[str, Any], code: str) -> None:
    assert refusal(**how)[1] == code


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("quota", 400, "BadRequestExceededQuota"),
        ("rate", 429, "429"),
        ("unavailable", 503, "503"),
        ("forbidden", 403, "ForbiddenUserInsufficientCapability"),
    ],
)
def test_refusals_on_demand(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag, fault: str, status: int, code: str
) -> None:
    """As often as asked, and no iteration comes of it."""
    custom_vision.control("next", {"fault": fault, "count": 2})
    for _ in range(2):
        with pytest.raises(CustomVisionErrorException) as error:
            custom_vision.training.train_project(cv_project.id)
        assert refused(error)[:2] == (status, code)
        assert error.value.response.headers.get("Retry-After") == ("1" if fault == "rate" else None)
    assert custom_vision.control("next") == {"next": []}
    assert custom_vision.training.get_iterations(cv_project.id) == []


def test_one_training_at_a_time(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag, refusal: Refused
) -> None:
    api = custom_vision.training
    custom_vision.control("next", {"hold": "Training"})
    iteration = api.train_project(cv_project.id, training_type="Advanced", reserved_budget_in_hours=2)
    assert (iteration.name, iteration.status, iteration.reserved_budget_in_hours) == ("Iteration 1", "Training", 2)
    assert refusal()[1] == "BadRequestTrainingAlreadyInProgress"
    calls: list[Callable[[], Any]] = [
        lambda: api.get_iteration_performance(cv_project.id, iteration.id),
        lambda: api.publish_iteration(cv_project.id, iteration.id, "x", PREDICTION_RESOURCE),
        lambda: api.export_iteration(cv_project.id, iteration.id, "TensorFlow"),
    ]
    for call in calls:
        with pytest.raises(CustomVisionErrorException) as error:
            call()
        assert refused(error)[1] == "BadRequestIterationIsNotTrained"


def test_a_training_ends_with_its_iteration(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    """The next one begins at once, and is a new one."""
    api = custom_vision.training
    custom_vision.control("next", {"hold": "Training", "count": 2})
    first = api.train_project(cv_project.id)
    api.delete_iteration(cv_project.id, first.id)
    assert api.get_iterations(cv_project.id) == []
    assert api.train_project(cv_project.id).id != first.id


@pytest.mark.parametrize(("fault", "words"), [("internal", "internal error"), ("training", "check your images")])
def test_trainings_that_fail(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag, fault: str, words: str
) -> None:
    """And may be tried again, though nothing changed."""
    api = custom_vision.training
    custom_vision.control("next", {"fault": fault})
    failed = custom_vision.reaches(cv_project.id, api.train_project(cv_project.id).id, {FAILED})
    assert words in failed.training_error_details
    assert not failed.exportable
    custom_vision.control("next", {"hold": "Training"})
    assert api.train_project(cv_project.id).name == "Iteration 2"


def test_one_that_the_service_loses(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    custom_vision.control("next", {"hold": "Training"})
    iteration = custom_vision.training.train_project(cv_project.id)
    custom_vision.control("strike", {"project": cv_project.name})
    failed = custom_vision.reaches(cv_project.id, iteration.id, {FAILED})
    assert "internal error" in failed.training_error_details


def test_what_was_trained_is_written_down_for_good(
    custom_vision: CustomVisionClient, custom_vision_bill: Path, cv_project: Project, tag: Tag
) -> None:
    """With its images, also when its project is gone: whoever pays must know."""
    custom_vision.control("next", {"hold": "Training"})
    iteration = custom_vision.training.train_project(cv_project.id)
    custom_vision.training.delete_iteration(cv_project.id, iteration.id)
    lines = [json.loads(line) for line in custom_vision_bill.read_text().splitlines()]
    (line,) = (line for line in lines if line["project"] == cv_project.id)
    assert (line["name"], line["iteration"], len(line["images"])) == (cv_project.name, iteration.id, 15)
    assert line["images"] == sorted(line["images"])
    assert {boxes for _, boxes in line["images"]} == {1}


@pytest.mark.parametrize("wish", [{}, {"fault": "fire"}, {"fault": "quota", "times": 2}, {"hold": "Completed"}])
def test_wishes_that_mean_nothing(custom_vision: CustomVisionClient, wish: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="400"):
        custom_vision.control("next", wish)


def test_a_project_has_room_for_twenty_iterations() -> None:
    check_room([{}] * 19)
    with pytest.raises(Refusal, match=r"\(20\)") as refused:
        check_room([{}] * 20)
    assert refused.value.code == "BadRequestExceedIterationPerProjectLimit"


def test_region_of_another_project(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    other = custom_vision.training.create_project("other")
    try:
        assert send(custom_vision, other, entry(picture(1), region(tag))).images[0].status == "ErrorInvalidTag"
    finally:
        custom_vision.training.delete_project(other.id)
