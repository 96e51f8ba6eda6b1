"""Filters are read as https://google.aip.dev/160 says."""

from __future__ import annotations

from functools import partial

import pytest

from tests.standins.google.errors import Refusal
from tests.standins.google.filter import Comparison, matches, parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {"a1", "a2", "b1", "b2"}),
        ('x="a"', {"a1", "a2"}),
        ("x=a y=1", {"a1"}),
        ("x=a AND NOT y=1", {"a2"}),
        ("x=a OR x=b y=2", {"a2", "b2"}),  # OR binds more closely
        ("x=a OR (x=b AND y=2)", {"a1", "a2", "b2"}),
        ('NOT (x="a" OR y="1")', {"b2"}),
        ("x!=a", {"b1", "b2"}),
        ('x=("a" OR "b") y=(2)', {"a2", "b2"}),
    ],
)
def test_what_it_matches(text: str, found: set[str]) -> None:
    term = parse(text)
    hit = {x + y for x in "ab" for y in "12" if matches(term, partial(holds, {"x": x, "y": y}))}
    assert hit == found


def holds(thing: dict[str, str], test: Comparison) -> bool:
    return (thing[test.field] == test.value) != (test.operator == "!=")


def test_moments_need_no_quotes() -> None:
    assert parse("t>=2026-01-02T03:04:05Z AND x:*") == parse('t>="2026-01-02T03:04:05Z" x:"*"')


@pytest.mark.parametrize("text", ["x", "x=", "=a", "(x=a", "x=a)", 'x="a', "x=a AND", "f(x)=a", "x==a", "x=(a", "x=()"])
def test_what_it_cannot_read_it_refuses(text: str) -> None:
    with pytest.raises(Refusal, match="Invalid filter"):
        parse(text)
