"""An Airflow on SQLite and one on PostgreSQL, each with one whole cascade behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from include.documents import ResultDocument
from tests.faults.databases import POSTGRES, SQLITE, running_postgres
from tests.faults.deployment import Deployment
from tests.faults.training import COLLECTION, Training, assert_whole, declare


@pytest.fixture(scope="session", params=[SQLITE, POSTGRES])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp(request.param)
    print(f"\nAirflow on {request.param}; logs and state in {folder}")
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(running_postgres()) if request.param == "postgres" else None
        deployment = Deployment(folder, database)
        declare(deployment)
        stack.enter_context(deployment)
        deployment.ingest(COLLECTION)
        yield deployment


@pytest.fixture(scope="session")
def undisturbed(deployment: Deployment) -> ResultDocument:
    """The result of the first cascade, in which nothing was killed."""
    training = Training(deployment, deployment.first_training_run())
    assert_whole(training, training.result())
    return training.result()
