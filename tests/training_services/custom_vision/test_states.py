"""Custom Vision's words for how a training stands, in ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training.models import Iteration, Project, ProjectSettings

from include.documents import Reason, State
from training_services.custom_vision.states import description, reason_of, status_of

BEGIN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
OWNER = "scheduled__2026-11-20T00:00:00+00:00"


def project(said: str = description(OWNER)) -> Project:
    found = Project(name="lanner-custom-vision-1-2-g1-a1", description=said, settings=ProjectSettings())
    found.id = "a-project"
    return found


def iteration(status: str, **fields: Any) -> Iteration:
    """As the SDK reads one."""
    found = Iteration(name="Iteration 1")
    known = {"status": status, "created": BEGIN, "last_modified": BEGIN + timedelta(minutes=7), **fields}
    for name, value in known.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Queued", State.PENDING),
        ("Training", State.RUNNING),
        ("Completed", State.SUCCEEDED),
        ("Failed", State.FAILED),
        ("That is new", State.RUNNING),
    ],
)
def test_states(status: str, state: State) -> None:
    found = status_of(project(), iteration(status))
    assert (found.state, found.owner) == (state, OWNER)
    assert found.console_url == "https://www.customvision.ai/projects/a-project#/performance"


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ("Not enough images per tag for training", "BAD_INPUT"),
        ("Training validation failed", "BAD_INPUT"),
        ("The training budget is used up", "TIMEOUT"),
        ("Quota of training hours exceeded", "QUOTA"),
        ("Internal server error", "LOST"),
        ("The service is unavailable", "LOST"),
        ("Training failed. Please check your images", "TRAINER_ERROR"),
        ("", "TRAINER_ERROR"),
    ],
)
def test_reasons_of_failures(details: str, reason: str) -> None:
    assert reason_of(details) is Reason(reason)
    found = status_of(project(), iteration("Failed", training_error_details=details))
    assert (found.state, found.reason) == (State.FAILED, Reason(reason))
    assert found.message == details or "no more than that it failed" in found.message


def test_minutes_that_are_billed() -> None:
    assert status_of(project(), iteration("Queued")).seconds is None
    assert status_of(project(), iteration("Completed", training_time_in_minutes=4)).seconds == 240
    assert status_of(project(), iteration("Completed")).seconds == 420, "where it does not say, what has passed"
    begun = datetime.now(UTC) - timedelta(minutes=3)
    running = status_of(project(), iteration("Training", created=begun, reserved_budget_in_hours=2))
    assert running.seconds == pytest.approx(180, abs=5)
    assert running.progress == {"minutes": 3, "of_minutes": 120}


def test_a_project_that_people_made_has_no_owner_of_ours() -> None:
    assert status_of(project("Our parrots"), iteration("Training")).owner is None
    assert status_of(project(""), iteration("Training")).owner is None
