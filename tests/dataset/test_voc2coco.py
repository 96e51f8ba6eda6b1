"""The old script's command line, and the JSON that it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.dataset.__main__ import main

XML = """\
<annotation>
  <filename>{name}.jpg</filename>{path}
  <size><width>{width}</width><height>30</height><depth>3</depth></size>
  {objects}
</annotation>
"""
OBJECT = """<object><name>{label}</name><difficult>1</difficult><bndbox>
  <xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>
</bndbox></object>"""
# What voc2coco.py at commit 2ae9ed1563f4e1c9fdd7daca94b16475b4b7798f writes for the first test's files.
BY_THE_SCRIPT = (
    '{"images": [{"file_name": "/home/somebody/b.jpg", "height": 30, "width": 40, "id": "b"}, '
    '{"file_name": "a.jpg", "height": 30, "width": 40, "id": "a"}], "type": "instances", "annotations": ['
    '{"area": 336, "iscrowd": 0, "bbox": [3, 4, 16, 21], "category_id": 2, "ignore": 0, "segmentation": [], '
    '"image_id": "b", "id": 1}, '
    '{"area": 1200, "iscrowd": 0, "bbox": [0, 0, 40, 30], "category_id": 1, "ignore": 0, "segmentation": [], '
    '"image_id": "b", "id": 2}, '
    '{"area": 1, "iscrowd": 0, "bbox": [4, 4, 1, 1], "category_id": 2, "ignore": 0, "segmentation": [], '
    '"image_id": "a", "id": 3}], "categories": [{"supercategory": "none", "id": 1, "name": "dog"}, '
    '{"supercategory": "none", "id": 2, "name": "cat"}, {"supercategory": "none", "id": 3, "name": "eel"}]}'
)


COMMAND = ["voc2coco", "--ann_dir", "annotations", "--ann_ids", "ids.txt", "--labels", "labels.txt"]
COMMAND += ["--output", "out.json"]


def write(folder: Path, name: str, *objects: tuple[str, tuple[object, ...]], path: str = "", width: int = 40) -> None:
    written = "".join(OBJECT.format(label=label, box=box) for label, box in objects)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.xml").write_text(XML.format(name=name, path=path, width=width, objects=written))


@pytest.fixture
def chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the chapter's reader has it, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = "<path>/home/somebody/b.jpg</path>"
    write(Path("annotations"), "b", ("cat", (4, 5, 19, 25)), ("dog", (1, 1, 40, 30)), path=path)
    write(Path("annotations"), "a", ("cat", (5, 5, 5, 5)))
    Path("ids.txt").write_text("b\na\n")
    Path("labels.txt").write_text("dog\ncat\neel\n")
    return tmp_path


@pytest.mark.parametrize(
    "options",
    [
        "--ann_dir annotations --ann_ids ids.txt --labels labels.txt --output out.json --ext xml",
        "--ann-dir annotations --ann-ids ids.txt --labels labels.txt --output out.json",
        "--ann_paths_list paths.txt --labels labels.txt --output out.json",
    ],
)
def test_old_commands_make_the_old_json(chapter: Path, options: str) -> None:
    (chapter / "paths.txt").write_text("annotations/b.xml\nannotations/a.xml\n")
    assert main(["voc2coco", *options.split()]) == 0
    assert (chapter / "out.json").read_text() == BY_THE_SCRIPT


def test_names_with_their_suffix_are_understood_and_output_has_its_old_default(chapter: Path) -> None:
    (chapter / "ids.txt").write_text("b.xml\n\na.xml\n")
    assert main(COMMAND[:-2]) == 0
    assert (chapter / "output.json").read_text() == BY_THE_SCRIPT


def test_class_names_of_two_words_are_one_class(chapter: Path) -> None:
    (chapter / "labels.txt").write_text("traffic light\ndog\ncat\n")
    assert main(COMMAND) == 0
    content = json.loads((chapter / "out.json").read_text())
    assert [each["name"] for each in content["categories"]] == ["traffic light", "dog", "cat"]


@pytest.mark.parametrize(
    ("box", "width", "expected"),
    [
        ((0, 0, 10, 10), 40, [0, 0, 10, 10]),
        ((1.5, 2, 10, 10.25), 40, [0.5, 1, 9.5, 9.25]),
    ],
    ids=["counted from 0", "fractions"],
)
def test_what_the_script_made_odd_or_stopped_at(
    chapter: Path, box: tuple[object, ...], width: int, expected: list[float]
) -> None:
    write(chapter / "annotations", "a", ("cat", box), width=width)
    assert main(COMMAND) == 0
    assert json.loads((chapter / "out.json").read_text())["annotations"][-1]["bbox"] == expected


@pytest.mark.parametrize(
    ("label", "box", "width", "said"),
    [
        ("fox", (5, 5, 9, 9), 40, "The class is not among those that the collection declares"),
        ("cat", (9, 5, 5, 9), 40, "The box's minimum lies beyond its maximum"),
        ("cat", (5, 5, 90, 9), 40, "The box reaches more than 1 px beyond the image"),
        ("cat", ("x", 5, 9, 9), 40, "A coordinate is missing or no finite number"),
        ("cat", (5, 5, 9, 9), 0, "The annotation does not say how large its image is"),
    ],
)
def test_what_is_wrong_is_named_and_left_out_whole(
    chapter: Path, label: str, box: tuple[object, ...], width: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(chapter / "annotations", "a", ("cat", (5, 5, 6, 6)), (label, box), width=width)
    assert main(COMMAND) == 1
    printed = capsys.readouterr().out
    assert f"set aside: {Path('annotations', 'a.xml')}" in printed
    assert said in printed
    content = json.loads((chapter / "out.json").read_text())
    assert [each["id"] for each in content["images"]] == ["b"]
    assert [each["id"] for each in content["annotations"]] == [1, 2]


def test_files_that_are_not_there_hostile_or_of_the_same_image(
    chapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (chapter / "ids.txt").write_text("b\nnone\nbomb\nsame\n")
    (chapter / "annotations" / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY a "a">]><annotation/>')
    (chapter / "annotations" / "same.xml").write_text((chapter / "annotations" / "b.xml").read_text())
    assert main(COMMAND) == 1
    printed = capsys.readouterr().out
    for name, said in (
        ("none", "The file cannot be read"),
        ("bomb", "The XML declares a DTD or an entity"),
        ("same", "Several annotations belong to the same image"),
    ):
        [line] = [line for line in printed.splitlines() if f"{name}.xml" in line]
        assert said in line


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({}, [], "Name the annotations by --ann-dir and --ann-ids"),
        ({"labels.txt": "cat\ncat\n"}, COMMAND[1:5], "labels.txt: cat stands there twice"),
        ({"labels.txt": "\n"}, COMMAND[1:5], "labels.txt names no class"),
        ({}, ["--ann_dir", "annotations", "--ann_ids", "none.txt"], "none.txt"),
    ],
)
def test_what_was_asked_wrongly(
    chapter: Path, files: dict[str, str], options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in files.items():
        (chapter / name).write_text(text)
    assert main(["voc2coco", *options, "--labels", "labels.txt"]) == 2
    assert said in capsys.readouterr().err
