"""The set-up before everything else, and what it says when it cannot be done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SET_UP = PROJECT / "include" / "laptop" / "set_up.py"
NO_NETWORK = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}


def command(folder: Path) -> list[str]:
    return [sys.executable, str(SET_UP), str(folder / ".venv"), str(folder / "requirements.txt")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose lock names nothing but the installer."""
    lock = (PROJECT / "requirements.txt").read_text().splitlines()
    (tmp_path / "requirements.txt").write_text(next(line for line in lock if line.startswith("uv==")) + "\n")
    return tmp_path


def test_without_a_network_it_says_what_to_do_and_is_not_ready(folder: Path) -> None:
    done = subprocess.run(command(folder), env=os.environ | NO_NETWORK, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Behind a proxy set HTTPS_PROXY" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / ".venv" / "ready").exists()


def test_without_room_it_says_how_much_is_needed_before_it_begins(folder: Path) -> None:
    script = f'mount -t tmpfs -o size=20m tmpfs "{folder}/disk" && cp "{folder}/requirements.txt" "{folder}/disk/" && '
    script += " ".join(f"'{word}'" for word in command(folder / "disk"))
    (folder / "disk").mkdir()
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr}")
    assert done.returncode == 2, done.stderr
    assert "No room" in done.stderr
    assert "20 MiB are free" in done.stderr or "19 MiB are free" in done.stderr


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_interrupted_it_does_not_look_finished(folder: Path, seconds: float) -> None:
    process = subprocess.Popen(command(folder), stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in complaint
    assert not (folder / ".venv" / "ready").exists()


def test_of_two_at_once_one_does_it_and_the_other_waits(folder: Path) -> None:
    """It also shows that the first of the two ends well; packages come from the network or the cache."""
    both = [subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    said = [process.communicate(timeout=120) for process in both]
    if any("HTTPS_PROXY" in complaint for _, complaint in said):
        pytest.skip("there is no network from which to install")
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("Setting up" in out for out, _ in said) == 1
    assert (folder / ".venv" / "bin" / "uv").exists()


@pytest.mark.parametrize("version", ["none", "too old"])
def test_make_names_the_pythons_that_it_wants(tmp_path: Path, version: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "make", "cat", "grep"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    if version == "too old":
        (programs / "python3").write_text("#!/bin/sh\nexit 1\n")  # what the check exits with on Python 3.9
        (programs / "python3").chmod(0o755)
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    done = subprocess.run(
        ["make", "run"], cwd=tmp_path, env={"PATH": str(programs)}, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 2
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stdout
    assert "make run PYTHON3=/path/to/python3" in done.stdout
