"""The stand-in and its runners, killed in the middle: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.standins.azure.azure_ml_client import AzureMLClient, azure_ml_standin
from tests.standins.azure.azure_ml_fixtures import ENVIRONMENT, options_for
from tests.standins.azure.azure_ml_status import COMPLETED
from tests.standins.processes import Standin, until


@pytest.fixture
def server(azurite_url: str, tmp_path: Path) -> Iterator[Standin]:
    with azure_ml_standin(tmp_path, azurite_url, *options_for("cpu=Standard_D8s_v3:2")) as running:
        client = AzureMLClient(running.url, azurite_url)
        client.workspace.put(ENVIRONMENT, {"properties": {"image": "ours:1"}})
        yield running


def test_jobs_outlive_the_stand_in_and_lost_ones_begin_anew(server: Standin, azurite_url: str, tmp_path: Path) -> None:
    client = AzureMLClient(server.url, azurite_url)
    id_ = client.workspace.id
    for name in ("outlives", "anew"):
        flag = tmp_path / name
        command = f"echo begun; while [ ! -e '{flag}' ]; do sleep 0.1; done; echo done"
        properties = {"jobType": "Command", "command": command, "environmentId": f"{id_}/{ENVIRONMENT}"}
        client.workspace.put(f"jobs/{name}", {"properties": properties | {"computeId": f"{id_}/computes/cpu"}})
        until(lambda name=name: client.lines(name) == ["begun"], 180, "its first line")
    server.kill()
    [runner] = json.loads((tmp_path / "jobs" / "anew" / "runner.json").read_text())
    psutil.Process(runner["pid"]).kill()
    server.start()
    until(lambda: client.lines("anew") == ["begun", "begun"], 180, "its second beginning")
    for name in ("outlives", "anew"):
        (tmp_path / name).touch()
        assert client.reaches(name)["properties"]["status"] == COMPLETED
    assert client.lines("outlives") == ["begun", "done"], "its runner went on all the time"
    assert client.lines("anew") == ["begun", "begun", "done"]
