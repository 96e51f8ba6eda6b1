"""``lanner.yaml``: the collections and clouds of this deployment, validated. docs/settings.md describes every field."""

from include.settings.clouds import AwsSettings, AzureSettings, BuiltinFolders, CustomVisionSettings, GoogleSettings
from include.settings.collection import (
    CollectionSettings,
    LabellingSettings,
    Machine,
    Shares,
    TargetSettings,
    Thresholds,
)
from include.settings.deployment import HourlyPrice, Settings
from include.settings.file import load, put_collection
from include.settings.part import Name, SettingsError
from include.settings.place import PROJECT, settings_file, state_folder

__all__ = [
    "PROJECT",
    "AwsSettings",
    "AzureSettings",
    "BuiltinFolders",
    "CollectionSettings",
    "CustomVisionSettings",
    "GoogleSettings",
    "HourlyPrice",
    "LabellingSettings",
    "Machine",
    "Name",
    "Settings",
    "SettingsError",
    "Shares",
    "TargetSettings",
    "Thresholds",
    "load",
    "put_collection",
    "settings_file",
    "state_folder",
]
