"""What the registry has of a collection's models, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from include.documents import ExportFormat
from include.registry.mlflow_registry import connect, telling_where


@dataclass(frozen=True)
class RegisteredModel:
    """A model version that this project registered.

    Attributes:
        version: "<registered model>/<version>".
        exports: SHA-256 of each export that the gate let through.
    """

    version: str
    collection: str
    job: str
    exports: Mapping[ExportFormat, str]


def newest_models(tracking_uri: str, registered_model: str) -> list[RegisteredModel]:
    """All versions of a registered model, the newest first; none where there is no such model.

    Versions that others registered under the name are passed over: they lack our tags.

    Raises:
        RegistryAway: MLflow does not answer, or its database is locked.
    """
    with telling_where(tracking_uri):
        found = connect(tracking_uri).search_model_versions(f"name = '{registered_model}'")
    models = []
    for version in sorted(found, key=lambda version: int(version.version), reverse=True):
        tags = version.tags
        if not tags.get("lanner.job") or not tags.get("lanner.collection"):
            continue
        exports = {
            name: tags[f"lanner.{name}.sha256"]
            for name in get_args(ExportFormat)
            if f"lanner.{name}.sha256" in tags and not tags.get(f"lanner.{name}.refused")
        }
        models.append(
            RegisteredModel(
                f"{registered_model}/{version.version}", tags["lanner.collection"], tags["lanner.job"], exports
            )
        )
    return models
