"""What only Custom Vision can suffer: each answer that made or unmade something is lost, no hours, a stop half-way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.documents import ResultDocument, State
from tests.faults.databases import CUSTOM_VISION
from tests.faults.deployment import Deployment, until
from tests.faults.phases import Phase
from tests.faults.sample import COLLECTION
from tests.faults.training import LOOK, Training, assert_whole
from tests.standins.clouds import Cloud
from tests.standins.proxy_client import control, rule

pytestmark = [pytest.mark.faults, pytest.mark.parametrize("deployment", [CUSTOM_VISION], indirect=True)]
CHANGING = {  # what a training makes there, and unmakes, in order
    "project": ("POST", r"/projects(\?|$)"),
    "tag": ("POST", r"/tags(\?|$)"),
    "images": ("POST", r"/images/files"),
    "training": ("POST", r"/train(\?|$)"),
    "export": ("POST", r"/export(\?|$)"),
    "model that answers": ("POST", r"/publish(\?|$)"),
    "answer": ("POST", r"/detect/"),
    "model that answers no more": ("DELETE", r"/publish(\?|$)"),
    "project that is gone": ("DELETE", r"/projects/[^/]+$"),
}


@pytest.fixture(autouse=True)
def _whole_again(deployment: Deployment, cloud: Cloud) -> Iterator[None]:
    yield
    deployment.jobs.forget_wishes()


def test_every_answer_that_changed_something_is_lost_once(
    deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument
) -> None:
    (proxy,) = cloud.proxies.values()
    for method, path in CHANGING.values():
        rule(proxy, fault="lost", method=method, path=path, count=1)
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    struck = dict(zip(CHANGING, (each["struck"] for each in control(proxy, "rules")), strict=True))
    assert struck == dict.fromkeys(CHANGING, 1)
    assert_whole(training, undisturbed)


def test_without_hours_it_is_asked_again_later(
    deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument
) -> None:
    deployment.jobs.wish("quota")
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    assert deployment.tries(training.run, "submit") == 2
    assert "BadRequestExceededQuota" in deployment.log_of(training.run, "submit")
    assert_whole(training, undisturbed)


def test_marked_as_failed_with_half_of_the_images_there_nothing_is_left(deployment: Deployment, cloud: Cloud) -> None:
    deployment.jobs.make_upload_slow()
    training = Training(deployment, deployment.retrain(COLLECTION))
    until(lambda: training.phase() is Phase.UPLOADING, 120, "a part of the images", every=LOOK)
    deployment.mark_failed(training.run)
    until(training.ended, 60, "the end of the run")
    assert deployment.run_state(training.run) == "failed"
    assert deployment.jobs.left(training.prefix) == []
    assert training.jobs == []
    assert training.result().state is State.FAILED
