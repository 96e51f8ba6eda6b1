"""What docker-compose.yaml needs of Celery is in the lock, and the provider can be used with the Celery that is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yaml"


@pytest.fixture(scope="module")
def worker() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE)["services"]["worker"]


def test_the_executor_can_be_loaded(worker: dict[str, Any]) -> None:
    """The provider could not be imported with Celery 5.7, which installers do not notice."""
    from airflow.executors.executor_loader import ExecutorLoader
    from airflow.sdk.module_loading import import_string

    name = worker["environment"]["AIRFLOW__CORE__EXECUTOR"]
    assert import_string(ExecutorLoader.executors[name]).__name__ == name


def test_every_option_of_celery_is_one_of_the_providers(worker: dict[str, Any]) -> None:
    from airflow.providers.celery.get_provider_info import get_provider_info

    known = get_provider_info()["config"]["celery"]["options"]
    options = {name.removeprefix("AIRFLOW__CELERY__").lower() for name in worker["environment"] if "__CELERY__" in name}
    assert {"broker_url", "result_backend"} <= options <= set(known)


def test_the_workers_command_and_health_check_are_known(worker: dict[str, Any]) -> None:
    from airflow.cli.cli_parser import get_parser
    from airflow.sdk.module_loading import import_string
    from celery import Celery
    from celery.bin.celery import celery

    get_parser().parse_args(worker["command"][1:])
    words = shlex.split(worker["healthcheck"]["test"][1])
    assert isinstance(import_string(words[words.index("--app") + 1]), Celery)
    command = celery.get_command(None, words[3])
    assert command is not None
    assert any("--destination" in parameter.opts for parameter in command.params)


def test_the_broker_and_the_results_have_their_clients(worker: dict[str, Any]) -> None:
    from kombu import Connection
    from sqlalchemy import create_engine

    environment = worker["environment"]
    broker = environment["AIRFLOW__CELERY__BROKER_URL"].replace("${REDIS_PASSWORD:?see .env.example}", "x")
    assert Connection(broker).transport.driver_type == "redis"
    for name in ("AIRFLOW__CELERY__RESULT_BACKEND", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        url = environment[name].removeprefix("db+").replace("${POSTGRES_PASSWORD:?see .env.example}", "x")
        assert create_engine(url).dialect.driver == "psycopg2"
