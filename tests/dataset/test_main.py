"""By hand: python -m include.dataset …"""

import json
from pathlib import Path

import pytest

from include.dataset.__main__ import main
from tests.dataset.folders import CAT, encode, write_pair


def test_check_tells_what_is_wrong_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(folder, "a", CAT)
    assert main(["check", str(folder)]) == 0
    (folder / "b.jpg").write_bytes(encode(1))
    before = sorted(folder.rglob("*"))
    assert main(["check", str(folder)]) == 1
    assert "b.jpg: No annotation belongs to the image. Annotate it" in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


def test_build_twice_writes_once(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        write_pair(folder, f"{number}", CAT, seed=number)
    command = ["build", str(folder), "--store", str(tmp_path / "store")]
    assert main(command) == 0
    assert "of 1 batches: 3 shards written" in capsys.readouterr().out
    assert main(command) == 0
    assert "0 shards written" in capsys.readouterr().out


def test_coco_converts_what_is_sound_and_lists_the_rest(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(folder, "a", CAT)
    write_pair(folder, "b", CAT, seed=2)
    (folder / "b.jpg").write_bytes(b"no image")
    command = ["coco", str(folder), "--output", str(tmp_path / "instances.json")]
    assert main(command) == 1
    assert "b.jpg: " in capsys.readouterr().out
    content = json.loads((tmp_path / "instances.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.jpg"]
    assert [(each["image_id"], each["category_id"]) for each in content["annotations"]] == [(1, 1)]
    (folder / "b.jpg").unlink(), (folder / "b.xml").unlink()
    assert main(command) == 0


def test_coco_finds_the_size_behind_a_large_header(tmp_path: Path, folder: Path) -> None:
    write_pair(folder, "a", CAT)
    data = (folder / "a.jpg").read_bytes()
    comment = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    (folder / "a.jpg").write_bytes(data[:2] + comment + data[2:])
    assert main(["coco", str(folder), "--output", str(tmp_path / "instances.json")]) == 0


def test_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(tmp_path / "digits"), "--images", "2"]) == 0
    assert len(list((tmp_path / "digits").rglob("*.jpg"))) == 2
    assert main(["sample", str(tmp_path / "digits")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    assert "Checks the folder as one batch of a collection" in capsys.readouterr().out
