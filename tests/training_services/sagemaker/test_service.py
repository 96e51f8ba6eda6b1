"""What every target can do, on SageMaker."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from include.documents import Reason, State
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.training_services.sagemaker.watching import ended, told, training, until
from training_services.job import Refused, TrainingJob, pursue
from training_services.sagemaker.service import SageMakerService


def test_trains_and_hands_over_what_was_written(service: SageMakerService, job: TrainingJob, tmp_path: Path) -> None:
    assert service.check(job) == []
    handle = service.find_or_submit(job)
    assert handle.submitted
    assert (handle.status.state, handle.status.owner) == (State.PENDING, job.owner)
    status = until(service, job.name, ended)
    assert status.state is State.SUCCEEDED, (status, service.log_pages({job.name: 0}))
    assert status.owner == job.owner
    assert status.seconds is not None
    assert "#/jobs/" in (status.console_url or "")
    model = service.collect(job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2
    assert not (model / "checkpoints" / "last").exists(), "only a resumption needs it"
    again = service.find_or_submit(replace(job, owner="another run"))
    assert (again.submitted, again.status.owner) == (False, job.owner)


def test_a_second_submission_sends_nothing_but_its_configuration(service: SageMakerService, job: TrainingJob) -> None:
    told_of: list[str] = []
    service.files.stage(job, told_of.append)
    assert any("train/1.tfrecord" in line for line in told_of)
    told_of.clear()
    service.files.stage(job, told_of.append)
    assert len(told_of) == 1
    assert "0 files" in told_of[0]


def test_its_log_is_read_once(service: SageMakerService, job: TrainingJob) -> None:
    service.find_or_submit(job)
    until(service, job.name, ended)
    page = service.log_pages({job.name: 0, "never-was-a1": 0})
    assert [line for line in page[job.name].lines if line in {"starting at step 0", "done"}] == [
        "starting at step 0",
        "done",
    ]
    assert page["never-was-a1"].lines == ()
    assert service.log_pages({job.name: page[job.name].cursor})[job.name].lines == ()


def test_the_holdout_is_never_sent(
    service: SageMakerService, job: TrainingJob, store: Store, standin: SageMakerClient
) -> None:
    service.find_or_submit(job)
    until(service, job.name, ended)
    seen = [str(each) for each in standin.control("access")["objects"] if service.settings.prefix in str(each)]
    holdout = hashlib.sha256(store.read("toy/shards/holdout/1.tfrecord")).hexdigest()
    train = hashlib.sha256(store.read("toy/shards/train/1.tfrecord")).hexdigest()
    assert train in str(seen)
    assert holdout not in str(seen)
    sent = [each.key for each in service.files.bucket.objects(service.files.path(""))]
    assert sent
    assert not [key for key in sent if "holdout" in key]


def test_submitted_by_several_at_the_same_moment_it_is_one_job(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    asked = told(job, steps=100)

    def submit(number: int) -> bool:
        return service.find_or_submit(replace(asked, owner=f"run {number}")).submitted

    with ThreadPoolExecutor(4) as pool:
        submitted = list(pool.map(submit, range(4)))
    assert sum(submitted) == 1
    assert service.jobs.all(service.namespace) == [job.name]
    service.cancel(job.name, Reason.USER)


def test_cancelled_it_stops_and_says_why(service: SageMakerService, job: TrainingJob) -> None:
    service.find_or_submit(told(job, steps=10_000))
    until(service, job.name, training)
    service.cancel(job.name, Reason.BUDGET)
    status = service.describe([job.name])[job.name]
    assert (status.state, status.reason) == (State.CANCELLED, Reason.BUDGET)
    service.cancel(job.name, Reason.USER)  # again does nothing
    assert until(service, job.name, ended).reason is Reason.BUDGET
    service.cancel("never-was-a1", Reason.USER)


def test_stopped_by_another_it_is_cancelled_by_a_user(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    service.find_or_submit(told(job, steps=10_000))
    until(service, job.name, training)
    standin.stop(job.name)
    status = until(service, job.name, ended)
    assert (status.state, status.reason) == (State.CANCELLED, Reason.USER)
    assert "someone else" in status.message


def test_the_trainers_own_words_are_the_reason(service: SageMakerService, job: TrainingJob, tmp_path: Path) -> None:
    service.find_or_submit(told(job, how=2, reason="BAD_INPUT"))
    status = until(service, job.name, ended)
    assert (status.state, status.reason, status.message) == (State.FAILED, Reason.BAD_INPUT, "as told")
    assert status.progress["step"] == 2
    written = service.collect(job.name, tmp_path / "written")
    assert (written / "metrics.jsonl").exists(), "there is no model, and yet something to look at"


def test_its_own_limit_ends_it(service: SageMakerService, job: TrainingJob) -> None:
    service.find_or_submit(replace(told(job, steps=10_000), max_seconds=2))
    status = until(service, job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.TIMEOUT)
    assert "not done after 2 s" in status.message


def test_without_room_the_next_machine_is_tried(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    asked = replace(told(job, steps=3), machines=[{"preset": "t4"}, {"preset": "l4", "spot": True}])
    standin.control("next", {"fault": "capacity"})
    first = pursue(service, asked, insist=True)
    status = until(service, first.job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.CAPACITY), status
    second = pursue(service, asked, insist=False)
    assert second.submitted
    assert second.job.name.endswith("-a2")
    described = standin.describe(second.job.name)
    assert described["ResourceConfig"]["InstanceType"] == "ml.g6.xlarge"
    assert described["EnableManagedSpotTraining"]
    assert (
        described["StoppingCondition"]["MaxWaitTimeInSeconds"] > described["StoppingCondition"]["MaxRuntimeInSeconds"]
    )
    assert until(service, second.job.name, ended).state is State.SUCCEEDED
    assert not pursue(service, asked, insist=True).submitted


def test_a_lost_job_goes_on_from_its_checkpoint(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    asked = told(job, steps=60)
    standin.control("next", {"fault": "internal", "after": 1.5})
    first = pursue(service, asked, insist=True)
    status = until(service, first.job.name, ended)
    assert (status.state, status.reason) == (State.FAILED, Reason.LOST), status
    assert 0 < status.progress["step"] < 60
    second = pursue(service, asked, insist=False)
    assert until(service, second.job.name, ended).state is State.SUCCEEDED
    lines = service.log_pages({second.job.name: 0})[second.job.name].lines
    assert "starting at step 0" not in lines
    assert [line for line in lines if line.startswith("starting at step ")]


def test_a_spot_job_whose_machine_is_taken_away_goes_on_by_itself(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    asked = replace(told(job, steps=60), machines=[{"preset": "cpu", "spot": True}])
    standin.control("next", {"fault": "interrupted", "after": 1.5})
    service.find_or_submit(asked)
    status = until(service, asked.name, ended)
    assert status.state is State.SUCCEEDED
    assert status.progress["interruptions"] == 1
    described = standin.describe(asked.name)
    assert status.seconds == described["BillableTimeInSeconds"] < described["TrainingTimeInSeconds"]
    begun = [line for line in service.log_pages({asked.name: 0})[asked.name].lines if line.startswith("starting at ")]
    assert len(begun) == 2
    assert begun[1] != "starting at step 0"


def test_a_used_up_quota_is_the_reason(service: SageMakerService, job: TrainingJob, standin: SageMakerClient) -> None:
    standin.control("next", {"fault": "quota"})
    with pytest.raises(Refused, match="account-level service limit") as refused:
        service.find_or_submit(job)
    assert refused.value.reason is Reason.QUOTA
    assert service.describe([job.name]) == {}


def test_a_missing_permission_is_told_apart(
    service: SageMakerService, job: TrainingJob, standin: SageMakerClient
) -> None:
    standin.control("next", {"fault": "permission"})
    with pytest.raises(PermissionError, match="is not authorized to perform: sagemaker:CreateTrainingJob"):
        service.find_or_submit(job)


def test_a_role_that_there_is_not_is_wrong_input(service: SageMakerService, job: TrainingJob) -> None:
    service.settings = service.settings.model_copy(update={"role": "arn:aws:iam::123456789012:role/nobody"})
    with pytest.raises(ValueError, match="Could not assume role"):
        service.find_or_submit(job)


def test_what_is_wrong_is_said_before_anything_is_sent(service: SageMakerService, job: TrainingJob) -> None:
    elsewhere, evaluated = {"preset": "cpu", "region": "eu-west-1"}, {"preset": "cpu", "evaluator": "cpu"}
    faults = service.check(replace(job, machines=[{"preset": "k80"}, elsewhere, evaluated]))
    assert [fault.partition(":")[0] for fault in faults] == ["UNKNOWN_MACHINE", "OTHER_REGION", "EVALUATOR"]
