"""Domains, projects and tags, keys, tiers and rates."""

from __future__ import annotations

import base64
import dataclasses
import json
from email.message import Message
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException, Project

from tests.standins.azure.custom_vision_account import COMPACT_S1, OTHER, PREDICT_UNSTORED, TIERS, TRAIN, Tier
from tests.standins.azure.custom_vision_calls import TRAINING
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_exports import ExportCalls
from tests.standins.azure.custom_vision_fixtures import entry, picture, refused, region, send
from tests.standins.azure.custom_vision_iterations import Iterations
from tests.standins.azure.custom_vision_rate import Rate
from tests.standins.azure.custom_vision_service import TRAINING_KEY, Service
from tests.standins.azure.custom_vision_store import Projects
from tests.standins.azure.custom_vision_training import TrainingCalls
from tests.standins.azure.custom_vision_upload import Sent

CLASSIFIER = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
GENERAL = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
NOBODY = "00000000-0000-0000-0000-000000000001"


def test_domains_tell_what_can_be_exported(custom_vision: CustomVisionClient) -> None:
    domains = {domain.id: domain for domain in custom_vision.training.get_domains()}
    assert domains[COMPACT_S1].name == "General (compact) [S1]"
    assert {"TensorFlow", "CoreML"} <= set(domains[COMPACT_S1].exportable_platforms)
    assert not domains[GENERAL].exportable
    assert custom_vision.training.get_domain(GENERAL).type == "ObjectDetection"


def test_a_project_and_its_tags(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    api = custom_vision.training
    assert cv_project.id in {project.id for project in api.get_projects()}
    assert api.get_project(cv_project.id).settings.domain_id == COMPACT_S1
    cv_project.name, cv_project.description = "other", "text"
    assert api.update_project(cv_project.id, cv_project).name == "other"
    assert api.get_project(cv_project.id).description == "text"
    cat, dog = (api.create_tag(cv_project.id, name) for name in ("cat", "dog"))
    send(custom_vision, cv_project, entry(picture(1), region(cat), region(dog)), entry(picture(2), region(cat)))
    assert {tag.name: tag.image_count for tag in api.get_tags(cv_project.id)} == {"cat": 2, "dog": 1}
    cat.name = "kitten"
    assert api.update_tag(cv_project.id, cat.id, cat).name == "kitten"
    api.delete_tag(cv_project.id, cat.id)
    assert [image.regions and image.regions[0].tag_name for image in api.get_images(cv_project.id)] == [None, "dog"]


@pytest.mark.parametrize(
    ("name", "domain", "platforms", "code"),
    [
        (" ", GENERAL, None, "BadRequestProjectName"),
        ("x" * 200, GENERAL, None, "BadRequestProjectName"),
        ("x", NOBODY, None, "NotFoundDomain"),
        ("x", "General", None, "BadRequestInvalidIds"),
        ("x", GENERAL, ["TensorFlow"], "BadRequestProjectUnsupportedExportPlatform"),
        ("x", COMPACT_S1, ["Abacus"], "BadRequestProjectUnsupportedExportPlatform"),
    ],
)
def test_projects_that_cannot_be(
    custom_vision: CustomVisionClient, name: str, domain: str, platforms: list[str] | None, code: str
) -> None:
    with pytest.raises(CustomVisionErrorException) as error:
        custom_vision.training.create_project(name, domain_id=domain, target_export_platforms=platforms)
    assert refused(error)[1] == code


def test_a_detector_cannot_become_a_classifier(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    cv_project.settings.domain_id = CLASSIFIER
    with pytest.raises(CustomVisionErrorException) as error:
        custom_vision.training.update_project(cv_project.id, cv_project)
    assert refused(error)[1] == "BadRequestProjectUnsupportedDomainTypeChange"


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("Cat", None, "BadRequestTagNameNotUnique"),
        ("", None, "BadRequestTagName"),
        ("dog", "Odd", "BadRequestTagType"),
    ],
)
def test_tags_that_cannot_be(
    custom_vision: CustomVisionClient, cv_project: Project, name: str, kind: str | None, code: str
) -> None:
    custom_vision.training.create_tag(cv_project.id, "cat")
    with pytest.raises(CustomVisionErrorException) as error:
        custom_vision.training.create_tag(cv_project.id, name, type=kind)
    assert refused(error)[1] == code


