"""The table of targets against what the settings ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from include import settings
from training_jobs.targets import open_service, targets_in_use


def current(**targets: dict) -> settings.Settings:
    return settings.Settings.model_validate({"collections": {"raccoon": {"source": "images", "targets": targets}}})


def test_a_target_is_in_use_when_a_collection_asks_for_it() -> None:
    assert targets_in_use(settings.Settings()) == ["local"]
    assert targets_in_use(current(vertex={})) == ["local", "vertex"]


def test_an_unknown_target_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        settings.SettingsError, match=r"raccoon.targets: there is no target 'vertx'; there are local, v"
    ):
        targets_in_use(current(vertx={}))


def test_a_cloud_needs_its_settings(lanner: Path) -> None:
    with pytest.raises(settings.SettingsError, match="target vertex needs 'google:' with at least a bucket"):
        open_service("vertex")
