"""Several replicas in one process, as on several GPUs: a step must be what it is on one device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def compared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("two_devices.py")
    command = [sys.executable, str(script), str(data), str(tmp_path_factory.mktemp("two_devices"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_gradients_are_those_of_the_whole_batch(compared: dict[str, Any]) -> None:
    assert compared["gradients"] < 1e-6


def test_batch_norm_goes_by_the_whole_batch(compared: dict[str, Any]) -> None:
    assert compared["moving_means"] < 1e-6
    assert compared["moving_variances"] < 0.04, "Keras divides by n, the fused operation by n - 1: 16 at the least"


def test_a_step_is_the_same_and_leaves_all_replicas_the_same(compared: dict[str, Any]) -> None:
    alone, together = compared["losses"]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert compared["weights"] < 1e-3
    assert compared["replicas_apart"] == 0


def test_a_batch_that_cannot_be_shared_is_refused(compared: dict[str, Any]) -> None:
    assert compared["refusal"].startswith("Configuration: batch_size is 5")
    assert "Choose 4 or 6" in compared["refusal"]
