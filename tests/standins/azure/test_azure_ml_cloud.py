"""Azure on this machine as a deployment meets it: Airflow's connections, a section of lanner.yaml, proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from include.checks.azure.setup import asked_clusters, look
from include.clouds.failures import CallFailed
from include.settings import Machine
from tests.standins.clouds import Cloud, NoStandin, azure
from tests.standins.proxy_client import control, rule
from training_jobs.targets import open_service
from training_services.azure_ml.service import AzureMLService


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    try:
        with azure(tmp_path_factory.mktemp("cloud")) as running:
            yield running
    except NoStandin as why:
        pytest.skip(str(why))


@pytest.fixture
def service(cloud: Cloud, lanner: Path, monkeypatch: pytest.MonkeyPatch) -> AzureMLService:
    for name, connection in cloud.connections.items():
        monkeypatch.setenv(name, connection)
    with (lanner / "lanner.yaml").open("w") as file:
        YAML().dump({"namespace": "rehearsal", **cloud.settings}, file)
    found = open_service("azure_ml")
    assert isinstance(found, AzureMLService)
    return found


def test_its_machines_are_there(cloud: Cloud, service: AzureMLService) -> None:
    asked = [Machine(**machine) for machine in (*cloud.machines, cloud.workers[0])]
    clusters = asked_clusters(service.settings, asked)
    facts, findings = look(service.cloud.workspace, service.settings, clusters, service.cloud.storage_for)
    assert (findings, facts.unknown) == ([], ())


def test_what_is_sent_can_be_looked_through(cloud: Cloud, service: AzureMLService) -> None:
    service.files.container.client.upload_blob("lanner/data/a", b"content")
    cloud.bring()
    assert (cloud.bucket / "lanner" / "data" / "a").read_bytes() == b"content"


def test_calls_can_be_broken(cloud: Cloud, service: AzureMLService) -> None:
    """Those that submit are known apart from blobs whose names are alike."""
    rule(cloud.proxies["azure_ml"], fault="reset", **cloud.submission)
    rule(cloud.proxies["azurite"], fault="reset", **cloud.submission)
    service.files.container.claim("lanner/jobs/x/cancelled", b"USER")
    with pytest.raises(CallFailed):
        service.cloud.workspace.put("jobs/x", {"properties": {}})
    assert control(cloud.proxies["azurite"], "rules")[0]["struck"] == 0
    assert control(cloud.proxies["azure_ml"], "rules")[0]["struck"] >= 1
