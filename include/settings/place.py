"""Where the settings and the state of this deployment are."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def state_folder() -> Path:
    """Where Airflow's database, local jobs, downloads and MLflow are. ``LANNER_HOME`` moves it."""
    return Path(os.environ.get("LANNER_HOME") or PROJECT / ".lanner")


def settings_file() -> Path:
    """``lanner.yaml`` in the project, or what ``LANNER_SETTINGS`` names."""
    return Path(os.environ.get("LANNER_SETTINGS") or PROJECT / "lanner.yaml")
