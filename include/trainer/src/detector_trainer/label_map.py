"""The label map: class ids from 1 and their names, as the TF Object Detection API writes them."""

from __future__ import annotations

import re
from pathlib import Path

from detector_trainer.errors import BadInput

_QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_ITEM = re.compile(rf"\bitem\s*\{{((?:[^\"'}}]|{_QUOTED})*)\}}")
_FIELD = re.compile(rf"(\w+)\s*:\s*({_QUOTED}|\w+)")


def read_label_map(path: Path) -> dict[int, str]:
    """Class names by id, in the order of the ids.

    Format: ``StringIntLabelMap`` as protobuf text,
    https://github.com/tensorflow/models/blob/master/research/object_detection/protos/string_int_label_map.proto

    Raises:
        BadInput: no such file, an item without id or name, or ids that are not 1, 2, 3 … without a gap.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput(f"{path} is missing; it names the classes.") from error
    labels: dict[int, str] = {}
    for item in _ITEM.findall(text):
        fields = dict(_FIELD.findall(item))
        if not fields.get("id", "").isdecimal() or not fields.get("name"):
            raise BadInput(f"{path}: an item lacks its id or its name: {item.strip()!r}.")
        labels[int(fields["id"])] = _unescape(fields["name"][1:-1])
    if sorted(labels) != list(range(1, len(labels) + 1)) or not labels:
        raise BadInput(f"{path}: class ids must be 1, 2, 3 … without a gap; found {sorted(labels)}.")
    return dict(sorted(labels.items()))


_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)


def _unescape(quoted: str) -> str:
    """Undo protobuf text's escapes, which stand for bytes of UTF-8."""

    def byte(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, other = match.groups()
        if octal:
            return bytes([int(octal, 8)])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        return {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(other, other)

    return _ESCAPE.sub(byte, quoted.encode()).decode(errors="replace")
