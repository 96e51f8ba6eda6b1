"""Commands for the AWS CLI, read as the CLI reads them: by the SDK's description of each service.

The CLI itself is nothing that a test may count on; what it knows of a service's operations, options and their types it
has from botocore, too. Of its own commands only those are known that the docs use.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, Shape, StructureShape
from botocore.session import get_session
from botocore.validate import ParamValidator

GLOBAL = {"--region", "--profile", "--query", "--output"}
OWN: dict[str, set[str]] = {  # what the CLI can do besides calling operations, with the options that the docs use
    "configure": set(),
    "s3 mb": set(),
    "s3 rm": {"--recursive"},
    "s3 rb": {"--force"},
}


@dataclass(frozen=True)
class Call:
    """What a command asks for: an operation of a service, or one of the CLI's own (then the service is "cli")."""

    service: str
    operation: str
    arguments: dict[str, Any]


def read(words: Sequence[str], folder: Path) -> Call:
    """Read a command, without its first word ``aws``.

    Args:
        folder: to which paths of ``file://`` are relative.

    Raises:
        ValueError: there is no such command, option or value.
    """
    if words[0] in {"configure", "s3"}:
        return _own(words)
    service = "s3" if words[0] == "s3api" else words[0]
    model = get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if words[1] not in operations:
        raise ValueError(f"{service} has no {words[1]}")
    shape = model.operation_model(operations[words[1]]).input_shape
    assert shape is not None
    members = {f"--{xform_name(name, '-')}": name for name in shape.members}
    arguments = {}
    rest = list(words[2:])
    while rest:
        option, values = rest.pop(0), []
        while rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        if option in GLOBAL and option not in members:
            continue
        if option not in members:
            raise ValueError(f"{words[0]} {words[1]} has no {option}")
        arguments[members[option]] = _value(values, shape.members[members[option]], folder)
    if (report := ParamValidator().validate(arguments, shape)).has_errors():
        raise ValueError(report.generate_report())
    return Call(service, xform_name(operations[words[1]]), arguments)


def _own(words: Sequence[str]) -> Call:
    first = next((number for number, word in enumerate(words) if word.startswith(("--", "s3://"))), len(words))
    command = " ".join(words[:first])
    if command not in OWN:
        raise ValueError(f"there is no aws {command}")
    if unknown := {word for word in words if word.startswith("--")} - OWN[command] - GLOBAL:
        raise ValueError(f"aws {command} has no {', '.join(sorted(unknown))}")
    return Call("cli", command, {"uri": [word for word in words if word.startswith("s3://")]})


def _value(values: list[str], shape: Shape, folder: Path) -> Any:
    """The words after an option, as what it takes: text, number, JSON, or the CLI's shorthand ``Key=value,…``."""
    [text, *more] = [(folder / each[7:]).read_text() if each.startswith("file://") else each for each in values]
    if text.startswith(("{", "[")) and shape.type_name in {"structure", "list", "map"}:
        return json.loads(text)
    if isinstance(shape, ListShape):
        return [_value([each], shape.member, folder) for each in (text, *more)]
    if more:
        raise ValueError(f"one value expected: {values}")
    if isinstance(shape, StructureShape):
        pairs = dict(pair.split("=") for pair in text.split(","))
        return {name: _value([each], shape.members[name], folder) for name, each in pairs.items()}
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[text]
    numbers: dict[str, type] = {"integer": int, "long": int, "double": float, "float": float}
    return numbers.get(shape.type_name, str)(text)
