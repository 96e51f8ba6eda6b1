"""The DAG ``setup_azure`` through Airflow's connections, against the Azure of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from ruamel.yaml import YAML

from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.azure.azure_ml_workspace import REGION
from tests.standins.azure.custom_vision_client import PREDICTION_RESOURCE
from tests.standins.azure.custom_vision_cloud import custom_vision
from tests.standins.clouds import Cloud, NoStandin, azure

DAGS = Path(__file__).resolve().parents[2] / "dags"
TARGETS: dict[str, Any] = {"azure_ml": {"machines": [{"preset": "cpu"}]}, "custom_vision": {"preset": "sample"}}


def read_dags(lanner: Path, settings: dict[str, Any]) -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    with (lanner / "lanner.yaml").open("w") as file:
        YAML().dump(settings, file)
    bag = DagBag(dag_folder=str(DAGS / "setup_azure.py"), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Cloud]]:
    """Azure ML's, and Custom Vision's, whose resources Azure's management knows."""
    folder = tmp_path_factory.mktemp("azure")
    try:
        with azure(folder / "azure") as workspace, custom_vision(folder / "vision") as vision:
            common = {"tier": "S0", "region": REGION, "endpoint": vision.proxies["custom_vision"]}
            resources = [
                {"name": "rehearsal", "kind": "CustomVision.Training", **common},
                {"name": PREDICTION_RESOURCE.rpartition("/")[2], "kind": "CustomVision.Prediction", **common},
            ]
            urls = (workspace.standins["azure_ml"].url, workspace.standins["azurite"].url)
            AzureMLClient(*urls).control("subscription", {"resources": resources})
            yield workspace, vision
    except NoStandin as why:
        pytest.skip(str(why))


def check(
    lanner: Path, clouds: tuple[Cloud, Cloud], monkeypatch: pytest.MonkeyPatch, task: str, **changes: Any
) -> None:
    """One task of it, as Airflow calls it."""
    workspace, vision = clouds
    for name, value in {**workspace.connections, **vision.connections}.items():
        monkeypatch.setenv(name, value)
    settings = {**workspace.settings, **vision.settings, "collections": {"c": {"source": "images", "targets": TARGETS}}}
    read_dags(lanner, settings | changes)["setup_azure"].get_task(task).python_callable()  # type: ignore[attr-defined]


def test_it_is_there_only_for_those_who_use_azure(lanner: Path) -> None:
    assert read_dags(lanner, {"collections": {}}) == {}
    vision = {"c": {"source": "images", "targets": {"custom_vision": {}}}}
    assert read_dags(lanner, {"collections": vision})["setup_azure"].task_ids == ["check_custom_vision"]


@pytest.mark.parametrize("task", ["check_azure_ml", "check_custom_vision"])
def test_a_sound_subscription_is_green(
    lanner: Path,
    clouds: tuple[Cloud, Cloud],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
) -> None:
    check(lanner, clouds, monkeypatch, task)
    assert "Nothing is missing.\n" in capsys.readouterr().out


def test_what_is_missing_makes_it_red_and_is_not_tried_again(
    lanner: Path, clouds: tuple[Cloud, Cloud], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = {"azure_ml": {"machines": [{"preset": "t4x4"}]}}
    collections = {"c": {"source": "images", "targets": targets}}
    with pytest.raises(ValueError, match=r"Not ready for trainings: CLUSTER_MISSING, QUOTA"):
        check(lanner, clouds, monkeypatch, "check_azure_ml", collections=collections)
    assert "az ml compute create --type AmlCompute --name lanner-t4x4" in capsys.readouterr().out


def test_another_tier_makes_it_red(lanner: Path, clouds: tuple[Cloud, Cloud], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Not ready for trainings: TIER"):
        check(lanner, clouds, monkeypatch, "check_custom_vision", custom_vision={"tier": "F0"})
