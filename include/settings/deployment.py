"""The whole of ``lanner.yaml``."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from include.settings.clouds import AwsSettings, AzureSettings, CustomVisionSettings, GoogleSettings
from include.settings.collection import CollectionSettings, Machine
from include.settings.part import Name, Part, SettingsError
from include.settings.place import PROJECT, settings_file, state_folder
from include.store import Store

Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,11}$")]


class HourlyPrice(Part):
    """What one machine or accelerator costs, in US dollars an hour."""

    on_demand: float = Field(ge=0)
    spot: float | None = Field(default=None, ge=0)  # None: not offered as spot


class Settings(Part):
    store: str = ""  # folder or URL; empty: a folder in the state folder
    namespace: Namespace = "lanner"
    mlflow: str = ""  # tracking URI; empty: SQLite in the state folder
    google: GoogleSettings | None = None
    aws: AwsSettings | None = None
    azure: AzureSettings | None = None
    custom_vision: CustomVisionSettings = CustomVisionSettings()
    prices: dict[str, dict[str, dict[str, HourlyPrice]]] = Field(
        default={}
    )  # cloud, machine or accelerator, region; docs/costs.md
    collections: dict[Name, CollectionSettings] = Field(default={})

    def require_google(self) -> GoogleSettings:
        """The section ``google``; ``SettingsError`` that says what it needs if there is none."""
        if self.google is None:
            raise SettingsError(
                f"{settings_file()}: target vertex needs 'google:' with at least a bucket (docs/google.md)."
            )
        return self.google

    def require_aws(self, target: str = "sagemaker") -> AwsSettings:
        """The section ``aws``; ``SettingsError`` that says what it needs if there is none."""
        if self.aws is None:
            raise SettingsError(
                f"{settings_file()}: target {target} needs 'aws:' with at least a bucket and a role (docs/aws.md)."
            )
        return self.aws

    def require_azure(self) -> AzureSettings:
        """The section ``azure``; ``SettingsError`` that says what it needs if there is none."""
        if self.azure is None:
            raise SettingsError(
                f"{settings_file()}: target azure_ml needs 'azure:' with at least a resource_group and a workspace "
                "(docs/azure.md)."
            )
        return self.azure

    @cached_property
    def home(self) -> Path:
        return state_folder()

    @property
    def jobs(self) -> Path:
        """Where the local target keeps its jobs."""
        return self.home / "jobs"

    @property
    def mlflow_uri(self) -> str:
        return self.mlflow or f"sqlite:///{self.home}/mlflow.db"

    def open_store(self) -> Store:
        if not self.store:
            return Store(self.home / "store")
        return Store(self.store if "://" in self.store else PROJECT / self.store)

    def machines(self, target: str) -> list[Machine]:
        """All machines on which any collection may train by one target."""
        return [
            machine
            for collection in self.collections.values()
            if target in collection.targets
            for machine in collection.targets[target].machines
        ]

    def collection(self, name: str) -> CollectionSettings:
        """The settings of one collection; ``SettingsError`` with the known names if there is none."""
        if name not in self.collections:
            known = ", ".join(sorted(self.collections)) or "none yet"
            raise SettingsError(f"There is no collection {name!r} in {settings_file()}; it has: {known}.")
        return self.collections[name]
