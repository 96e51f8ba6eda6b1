"""What every target can do, and what is its own, on SageMaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from include.documents import State
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.training_services.contract import RefusingContract
from tests.training_services.sagemaker.watching import trains
from tests.training_services.watching import ended, told, until
from training_services.job import JobStatus, TrainingJob
from training_services.sagemaker.service import SageMakerService


class TestContract(RefusingContract):
    console = "#/jobs/"
    forbidden = "is not authorized to perform: sagemaker:CreateTrainingJob"
    quota_fault = "quota"

    def begun(self, status: JobStatus) -> bool:
        return trains(status)

    def active(self, standin: SageMakerClient, service: SageMakerService, job: TrainingJob) -> list[str]:
        return service.jobs.all(service.namespace)

    def sent(self, service: SageMakerService) -> Iterable[str]:
        return [each.key for each in service.files.bucket.objects(service.files.path(""))]

    def stop_by_hand(self, standin: SageMakerClient, name: str) -> None:
        standin.stop(name)

    def assert_on_second_machine(self, standin: SageMakerClient, service: SageMakerService, name: str) -> None:
        described = standin.describe(name)
        limits = described["StoppingCondition"]
        assert described["ResourceConfig"]["InstanceType"] == "ml.m5.2xlarge"
        assert described["EnableManagedSpotTraining"]
        assert limits["MaxWaitTimeInSeconds"] > limits["MaxRuntimeInSeconds"]


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


def test_a_role_that_there_is_not_is_wrong_input(service: SageMakerService, job: TrainingJob) -> None:
    service.settings = service.settings.model_copy(update={"role": "arn:aws:iam::123456789012:role/nobody"})
    with pytest.raises(ValueError, match="Could not assume role"):
        service.find_or_submit(job)


def test_what_is_wrong_is_said_before_anything_is_sent(service: SageMakerService, job: TrainingJob) -> None:
    elsewhere, evaluated = {"preset": "cpu", "region": "eu-west-1"}, {"preset": "cpu", "evaluator": "cpu"}
    faults = service.check(replace(job, machines=[{"preset": "k80"}, elsewhere, evaluated]))
    assert [fault.partition(":")[0] for fault in faults] == ["UNKNOWN_MACHINE", "OTHER_REGION", "EVALUATOR"]
