"""An Airflow on SQLite and one on PostgreSQL, each with one whole cascade behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from include.documents import ResultDocument
from tests.faults.databases import CLOUD_TARGETS, POSTGRES, SQLITE, running_postgres
from tests.faults.deployment import Deployment
from tests.faults.jobs.targets import CLOUDS, JOBS
from tests.faults.sample import COLLECTION
from tests.faults.training import Training, assert_whole, declare
from tests.standins.clouds import Cloud, NoStandin
from tests.standins.proxy_client import control


@pytest.fixture(scope="session", params=[SQLITE, POSTGRES, *CLOUD_TARGETS])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    target, database = request.param
    folder = tmp_path_factory.mktemp(f"{target}-{database}")
    print(f"\nAirflow on {database}, training on {target}; logs and state in {folder}")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running_postgres()) if database == "postgres" else None
        try:
            made = CLOUDS[target](folder / "standins", *JOBS[target].options) if target in CLOUDS else None
            cloud = stack.enter_context(made) if made else None
        except NoStandin as why:
            pytest.skip(str(why))
        deployment = Deployment(folder, url, target, cloud)
        declare(deployment)
        stack.enter_context(deployment)
        deployment.ingest(COLLECTION)
        yield deployment


@pytest.fixture
def cloud(deployment: Deployment) -> Iterator[Cloud]:
    """The deployment's cloud; whatever a test broke is whole again after it."""
    assert deployment.cloud is not None
    yield deployment.cloud
    for url in deployment.cloud.proxies.values():
        control(url, "rules", method="DELETE")
    deployment.stop_trainings()


@pytest.fixture(scope="session")
def undisturbed(deployment: Deployment) -> ResultDocument:
    """The result of the first cascade, in which nothing was killed."""
    training = Training(deployment, deployment.first_training_run())
    assert_whole(training, training.result())
    return training.result()
