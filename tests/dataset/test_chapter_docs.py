"""The commands of docs/from_the_chapter.md are understood as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from include.dataset.__main__ import parser
from include.export.__main__ import build_parser
from include.export.formats import ALL

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from_the_chapter.md").read_text()


def commands(module: str) -> list[list[str]]:
    found = re.findall(rf"^python -m {module} (.+)$|`python -m {module} ([^`]+)`", PAGE, re.MULTILINE)
    return [shlex.split(line or inline) for line, inline in found]


@pytest.mark.parametrize("arguments", [each for each in commands("include.dataset") if len(each) > 1], ids=" ".join)
def test_dataset_commands(arguments: list[str]) -> None:
    parser().parse_args(arguments)


def test_both_spellings_of_the_old_options_are_shown() -> None:
    shown = {word for each in commands("include.dataset") for word in each if word.startswith("--ann")}
    assert shown == {"--ann_dir", "--ann_ids", "--ann_paths_list", "--ann-dir", "--ann-ids"}


def test_export_commands() -> None:
    [arguments] = commands("include.export")
    build_parser().parse_args(arguments)
    [formats] = re.findall(r"the same task: `--formats ([^`]+)`", PAGE)
    assert set(formats.split()) <= set(ALL)
