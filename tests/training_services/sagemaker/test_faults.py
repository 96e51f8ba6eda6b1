"""SageMaker, S3 and CloudWatch Logs seen through a proxy that breaks calls: one job, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.clouds.aws_account import ALL_SERVICES
from include.documents import State
from include.store import Store
from tests.standins.aws.sagemaker_client import SageMakerClient
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.training_services.sagemaker.conftest import account
from tests.training_services.watching import again_and_again, ended, told, until
from training_services.job import TrainingJob
from training_services.sagemaker.service import SageMakerService


@pytest.fixture(scope="module")
def proxies(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A proxy before each of the two."""
    folder = tmp_path_factory.mktemp("proxies")
    with (
        proxy_standin(folder / "aws", urls[ALL_SERVICES]) as aws,
        proxy_standin(folder / "sagemaker", urls["sagemaker"]) as sagemaker,
    ):
        yield {ALL_SERVICES: aws.url, "sagemaker": sagemaker.url}


@pytest.fixture
def broken(service: SageMakerService, proxies: dict[str, str], store: Store) -> Iterator[SageMakerService]:
    """The service of the test, through the proxies."""
    yield SageMakerService(account(proxies), service.settings, store, namespace=service.namespace)
    for url in proxies.values():
        control(url, "rules", method="DELETE")


def test_a_lost_answer_to_the_submission_leaves_one_job(
    broken: SageMakerService, proxies: dict[str, str], job: TrainingJob, standin: SageMakerClient
) -> None:
    """boto3 sends it again, and the service says that there is one: ours."""
    asked = told(job, steps=10_000)
    assert broken.describe([job.name]) == {}  # so that the next call but those of S3 is the submission
    broken.files.stage(asked)
    submitting = broken.account.client("sagemaker")
    submitting.meta.events.register("before-send.sagemaker.CreateTrainingJob", lambda **_: break_next(proxies))
    handle = again_and_again(broken.find_or_submit, asked)
    assert handle.submitted
    assert control(proxies["sagemaker"], "rules")[0]["struck"] == 1
    assert broken.jobs.all(broken.namespace) == [job.name]
    broken.cancel(job.name)


def break_next(proxies: dict[str, str]) -> None:
    """Lose the answer to the first call that submits."""
    if not control(proxies["sagemaker"], "rules"):
        rule(proxies["sagemaker"], fault="lost", count=1)


def test_a_quarter_of_all_calls_fail_and_it_trains_once(
    broken: SageMakerService, proxies: dict[str, str], job: TrainingJob, standin: SageMakerClient, tmp_path: Path
) -> None:
    for number, url in enumerate(sorted(proxies.values())):
        rule(url, fault="status", status=503, probability=0.08, seed=number)
        rule(url, fault="status", status=429, retry_after=0.1, probability=0.08, seed=number + 10)
        rule(url, fault="reset", probability=0.08, seed=number + 20)
    again_and_again(broken.find_or_submit, job)
    assert until(broken, job.name, ended).state is State.SUCCEEDED
    model = again_and_again(broken.collect, job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2
    assert sum(each["struck"] for url in proxies.values() for each in control(url, "rules")), "nothing was broken"
    assert [name for name in standin.control("history") if job.name in name] == [job.name]
