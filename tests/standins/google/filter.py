"""Filters of Google's list calls (https://google.aip.dev/160): comparisons, AND, OR, NOT, parentheses.

A field may be compared with several values, ``field=("a" OR "b")``, as Logging's filters allow
(https://cloud.google.com/logging/docs/view/logging-query-language).

As there, OR binds more closely than AND, and two terms with nothing between them mean AND. Functions, and words
without a field, are refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.standins.google.errors import Refusal

_TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>!=|<=|>=|[=<>:()])|(?P<word>[^\s=<>!:()"]+))""")
_COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPERATORS = frozenset({*_COMPARISONS, ":"})


@dataclass(frozen=True)
class Comparison:
    field: str
    operator: str
    value: str


@dataclass(frozen=True)
class All:
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class AnyOf:
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Not:
    term: Term


Term = Comparison | All | AnyOf | Not


def parse(text: str) -> Term:
    """The tree of a filter; an empty one matches everything.

    Raises:
        Refusal: it cannot be read.
    """
    return _Parser(text).tree()


def matches(term: Term, holds: Callable[[Comparison], bool]) -> bool:
    """Whether a filter matches a resource of which ``holds`` tells single comparisons."""
    match term:
        case Comparison():
            return holds(term)
        case All(terms):
            return all(matches(inner, holds) for inner in terms)
        case AnyOf(terms):
            return any(matches(inner, holds) for inner in terms)
        case Not(inner):
            return not matches(inner, holds)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0

    def tree(self) -> Term:
        if not self.tokens:
            return All(())
        term = self._all()
        if self.at < len(self.tokens):
            raise self._unreadable()
        return term

    def _tokens(self) -> Iterator[tuple[str, str]]:
        position, text = 0, self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found:
                raise self._unreadable()
            position = found.end()
            kind = str(found.lastgroup)
            yield kind, re.sub(r"\\(.)", r"\1", found[kind][1:-1]) if kind == "string" else found[kind]

    def _all(self) -> Term:
        terms = [self._any()]
        while self.at < len(self.tokens) and self._peek() != ("mark", ")"):
            self._take(("word", "AND"))
            terms.append(self._any())
        return terms[0] if len(terms) == 1 else All(tuple(terms))

    def _any(self) -> Term:
        terms = [self._term()]
        while self._take(("word", "OR")):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _term(self) -> Term:
        if self._take(("word", "NOT")):
            return Not(self._term())
        if self._take(("mark", "(")):
            inner = self._all()
            if not self._take(("mark", ")")):
                raise self._unreadable()
            return inner
        field = self._field()
        kind, operator = self._next()
        if kind != "mark" or operator not in _OPERATORS:
            raise self._unreadable()
        if not self._take(("mark", "(")):
            return Comparison(field, operator, self._value())
        values = [self._value()]
        while self._take(("word", "OR")):
            values.append(self._value())
        if not self._take(("mark", ")")):
            raise self._unreadable()
        return AnyOf(tuple(Comparison(field, operator, value) for value in values))

    def _value(self) -> str:
        kind, value = self._next()
        if kind == "mark":
            raise self._unreadable()
        return value + self._rest_of(kind)

    def _field(self) -> str:
        """A field's path; a part of it may be quoted, as in ``labels."a.b/c"``."""
        kind, field = self._next()
        if kind == "mark":
            raise self._unreadable()
        while field.endswith(".") and self._peek()[0] == "string":
            field += self._next()[1]
        return field

    def _rest_of(self, kind: str) -> str:
        """An unquoted moment has colons in it: ``2026-01-02T03:04:05Z``."""
        rest = ""
        while kind == "word" and self._peek() == ("mark", ":"):
            rest += self._next()[1] + self._next()[1]
        return rest

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise self._unreadable()
        self.at += 1
        return token

    def _take(self, token: tuple[str, str]) -> bool:
        if self._peek() != token:
            return False
        self.at += 1
        return True

    def _unreadable(self) -> Refusal:
        return Refusal("INVALID_ARGUMENT", f"Invalid filter: {self.text}")


def compares(sign: str, left: str, right: str) -> bool:
    """Whether an operator other than ``:`` (of which each list has its own idea) holds between two values."""
    return bool(_COMPARISONS[sign](left, right))
