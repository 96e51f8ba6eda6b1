"""The table of targets against what the settings ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include import settings
from training_jobs.targets import open_service, targets_in_use
from training_services.sagemaker.service import SageMakerService


def current(**targets: dict) -> settings.Settings:
    return settings.Settings.model_validate({"collections": {"raccoon": {"source": "images", "targets": targets}}})


def test_a_target_is_in_use_when_a_collection_asks_for_it() -> None:
    assert targets_in_use(settings.Settings()) == ["local"]
    assert targets_in_use(current(vertex={})) == ["local", "vertex"]
    assert targets_in_use(current(sagemaker={}, vertex={})) == ["local", "vertex", "sagemaker"]


def test_an_unknown_target_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        settings.SettingsError, match=r"raccoon.targets: there is no target 'vertx'; there are local, v"
    ):
        targets_in_use(current(vertx={}))


def test_a_cloud_needs_its_settings(lanner: Path) -> None:
    with pytest.raises(settings.SettingsError, match="target vertex needs 'google:' with at least a bucket"):
        open_service("vertex")
    for name in ("sagemaker", "sagemaker_builtin"):
        with pytest.raises(
            settings.SettingsError, match=f"target {name} needs 'aws:' with at least a bucket and a role"
        ):
            open_service(name)


def test_the_service_of_a_connection(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, endpoints and botocore's own settings come from it; a service without an endpoint is not asked."""
    extra = {
        "service_config": {
            "sagemaker": {"endpoint_url": "http://127.0.0.1:2"},
            "s3": {"endpoint_url": "http://127.0.0.1:3"},
        },
        "config_kwargs": {"read_timeout": 7},
    }
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    role = "arn:aws:iam::123456789012:role/trainer"
    (lanner / "lanner.yaml").write_text(
        f"namespace: ours\naws: {{bucket: our-bucket, role: '{role}', region: eu-west-1}}"
    )
    service = open_service("sagemaker")
    assert isinstance(service, SageMakerService)
    client = service.account.client("sagemaker")
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:2", "eu-west-1")
    assert client.meta.config.read_timeout == 7
    assert service.account.session.get_credentials().access_key == "key"
    assert service.namespace == "ours"
    with pytest.raises(LookupError, match="none for logs"):
        service.account.client("logs")
