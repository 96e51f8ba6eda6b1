"""The DAG ``setup_aws`` through an Airflow connection, against the AWS of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.sdk import DAG
from ruamel.yaml import YAML

from tests.standins.clouds import Cloud, aws

DAGS = Path(__file__).resolve().parents[2] / "dags"


def read_dags(lanner: Path, settings: dict[str, object]) -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    with (lanner / "lanner.yaml").open("w") as file:
        YAML().dump(settings, file)
    bag = DagBag(dag_folder=str(DAGS / "setup_aws.py"), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with aws(tmp_path_factory.mktemp("aws")) as cloud:
        yield cloud


def check(lanner: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, machine: str, **changes: str) -> None:
    for name, value in cloud.connections.items():
        monkeypatch.setenv(name, value)
    target = {"sagemaker": {"machines": [{"preset": machine}]}}
    settings = {"aws": cloud.settings["aws"] | changes, "collections": {"c": {"source": "images", "targets": target}}}
    read_dags(lanner, settings)["setup_aws"].get_task("check").python_callable()  # type: ignore[attr-defined]


def test_it_is_there_only_for_those_who_use_aws(lanner: Path) -> None:
    assert read_dags(lanner, {"collections": {}}) == {}


def test_a_sound_account_is_green(
    lanner: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(lanner, cloud, monkeypatch, "cpu")
    assert "Nothing is missing" in capsys.readouterr().out


def test_what_is_missing_makes_it_red_and_is_not_tried_again(
    lanner: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"Not ready for trainings: BUCKET_MISSING, .*QUOTA"):
        check(lanner, cloud, monkeypatch, "l4x4", bucket="nobodys-bucket")
    said = capsys.readouterr().out
    assert "aws s3 mb s3://nobodys-bucket" in said
    assert "aws service-quotas request-service-quota-increase" in said
