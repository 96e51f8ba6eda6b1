"""The trainer as clouds get it: a source distribution that they install, or its files as they are."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TRAINER = Path(__file__).resolve().parents[2] / "include" / "trainer"
BUILD = "import sys, setuptools.build_meta as backend; print(backend.build_sdist(sys.argv[1]))"


def code_hash() -> str:
    """SHA-256 over names and contents of all that goes into the sdist. (Its own bytes differ at every build.)"""
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(f"{file.relative_to(TRAINER).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build_sdist(into: Path) -> Path:
    """Build it into a folder, without a network; returns the ``.tar.gz``."""
    with TemporaryDirectory() as scratch:  # the build writes beside the sources, where others may be reading
        for file in _sources():
            copy = Path(scratch) / file.relative_to(TRAINER)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(into.absolute())],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"The trainer's sdist could not be built from {TRAINER}: {done.stderr[-2000:]}")
    return into / done.stdout.splitlines()[-1]


def package_files() -> dict[str, Path]:
    """The trainer's package as it is, by the names that its files have below a folder of ``PYTHONPATH``."""
    package = TRAINER / "src" / "detector_trainer"
    return {f"{package.name}/{file.name}": file for file in sorted(package.glob("*.py"))}


def _sources() -> list[Path]:
    return [TRAINER / "pyproject.toml", TRAINER / "README.md", *package_files().values()]
