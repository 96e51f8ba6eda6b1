"""Protobuf's text format: what is right is read, what is wrong is named with its line and column."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.pipeline_config.reading import text_of
from include.pipeline_config.text_format import LARGEST_FILE, Message, TextFormatError, Word, parse, read_text_format


def value(text: str) -> object:
    (field,) = parse(f"a: {text}").fields
    return field.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24", 24), ("-1", -1), ("- 1", -1), ("0x1F", 31), ("017", 15), ("0", 0), ("1e-8", 1e-8), (".08", 0.08),
        ("5.", 5.0), ("1.5f", 1.5), ("10F", 10.0), ("-inf", -math.inf), ("RELU_6", "RELU_6"), ("true", "true"),
        ("'a'", "a"), ('"a" \'b\'', "ab"), ('"#no {comment}"', "#no {comment}"),
        (r'"\101\x42\n\t\"\\\'\?"', "AB\n\t\"\\'?"), (r'"\303\244"', "ä"), (r'"\u00e4\U0001F600"', "ä😀"),
    ],
)  # fmt: skip
def test_reads_values(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected) or isinstance(value(text), Word)


def test_words_are_no_strings() -> None:
    assert isinstance(value("SIGMOID"), Word)
    assert not isinstance(value("'SIGMOID'"), Word)
    assert math.isnan(value("-nan"))  # type: ignore[arg-type]


def test_reads_messages_lists_separators_and_comments() -> None:
    text = "m { a: 1, b: 2; c < d: [3, 4] > } # comment { \n n: [{a: 1}, <a: 2>] o [] p {}"
    root = parse(text)
    assert [field.name for field in root.fields] == ["m", "n", "n", "p"]
    inner = root.fields[0].value
    assert isinstance(inner, Message)
    assert [(field.name, field.column) for field in inner.fields] == [("a", 5), ("b", 11), ("c", 17)]
    assert [field.value for field in inner.fields[2].value.fields] == [3, 4]  # type: ignore[union-attr]
    assert [field.line for field in root.fields] == [1, 2, 2, 2]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("model {\n  ssd {\n  }\n", "1:7", "'{' is never closed; '}' is missing"),
        ("a { b: 1 >", "1:10", "got '>'; expected a field's name"),
        ("a: 1 }", "1:6", "got '}'; expected a field's name"),
        ("a <\n}", "2:1", "got '}'; expected a field's name"),
        ("a b", "1:3", "got 'b' after 'a'; expected ':' or '{'"),
        ("a:", "1:1", "the file ends after 'a'"),
        ("a", "1:1", "the file ends after 'a'"),
        ("a: }", "1:4", "got '}'; expected a value"),
        ("\n a: 'x\n'", "2:5", "this string is not closed on its line"),
        ('a: "x', "1:4", "this string is not closed on its line"),
        ("a: 1.2.3", "1:4", "1.2.3 is no number"),
        ("a: 12px", "1:4", "12px is no number"),
        ("a: 089", "1:4", "089 begins with 0, hence is octal"),
        (r"a: 'xy\q'", "1:7", r"\q is no escape"),
        (r"a: 'ä\u12'", "1:6", r"\u is no escape"),
        (r"a: '\ud800'", "1:5", r"\ud800 is no escape"),
        (r"a: '\U00110000'", "1:5", "is no escape"),
        (r"a: '\777'", "1:5", r"\777 is no escape"),
        (r"a: '\377'", "1:4", "make no UTF-8 text"),
        ("a: [1, 2", "1:9", "got 'the end of the file' in the list of 'a'"),
        ("a: [1 2]", "1:7", "got '2' in the list of 'a'; expected ',' or ']'"),
        ("a: [1,]", "1:7", "got ']'; expected a value"),
        ("[com.example.a]: 1", "1:1", "extensions and Any"),
        ("a: 1\n%", "2:1", "'%' is not expected here"),
        ("{}", "1:1", "got '{'; expected a field's name"),
        ("a: 1,, b: 2", "1:6", "got ','; expected a field's name"),
        ("a: --1", "1:4", "--1 is no number"),
    ],
)
def test_names_line_and_column(text: str, where: str, what: str) -> None:
    with pytest.raises(TextFormatError) as refused:
        parse(text, "pipeline.config")
    assert str(refused.value).startswith(f"pipeline.config:{where}: ")
    assert what in str(refused.value)


def test_refuses_deep_nesting_and_does_not_fall_over() -> None:
    assert parse("a{" * 64 + "}" * 64)
    with pytest.raises(TextFormatError, match=r"text:1:130: messages are nested more than 64 deep"):
        parse("a{" * 100_000)


def test_refuses_large_files(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.config"
    file.write_bytes(b"a: 1\n" * 2_000_000)
    with pytest.raises(TextFormatError, match=r"has more than 1,000,000 bytes"):
        read_text_format(file)


@pytest.mark.parametrize("unit", ["a:1 ", "a{}", "#\n", "a:''"])
def test_the_largest_file_is_read_in_seconds(unit: str) -> None:
    began = time.monotonic()
    parse(unit * (LARGEST_FILE // len(unit) // 4))
    assert time.monotonic() - began < 15


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"a: 1\nb: '\xff\xfe'")
    with pytest.raises(TextFormatError, match=r"model\.ckpt:2:5: this is no UTF-8 text"):
        read_text_format(file)


def test_passes_over_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.config"
    file.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_text_format(file).fields[0].value == 1


@given(st.text())
def test_a_string_comes_back_as_it_was_written(text: str) -> None:
    assert value(text_of(text)) == text


@given(st.text(alphabet="ab:{}<>[],;'\"\\ \n#.-0189eEfxu", max_size=40))
def test_anything_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        parse(text)
    except TextFormatError as refused:
        assert str(refused).startswith("text:")
