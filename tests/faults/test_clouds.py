"""What a cloud does to a run: calls that fail, answers that are lost, no room, no permission, minutes of silence."""

from __future__ import annotations

import time

import pytest

from include import settings
from include.documents import Reason, ResultDocument, State
from tests.faults.databases import in_clouds, with_machines
from tests.faults.deployment import Deployment
from tests.faults.jobs.watched import TrainerAttempt
from tests.faults.phases import Phase
from tests.faults.sample import COLLECTION, STEPS
from tests.faults.training import Training, assert_whole
from tests.standins.clouds import Cloud
from tests.standins.proxy_client import control, rule

pytestmark = pytest.mark.faults
DOWN_SECONDS = 120.0


@in_clouds
def test_a_fifth_of_all_calls_fail(deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument) -> None:
    for number, url in enumerate(cloud.proxies.values()):
        rule(url, fault="status", status=503, probability=0.07, seed=number)
        rule(url, fault="status", status=429, retry_after=0.5, probability=0.07, seed=number + 10)
        rule(url, fault="reset", probability=0.07, seed=number + 20)
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    struck = sum(each["struck"] for url in cloud.proxies.values() for each in control(url, "rules"))
    assert struck >= 5, "too few calls were broken"
    assert_whole(training, undisturbed)


@in_clouds
def test_the_answer_to_the_submission_is_lost(
    deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument
) -> None:
    for url in cloud.proxies.values():
        rule(url, fault="lost", count=1, **{"method": "POST", **cloud.submission})
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    assert sum(each["struck"] for url in cloud.proxies.values() for each in control(url, "rules")) == 1
    assert_whole(training, undisturbed)


@with_machines
def test_without_room_the_next_machine_is_tried(
    deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument
) -> None:
    deployment.jobs.wish("capacity")
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    assert_whole(training, undisturbed, attempts=2)


@in_clouds
def test_without_permission_nothing_is_tried_again_and_it_is_named(deployment: Deployment, cloud: Cloud) -> None:
    deployment.jobs.wish("permission")
    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({})
    assert deployment.run_state(training.run) == "failed"
    assert deployment.tries(training.run, "submit") == 1
    assert training.jobs == []
    result = training.result()
    assert (result.state, result.reason) == (State.FAILED, Reason.PERMISSION)
    assert cloud.permission in result.message
    assert deployment.jobs.left(training.prefix) == []


@with_machines
def test_two_workers_train_together(deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument) -> None:
    machine, second = cloud.workers
    file = deployment.folder / "lanner.yaml"
    before = file.read_text()
    settings.put_collection(COLLECTION, {"targets": {deployment.target: {"machines": [machine]}}}, file)
    try:
        training = Training(deployment, deployment.retrain(COLLECTION))
        training.follow({})
    finally:
        file.write_text(before)
    assert deployment.run_state(training.run) == "success"
    (job,) = training.jobs
    assert isinstance(job, TrainerAttempt)
    assert job.steps()[-1] == STEPS
    assert second in job.log()
    alone, together = undisturbed.training, training.result().training
    assert alone is not None and together is not None
    assert together.validation_mAP == pytest.approx(alone.validation_mAP, abs=0.05)
    assert deployment.jobs.processes() == []


@in_clouds
def test_the_service_is_away_for_two_minutes(deployment: Deployment, cloud: Cloud, undisturbed: ResultDocument) -> None:
    """Its front end, that is: what trains goes on."""

    def away(training: Training) -> None:
        standin = cloud.standins[deployment.target]
        standin.kill()
        time.sleep(DOWN_SECONDS)
        standin.start()

    training = Training(deployment, deployment.retrain(COLLECTION))
    training.follow({Phase.WAITING: away})
    assert_whole(training, undisturbed)
