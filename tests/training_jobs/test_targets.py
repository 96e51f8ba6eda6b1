"""The table of targets against what the settings ask for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include import settings
from training_jobs.targets import open_service, targets_in_use
from training_services.custom_vision.service import CustomVisionService
from training_services.job import PredictingService
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


def test_custom_vision_needs_nothing_but_a_connection(lanner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"prediction_resource_id": "/subscriptions/ours", "prediction_api_key": "another secret"}
    host = "https://our-vision.cognitiveservices.azure.com/"
    connection = {"conn_type": "generic", "host": host, "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOM_VISION_DEFAULT", json.dumps(connection))
    (lanner / "lanner.yaml").write_text("namespace: ours\ncustom_vision: {tier: F0, calls_per_second: 5}")
    service = open_service("custom_vision")
    assert isinstance(service, CustomVisionService)
    assert isinstance(service, PredictingService)
    account = service.account
    assert (account.endpoint, account.training_key, account.prediction_key) == (host[:-1], "secret", "another secret")
    assert (account.calls_per_second, account.predictions_per_second) == (5.0, 2.0)
    assert account.trainer.config.endpoint == host[:-1]
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOM_VISION_DEFAULT", json.dumps(connection | {"password": ""}))
    with pytest.raises(
        ValueError, match="needs the endpoint of a Custom Vision resource as its host and a training key"
    ):
        open_service("custom_vision")


@pytest.mark.parametrize(
    "uri", ["generic://:secret@127.0.0.1:18900/http", "generic://:secret@http%3A%2F%2F127.0.0.1%3A18900"]
)
def test_an_endpoint_may_come_in_the_parts_of_a_uri(lanner: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOM_VISION_DEFAULT", uri)
    service = open_service("custom_vision")
    assert isinstance(service, CustomVisionService)
    assert service.account.endpoint == "http://127.0.0.1:18900"


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
