"""What of a pipeline.config was taken over and what was not: nothing in the file is passed over silently."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from include.pipeline_config.text_format import Field, Message, TextFormatError, Word

EMPTY = Message((), 0, 0)


@dataclass(frozen=True)
class Taken:
    """A value of the file and what became of it."""

    path: str  # "train_config.batch_size"
    value: str  # as it may stand in the file
    field: str  # of the trainer's configuration: "augmentation.mirror"
    became: Any
    note: str = ""


@dataclass(frozen=True)
class Left:
    """A value of the file that was not taken over, and why."""

    path: str
    value: str
    reason: str
    line: int


@dataclass
class Reading:
    """The rules' view of the file: finds fields, notes what became of each.

    Attributes:
        root: the whole file.
        name: of the file, for errors.
        fields: of the trainer's configuration, as found so far; nested like its JSON.
    """

    root: Message
    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    _reasons: dict[int, str] = field(default_factory=dict)  # by id of the Field
    _seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._path_of = dict(_all_paths(self.root))

    # --- finding

    def error(self, at: Field | Message, what: str) -> TextFormatError:
        return TextFormatError(f"{self.name}:{at.line}:{at.column}: {what}")

    def one(self, message: Message, path: str) -> Field | None:
        """The field at a dotted path below a message, or None. Each step may be there once at most."""
        found = None
        for step in path.split("."):
            fields = message.named(step)
            if len(fields) > 1:
                raise self.error(
                    fields[1], f"{step} is there twice (first in line {fields[0].line}); expected it once at most."
                )
            if not fields:
                return None
            found = fields[0]
            message = found.value if isinstance(found.value, Message) else EMPTY
        return found

    def message(self, message: Message, path: str) -> Message:
        """The message at a dotted path; an empty one if there is none."""
        found = self.one(message, path)
        if found is None:
            return EMPTY
        if not isinstance(found.value, Message):
            raise self.error(found, f"{found.name} is {text_of(found.value)}; expected a message in braces.")
        return found.value

    def number(self, found: Field) -> float:
        if isinstance(found.value, int | float):
            return found.value
        raise self.error(found, f"{found.name} is {text_of(found.value)}; expected a number.")

    def whole(self, found: Field) -> int:
        if isinstance(found.value, int):
            return found.value
        raise self.error(found, f"{found.name} is {text_of(found.value)}; expected a whole number.")

    def flag(self, found: Field) -> bool:
        if found.value in ("true", "True", "t", 1) or found.value in ("false", "False", "f", 0):
            return found.value in ("true", "True", "t", 1)
        raise self.error(found, f"{found.name} is {text_of(found.value)}; expected true or false.")

    # --- noting

    def take(self, sources: Sequence[Field], name: str, value: Any, note: str = "") -> None:
        """Take fields of the file over as one field of the trainer's configuration, if its range allows the value."""
        section, _, inner = name.rpartition(".")
        change = {section: {inner: value}} if section else {inner: value}
        try:
            Configuration.preset("default").replace(**change)
        except BadInput as refused:
            self.leave(sources, str(refused).removeprefix("Configuration: "))
            return
        if section:
            self.fields.setdefault(section, {})[inner] = value
        else:
            self.fields[inner] = value
        for source in sources:
            self._seen.add(id(source))
            self.taken.append(Taken(self._path_of[id(source)], text_of(source.value), name, value, note))

    def leave(self, sources: Sequence[Field], reason: str) -> None:
        """Say of fields, and of all that is in them, why they are not taken over."""
        for source in sources:
            self._reasons[id(source)] = reason

    def left(self, reasons: Sequence[tuple[str, str]], otherwise: str) -> list[Left]:
        """All that was not taken over. ``reasons``: beginnings of paths, each with its reason; the longest counts."""

        def reason_of(path: str) -> str:
            plain = re.sub(r"\[\d+\]", "", path)
            fitting = [(len(prefix), reason) for prefix, reason in reasons if f"{plain}.".startswith(f"{prefix}.")]
            return max(fitting, default=(0, otherwise))[1]

        return [
            Left(path, text_of(leaf.value), said or reason_of(path), leaf.line)
            for path, leaf, said in self._leaves(self.root, "", "")
        ]

    def _leaves(self, message: Message, prefix: str, said: str) -> Iterator[tuple[str, Field, str]]:
        """What is not taken, with its path and the reason that was given for it or for what it is in."""
        for path, found in _paths(message, prefix):
            reason = self._reasons.get(id(found), said)
            if isinstance(found.value, Message) and found.value.fields:
                yield from self._leaves(found.value, f"{path}.", reason)
            elif id(found) not in self._seen:
                yield path, found, reason


def _all_paths(message: Message, prefix: str = "") -> Iterator[tuple[int, str]]:
    """The id of every field in a message, at any depth, with its path."""
    for path, found in _paths(message, prefix):
        yield id(found), path
        if isinstance(found.value, Message):
            yield from _all_paths(found.value, f"{path}.")


def _paths(message: Message, prefix: str) -> Iterator[tuple[str, Field]]:
    """Each field of a message with its path; one that occurs several times has its number from 0."""
    occurrences = Counter(found.name for found in message.fields)
    numbers = {name: count() for name, times in occurrences.items() if times > 1}
    for found in message.fields:
        number = f"[{next(numbers[found.name])}]" if found.name in numbers else ""
        yield f"{prefix}{found.name}{number}", found


def text_of(value: Message | Word | str | int | float) -> str:
    """A value as text format has it; a message as ``{}`` or ``{…}``."""
    if isinstance(value, Message):
        return "{…}" if value.fields else "{}"
    if isinstance(value, Word) or not isinstance(value, str):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
