"""Azure ML and Blob storage seen through a proxy that breaks calls: one job, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.documents import State
from include.store import Store
from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.training_services.azure_ml.conftest import cloud
from tests.training_services.watching import again_and_again, ended, until
from training_services.azure_ml.service import AzureMLService
from training_services.job import TrainingJob


@pytest.fixture(scope="module")
def proxies(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A proxy before each of the two."""
    folder = tmp_path_factory.mktemp("proxies")
    with (
        proxy_standin(folder / "blob", urls["blob"]) as blob,
        proxy_standin(folder / "azure_ml", urls["azure_ml"]) as azure_ml,
    ):
        yield {"blob": blob.url, "azure_ml": azure_ml.url}


@pytest.fixture
def broken(service: AzureMLService, proxies: dict[str, str], store: Store) -> Iterator[AzureMLService]:
    """The service of the test, through the proxies."""
    yield AzureMLService(cloud(proxies), service.settings, store, namespace=service.namespace)
    for url in proxies.values():
        control(url, "rules", method="DELETE")


def test_a_lost_answer_to_the_submission_leaves_one_job(
    broken: AzureMLService, proxies: dict[str, str], job: TrainingJob, standin: AzureMLClient
) -> None:
    """Azure's client puts it again, and the service finds the same."""
    standin.control("next", {"hold": "Preparing"})
    rule(proxies["azure_ml"], fault="lost", method="PUT", path="/jobs/", count=1)
    handle = again_and_again(broken.find_or_submit, job)
    assert handle.submitted
    assert control(proxies["azure_ml"], "rules")[0]["struck"] == 1
    assert [each["name"] for each in broken.jobs.all()] == [job.name]
    broken.cancel(job.name)


def test_a_quarter_of_all_calls_fail_and_it_trains_once(
    broken: AzureMLService, proxies: dict[str, str], job: TrainingJob, standin: AzureMLClient, tmp_path: Path
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
