from __future__ import annotations

from pathlib import Path

import pytest

from detector_trainer.errors import BadInput
from detector_trainer.label_map import read_label_map


def write(folder: Path, text: str) -> Path:
    path = folder / "label_map.pbtxt"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_names_by_id_in_any_order_and_quoting(tmp_path: Path) -> None:
    text = """item { name: "cat" id: 2 }
    item {
      id: 1
      name: 'it\\'s a } {dog}'
      display_name: "id: 7"
    }
    item{id:3 name:"\\303\\251t\\xc3\\xa9"}"""
    assert read_label_map(write(tmp_path, text)) == {1: "it's a } {dog}", 2: "cat", 3: "été"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found []"),
        ("item { id: 1 name: 'a' } item { id: 3 name: 'b' }", "found [1, 3]"),
        ("item { id: 0 name: 'a' }", "found [0]"),
        ("item { id: 1 }", "lacks its id or its name"),
    ],
)
def test_refuses_gaps_and_missing_fields(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_label_map(write(tmp_path, text))
    assert said in str(caught.value)
    assert "label_map.pbtxt" in str(caught.value)
