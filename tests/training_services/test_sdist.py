from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from training_services import sdist


def test_holds_the_whole_trainer(tmp_path: Path) -> None:
    built = sdist.build_sdist(tmp_path)
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    package = sdist.TRAINER / "src" / "detector_trainer"
    assert {f"src/detector_trainer/{file.name}" for file in package.glob("*.py")} < names
    assert not (sdist.TRAINER / "src" / "lanner_trainer.egg-info").exists(), "nothing is written beside the sources"


def test_only_its_code_changes_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sdist.code_hash()
    sdist.build_sdist(tmp_path)
    assert sdist.code_hash() == before
    (tmp_path / "src" / "detector_trainer").mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "src/detector_trainer/loop.py"):
        (tmp_path / name).write_bytes((sdist.TRAINER / name).read_bytes())
    monkeypatch.setattr(sdist, "TRAINER", tmp_path)
    first = sdist.code_hash()
    with (tmp_path / "src" / "detector_trainer" / "loop.py").open("a") as code:
        code.write("# changed\n")
    assert sdist.code_hash() != first
