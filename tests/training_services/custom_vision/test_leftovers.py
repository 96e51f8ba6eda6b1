"""What a training leaves in its resource: nothing, whichever way it ends and whoever ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.clouds.failures import CallFailed
from include.documents import Reason, State
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.training_services.watching import ended, until
from training_jobs.operators import cancel_if_owned
from training_services.custom_vision import service as custom_vision
from training_services.custom_vision.records import JobRecords, write_result
from training_services.custom_vision.service import CustomVisionService
from training_services.custom_vision.submitting import Submission
from training_services.custom_vision.tidying import ours
from training_services.job import JobStatus, TrainingJob, UploadingService, pursue


@pytest.fixture
def uploaded(service: CustomVisionService, job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    """A job whose images are there, and that does not train: its worker was killed."""

    def killed(self: Submission, project: Any) -> JobStatus:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Submission, "_train", killed)
        with pytest.raises(KeyboardInterrupt):
            service.find_or_submit(job)
    assert service.describe([job.name]) == {}
    assert len(ours(service.projects, service.namespace)) == 1
    return job


def test_of_a_run_that_is_over_no_upload_is_left(service: CustomVisionService, uploaded: TrainingJob) -> None:
    assert isinstance(service, UploadingService)
    assert cancel_if_owned(service, replace(uploaded, owner="another run")) == []
    assert service.projects.find([uploaded.name]), "it is not that run's"
    assert cancel_if_owned(service, uploaded) == []
    assert service.projects.find([uploaded.name]) == {}
    assert not JobRecords(service.store, uploaded.name).claim_is_fresh(), "who comes next need not wait"
    assert cancel_if_owned(service, uploaded) == [], "again does nothing"


def test_what_began_in_the_moment_in_which_it_is_given_up_is_cancelled(
    service: CustomVisionService, uploaded: TrainingJob, standin: CustomVisionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knew of a training when the run was marked as failed; its worker was not killed yet."""
    standin.control("next", {"hold": "Training"})
    find = service.projects.find

    def and_meanwhile(names: Any) -> Any:
        found = find(names)
        monkeypatch.undo()
        Submission(service.projects, service.store, service.settings, service.namespace, uploaded).begin()
        return found

    monkeypatch.setattr(service.projects, "find", and_meanwhile)
    service.abandon(uploaded)
    (status,) = cancel_if_owned(service, uploaded)
    assert (status.state, status.reason) == (State.CANCELLED, Reason.USER)
    assert service.projects.find([uploaded.name]) == {}


def test_who_goes_on_with_the_upload_of_another_is_the_owner_of_the_training(
    service: CustomVisionService, uploaded: TrainingJob, standin: CustomVisionClient
) -> None:
    JobRecords(service.store, uploaded.name).release()
    standin.control("next", {"hold": "Training"})
    asked = replace(uploaded, owner="another run")
    handle = service.find_or_submit(asked)
    assert (handle.submitted, handle.status.owner) == (True, "another run")
    assert service.projects.find([uploaded.name])[uploaded.name].description == "Lanner trains here for another run"
    (status,) = cancel_if_owned(service, asked)
    assert status.state is State.CANCELLED
    assert service.projects.find([uploaded.name]) == {}


def test_the_next_attempt_removes_the_one_before(
    service: CustomVisionService, job: TrainingJob, standin: CustomVisionClient
) -> None:
    standin.control("next", {"fault": "internal"})
    service.find_or_submit(job)
    until(service, job.name, ended)
    standin.control("next", {"hold": "Training"})
    second = pursue(service, job, insist=False)
    assert second.job.name == f"{job.prefix}-a2"
    assert [project.name for project in ours(service.projects, service.namespace)] == [second.job.name]
    known = service.describe([job.name, second.job.name])
    assert (known[job.name].reason, known[second.job.name].active) == (Reason.LOST, True), "and it is remembered"


def test_one_that_goes_while_it_is_looked_for_is_known_all_the_same(
    service: CustomVisionService, job: TrainingJob, standin: CustomVisionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Collected by another run between two calls. Who did not know it would pay for a second training."""
    standin.control("next", {"hold": "Training"})
    status = service.find_or_submit(job).status
    find, read = service.projects.find, custom_vision.read_results

    def discard() -> None:
        monkeypatch.undo()
        write_result(service.store, replace(status, state=State.SUCCEEDED))
        service.projects.remove(service.projects.find([job.name])[job.name])

    def before_the_list(names: Any) -> Any:
        discard()
        return find(names)

    def before_the_results(*arguments: Any) -> Any:
        found = read(*arguments)
        discard()
        return found

    monkeypatch.setattr(service.projects, "find", before_the_list)
    assert service.describe([job.name])[job.name].succeeded
    (service.store.path("custom-vision/results") / job.prefix / "a1.json").unlink()
    standin.control("next", {"hold": "Training"})
    service.find_or_submit(job)
    monkeypatch.setattr(custom_vision, "read_results", before_the_results)
    assert service.describe([job.name])[job.name].succeeded


def test_another_run_may_not_submit_while_one_does(service: CustomVisionService, uploaded: TrainingJob) -> None:
    JobRecords(service.store, uploaded.name).claim(uploaded.owner)
    with pytest.raises(CallFailed, match="is being submitted by"):
        service.find_or_submit(replace(uploaded, owner="another run"))
