"""Vertex AI and Cloud Storage seen through a proxy that breaks calls: one job, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from include.documents import State
from include.store import Store
from tests.standins.google.vertex import PROJECT_ID
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import CANCELLING, ENDED
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.training_services.watching import again_and_again, ended, told, until
from training_services.job import TrainingJob
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.service import VertexService
from training_services.vertex.states import LABEL


@pytest.fixture(scope="module")
def proxies(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A proxy before each of the two."""
    folder = tmp_path_factory.mktemp("proxies")
    with proxy_standin(folder / "gcs", urls["storage"]) as gcs, proxy_standin(folder / "v", urls["logging"]) as vertex:
        yield {"storage": gcs.url, "aiplatform": vertex.url, "logging": vertex.url}


@pytest.fixture
def broken(service: VertexService, proxies: dict[str, str], store: Store) -> Iterator[VertexService]:
    """The service of the test, through the proxies."""
    cloud = GoogleCloud(AnonymousCredentials(), PROJECT_ID, proxies)
    yield VertexService(cloud, service.settings, store, namespace=service.namespace)
    for url in set(proxies.values()):
        control(url, "rules", method="DELETE")


def active(standin: VertexClient, job: TrainingJob) -> list[str]:
    """Jobs of this name that run or will."""
    found = standin.jobs.list(parent=standin.parent, filter=f'labels.{LABEL}="{job.name}"').execute()
    return [each["name"] for each in found.get("customJobs", ()) if each["state"] not in {*ENDED, CANCELLING}]


@pytest.mark.parametrize("quiet", [False, True], ids=["reset", "closed"])
def test_a_lost_answer_to_the_submission_leaves_one_job(
    broken: VertexService, proxies: dict[str, str], job: TrainingJob, standin: VertexClient, quiet: bool
) -> None:
    """After a quiet end of the connection httplib2 sends the call again by itself: the twin is cancelled."""
    rule(proxies["aiplatform"], method="POST", path="/customJobs", fault="lost", count=1, quiet=quiet)
    asked = told(job, steps=10_000)
    again_and_again(broken.find_or_submit, asked)
    assert not broken.find_or_submit(asked).submitted
    assert len(active(standin, asked)) == 1
    broken.cancel(job.name)


def test_a_fifth_of_all_calls_fail_and_it_trains_once(
    broken: VertexService, proxies: dict[str, str], job: TrainingJob, standin: VertexClient, tmp_path: Path
) -> None:
    for number, url in enumerate(sorted(set(proxies.values()))):
        rule(url, fault="status", status=503, probability=0.07, seed=number)
        rule(url, fault="status", status=429, retry_after=0.1, probability=0.07, seed=number + 10)
        rule(url, fault="reset", probability=0.07, seed=number + 20)
    again_and_again(broken.find_or_submit, job)
    assert until(broken, job.name, ended).state is State.SUCCEEDED
    model = again_and_again(broken.collect, job.name, tmp_path / "model")
    assert (model / "metrics.jsonl").read_text().count("loss") == 2
    for url in set(proxies.values()):
        assert sum(each["struck"] for each in control(url, "rules")), "nothing was broken"
    history = [name for name in standin.control("history").values() if job.name in str(name)]
    assert len(history) == 1