def test_what_is_not_there(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    api = custom_vision.training
    calls = {
        "NotFoundProject": lambda: api.get_tags(NOBODY),
        "NotFoundTag": lambda: api.get_tag(cv_project.id, NOBODY),
        "NotFoundIteration": lambda: api.get_iteration(cv_project.id, NOBODY),
        "NotFoundImage": lambda: api.delete_images(cv_project.id, [NOBODY]),
    }
    for code, call in calls.items():
        with pytest.raises(CustomVisionErrorException) as error:
            call()
        assert refused(error)[:2] == (404, code)


def test_wrong_keys_are_stopped_at_the_gateway(custom_vision: CustomVisionClient) -> None:
    stranger = CustomVisionClient(custom_vision.url, "wrong", "wrong")
    calls = [stranger.training.get_domains, lambda: stranger.prediction.detect_image(NOBODY, "x", b"")]
    for call in calls:
        with pytest.raises(Exception, match="Access Denied") as error:
            call()
        assert error.value.response.json()["error"]["code"] == "401"


def test_the_free_tier_has_two_projects_of_fifty_tags(tmp_path: Path) -> None:
    service = a_service(tmp_path, calls=0)
    projects = [ask(service, "POST", f"/projects?name=x&domainId={GENERAL}") for _ in range(3)]
    assert projects[2]["code"] == "BadRequestExceedProjectLimit"
    path = f"/projects/{projects[0]['id']}/tags"
    tags = [ask(service, "POST", f"{path}?name={number}") for number in range(51)]
    assert tags[49]["name"] == "49"
    assert tags[50]["code"] == "BadRequestExceedTagPerProjectLimit"


def test_a_project_that_is_full(tmp_path: Path) -> None:
    service = a_service(tmp_path, calls=0, tier=dataclasses.replace(TIERS["F0"], images=2))
    project = ask(service, "POST", f"/projects?name=x&domainId={GENERAL}")["id"]
    images = [{"name": str(seed), "contents": base64.b64encode(picture(seed)).decode()} for seed in range(3)]
    answer = ask(service, "POST", f"/projects/{project}/images/files", {"images": images})
    assert [each["status"] for each in answer["images"]] == ["OK", "OK", "ErrorLimitExceed"]


def test_the_free_tier_has_an_hour_of_training(tmp_path: Path) -> None:
    service = a_service(tmp_path, calls=0)
    project = ask(service, "POST", f"/projects?name=x&domainId={GENERAL}")["id"]
    codes = [
        ask(service, "POST", f"/projects/{project}/train?trainingType=Advanced&reservedBudgetInHours={hours}")["code"]
        for hours in (1, 2)
    ]
    assert codes == ["BadRequestDetectionTrainingValidationFailed", "BadRequestExceededQuota"]


def test_calls_beyond_the_rate_are_told_so(tmp_path: Path) -> None:
    service = a_service(tmp_path, clock=lambda: 0.0)
    answers = [ask(service, "GET", "/domains") for _ in range(11)]
    assert isinstance(answers[9], list)
    assert answers[10]["error"] == {
        "code": "429",
        "message": "Requests to the GetDomains Operation under Custom_Vision_Training_3.4-preview have exceeded rate "
        "limit of your current Custom_Vision.Training F0 pricing tier. Please retry after 1 second. To increase your "
        "rate limit switch to a paid tier.",
    }


@pytest.mark.parametrize(("tier", "kind", "calls"), [("F0", OTHER, 10), ("F0", TRAIN, 2), ("S0", PREDICT_UNSTORED, 20)])
def test_each_kind_of_call_has_its_rate(tmp_path: Path, tier: str, kind: str, calls: int) -> None:
    time = count(step=0.01)
    rate = Rate(TIERS[tier], tmp_path / "settings.json", clock=lambda: next(time))
    assert [rate.allows(kind) for _ in range(calls + 1)] == [True] * calls + [False]
    for _ in range(100):
        next(time)
    assert rate.allows(kind)


def test_a_rate_that_was_set_stays(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    Rate(TIERS["S0"], file).set(0)
    assert Rate(TIERS["S0"], file, calls=1).calls == 0


def a_service(state: Path, calls: int | None = None, tier: Tier = TIERS["F0"], **options: Any) -> Service:
    """A resource, of the free tier unless told, without a server."""
    iterations = Iterations(Projects(state), tier, {}, 0)
    rate = Rate(tier, state / "settings.json", calls, **options)
    return Service(
        iterations, TrainingCalls(state, iterations, tier), ExportCalls(iterations, 0), Sent(None), rate, tier
    )


def ask(service: Service, method: str, target: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON of an answer or a refusal."""
    headers = Message()
    headers["Training-Key"] = TRAINING_KEY
    try:
        return service.answer(method, TRAINING + target, headers, json.dumps(body or {}).encode()).body
    except Refusal as refusal:
        return refusal.body()
