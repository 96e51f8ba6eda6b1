import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.dataset.label_map import extend, read_label_map, write_label_map


def test_new_classes_are_appended_even_if_they_sort_first() -> None:
    assert extend(["dog", "emu"], ["ant", "dog"]) == ["dog", "emu", "ant"]


@given(st.dictionaries(st.integers(1, 999), st.text(st.characters(codec="utf-8"), min_size=1)))
def test_round_trip(label_map: dict[int, str]) -> None:
    assert read_label_map(write_label_map(label_map)) == label_map


def test_reads_what_others_write() -> None:
    text = """
    # made by hand
    item: { name: 'traffic light' # in single quotes
            id: 2, display_name: "a \\"light\\" }" }
    item { id: 1; name: "car" }
    """
    assert read_label_map(text) == {2: "traffic light", 1: "car"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('item { name: "cat" }', "item 1: got .*; expected 'id'"),
        ('item { id: 0 name: "cat" }', "got id 0; expected a number from 1"),
        ('item { id: 1 name: "a" } item { id: 1 name: "b" }', "item 2: got id 1"),
        ('item { id: 1 name: "a"', "not closed"),
        ('thing { id: 1 name: "a" }', "got 'thing'"),
        ('item {\n id: 1\n name: "a', "line 3"),
        ("item { id: 1 name: cat }", "in quotes"),
    ],
)
def test_errors_say_where(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_label_map(text, "my.pbtxt")
