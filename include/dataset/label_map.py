"""Class ids, and the label map file that the TF Object Detection API reads.

Ids start at 1 (0 is the background) and are append-only: a class keeps its id for ever, whatever classes later
batches bring. Format: the text form of ``StringIntLabelMap``,
https://github.com/tensorflow/models/blob/master/research/object_detection/protos/string_int_label_map.proto
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

TOKEN = re.compile(r"""#[^\n]*|\s+|(?P<token>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{}:,;]|[\w.+-]+)""")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


def extend(names: Iterable[str], new: Iterable[str]) -> list[str]:
    """The class names in the order of their ids, with those of ``new`` that are not there yet appended."""
    return list(dict.fromkeys([*names, *new]))


def write_label_map(label_map: Mapping[int, str]) -> str:
    """A label map as text.

    >>> write_label_map({1: "cat"})
    'item {\\n  id: 1\\n  name: "cat"\\n}\\n'
    """
    return "".join(f"item {{\n  id: {i}\n  name: {_quote(name)}\n}}\n" for i, name in sorted(label_map.items()))


def read_label_map(text: str, file: str = "label map") -> dict[int, str]:
    """Ids and names of a label map, as this project or others wrote it (either quotes, comments, other fields).

    Raises:
        ValueError: not a label map, an item without id or name, an id that is not positive or not unique.
    """
    label_map: dict[int, str] = {}
    for number, item in enumerate(_items(text, file), start=1):
        where = f"{file}, item {number}"
        if not item.get("id", "").isdecimal() or item.get("name", "")[:1] not in {'"', "'"}:
            raise ValueError(f"{where}: got {item}; expected 'id' (a number from 1) and 'name' (in quotes).")
        class_id = int(item["id"])
        if class_id < 1 or class_id in label_map:
            raise ValueError(f"{where}: got id {class_id}; expected a number from 1 that no other item has.")
        label_map[class_id] = _unquote(item["name"])
    return label_map


def _items(text: str, file: str) -> list[dict[str, str]]:
    """The fields of each ``item { … }``, values as they stand, without a proto library."""
    tokens, position = [], 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"{file}, line {line}: got {text[position]!r}; expected 'item {{ id: 1 name: \"…\" }}'.")
        position = match.end()
        if match["token"] and match["token"] not in {",", ";", ":"}:
            tokens.append(match["token"])
    items: list[dict[str, str]] = []
    rest = iter(tokens)
    for token in rest:
        if token != "item" or next(rest, None) != "{":
            raise ValueError(f"{file}: got {token!r}; expected 'item {{'.")
        fields: dict[str, str] = {}
        for name in rest:
            if name == "}":
                break
            fields[name] = next(rest, "")
        else:
            raise ValueError(f"{file}: the last item is not closed; expected '}}'. Is the file whole?")
        items.append(fields)
    return items


def _quote(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), value[1:-1])
