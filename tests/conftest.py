"""What all tests share. Airflow, where a test needs it, lives in a folder of this session's own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]

# Before anything imports Airflow: its configuration is read at import.
_home = tempfile.TemporaryDirectory(prefix="lanner-tests-")
os.environ |= {
    "AIRFLOW_HOME": f"{_home.name}/airflow",
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "LANNER_HOME": f"{_home.name}/state",
    "LANNER_SETTINGS": f"{_home.name}/lanner.yaml",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


@pytest.fixture
def lanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment of a test's own: state folder and settings file, empty. Returns the folder."""
    monkeypatch.setenv("LANNER_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LANNER_SETTINGS", str(tmp_path / "lanner.yaml"))
    return tmp_path
