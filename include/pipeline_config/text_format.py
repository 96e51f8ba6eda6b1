"""Reads protobuf's text format without the message types, https://protobuf.dev/reference/protobuf/textformat-spec/

What depends on the types is left to the caller: which fields there are, which may occur more than once, whether a word
is a name of an enumeration. Extensions and ``Any`` (names in brackets) are refused.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LARGEST_FILE = 1_000_000  # bytes; the largest of the API's own samples has 8 kB
DEEPEST = 64  # messages within messages; the API's own need 8


class TextFormatError(ValueError):
    """A file is no text format; the message begins with ``file:line:column:``, both counted from 1."""


class Word(str):
    """A bare word: ``true``, ``RELU_6``."""

    __slots__ = ()


@dataclass(frozen=True)
class Message:
    """The fields between two braces, in the order of the file."""

    fields: tuple[Field, ...]
    line: int
    column: int

    def named(self, name: str) -> list[Field]:
        return [field for field in self.fields if field.name == name]


@dataclass(frozen=True)
class Field:
    """A name and one value. A list of values is as many fields of the same name."""

    name: str
    value: Message | Word | str | int | float
    line: int
    column: int


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    offset: int


_TOKENS = re.compile(
    r"""(?P<blank>(?:[ \t\r\n\f\v]+|\#[^\n]*)+)
      | (?P<number>-?[ \t]*(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)
          (?![A-Za-z0-9_.]))
      | (?P<minus>-[ \t]*(?:inf|infinity|nan)\b)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
      | (?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_ESCAPES = re.compile(rb"""\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))""")
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_THEMSELVES = b"\\'\"?"
_CLOSING = {"{": "}", "<": ">"}


def read_text_format(file: Path) -> Message:
    """Parse a file.

    Raises:
        TextFormatError: where it is no text format, or why it is not read at all.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        data = opened.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise TextFormatError(
            f"{file}:1:1: the file has more than {LARGEST_FILE:,} bytes; expected a pipeline.config, which has a few "
            "thousand. Is it another file?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        before = data[: wrong.start]
        line, column = before.count(b"\n") + 1, wrong.start - before.rfind(b"\n")
        raise TextFormatError(
            f"{file}:{line}:{column}: this is no UTF-8 text. Is it a binary file, such as a checkpoint?"
        ) from wrong
    return parse(text, str(file))


def parse(text: str, name: str = "text") -> Message:
    """Parse text; ``name`` stands for it in errors.

    >>> parse("train_config { batch_size: 24 }").fields[0].value.fields[0].value
    24
    """
    return _Parser(text, name).whole()


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.tokens = self._tokens()
        self.next = next(self.tokens)

    def whole(self) -> Message:
        fields = self._fields("", 0)
        return Message(tuple(fields), 1, 1)

    # --- tokens

    def _tokens(self) -> Iterator[_Token]:
        offset = 0
        while offset < len(self.text):
            match = _TOKENS.match(self.text, offset)
            if match is None:
                raise self._error(self._complaint(offset), offset)
            if match.lastgroup != "blank":
                yield _Token(str(match.lastgroup), match.group(), offset)
            offset = match.end()
        while True:
            yield _Token("end", "", len(self.text))

    def _complaint(self, offset: int) -> str:
        character = self.text[offset]
        if character in "\"'":
            return f"this string is not closed on its line; expected another {character} after it"
        if character.isdigit() or character in ".-":
            word = re.match(r"[-\w.]+", self.text[offset:][:40])
            return f"{word.group() if word else character} is no number"
        return f"{character!r} is not expected here"

    def _take(self) -> _Token:
        token, self.next = self.next, next(self.tokens)
        return token

    def _accept(self, marks: str) -> _Token | None:
        """The next token if it is one of these marks."""
        return self._take() if self.next.kind == "mark" and self.next.text in marks else None

    def _where(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def _error(self, what: str, offset: int) -> TextFormatError:
        line, column = self._where(offset)
        return TextFormatError(f"{self.name}:{line}:{column}: {what}.")

    # --- grammar

    def _fields(self, closing: str, depth: int, opened: _Token | None = None) -> list[Field]:
        """Fields up to a closing mark, or to the end of the text."""
        fields: list[Field] = []
        while True:
            if self.next.kind == "end":
                if opened is None:
                    return fields
                raise self._error(f"{opened.text!r} is never closed; {closing!r} is missing", opened.offset)
            if opened is not None and self._accept(closing):
                return fields
            fields.extend(self._field(depth))
            self._accept(",;")

    def _field(self, depth: int) -> list[Field]:
        token = self._take()
        if token.kind == "mark" and token.text == "[":
            raise self._error("extensions and Any ('[…]') are not read; expected a field's name", token.offset)
        if token.kind != "word":
            raise self._error(f"got {token.text!r}; expected a field's name", token.offset)
        line, column = self._where(token.offset)
        colon = self._accept(":") is not None
        if self.next.kind == "end":
            raise self._error(f"the file ends after {token.text!r}; expected its value", token.offset)
        if self._accept("["):
            values = self._list(depth, token)
        elif opening := self._accept("{<"):
            values = [self._message(opening, depth)]
        elif colon:
            values = [self._scalar()]
        else:
            raise self._error(f"got {self.next.text!r} after {token.text!r}; expected ':' or '{{'", self.next.offset)
        return [Field(token.text, value, line, column) for value in values]

    def _list(self, depth: int, owner: _Token) -> list[Message | Word | str | int | float]:
        values: list[Message | Word | str | int | float] = []
        if self._accept("]"):
            return values
        while True:
            opening = self._accept("{<")
            values.append(self._message(opening, depth) if opening else self._scalar())
            if self._accept("]"):
                return values
            if not self._accept(","):
                found = self.next.text or "the end of the file"
                raise self._error(f"got {found!r} in the list of {owner.text!r}; expected ',' or ']'", self.next.offset)

    def _message(self, opening: _Token, depth: int) -> Message:
        if depth >= DEEPEST:
            raise self._error(f"messages are nested more than {DEEPEST} deep", opening.offset)
        fields = self._fields(_CLOSING[opening.text], depth + 1, opening)
        return Message(tuple(fields), *self._where(opening.offset))

    def _scalar(self) -> Word | str | int | float:
        token = self._take()
        if token.kind == "string":
            parts = [self._string(token)]
            while self.next.kind == "string":  # strings side by side are one
                parts.append(self._string(self._take()))
            return "".join(parts)
        if token.kind == "number":
            return self._number(token)
        if token.kind == "minus":
            return math.nan if "nan" in token.text else -math.inf
        if token.kind == "word":
            return Word(token.text)
        raise self._error(f"got {token.text or 'the end of the file'!r}; expected a value", token.offset)

    def _number(self, token: _Token) -> int | float:
        digits = re.sub(r"[ \t]", "", token.text)
        sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
        if digits[:2] in ("0x", "0X"):
            return sign * int(digits, 16)
        if re.fullmatch(r"[0-9]{1,40}", digits):
            is_octal = len(digits) > 1 and digits[0] == "0"
            if is_octal and not re.fullmatch("[0-7]+", digits):
                raise self._error(f"{token.text} begins with 0, hence is octal, and has a digit above 7", token.offset)
            return sign * int(digits, 8 if is_octal else 10)
        return sign * float(digits.rstrip("fF"))

    def _string(self, token: _Token) -> str:
        def unescape(match: re.Match[bytes]) -> bytes:
            octal, hexadecimal, short, long, letter = match.groups()
            if octal is not None and int(octal, 8) < 256:
                return bytes([int(octal, 8)])
            if hexadecimal is not None:
                return bytes([int(hexadecimal, 16)])
            point = short or long
            if point is not None and int(point, 16) <= 0x10FFFF and not 0xD800 <= int(point, 16) < 0xE000:
                return chr(int(point, 16)).encode()
            if letter is not None and (letter in _LETTERS or letter in _THEMSELVES):
                return _LETTERS.get(letter, letter)
            at = len(match.string[: match.start()].decode(errors="ignore"))
            raise self._error(f"{match.group().decode(errors='replace')} is no escape", token.offset + 1 + at)

        content = _ESCAPES.sub(unescape, token.text[1:-1].encode())
        try:
            return content.decode()
        except UnicodeDecodeError as wrong:
            raise self._error("the escapes of this string make no UTF-8 text", token.offset) from wrong
