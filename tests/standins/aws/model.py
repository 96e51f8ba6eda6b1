"""Requests checked against the published model of a service, as its front end does it before anything else.

botocore checks types, required members and minima before it sends; the service checks patterns, maxima and enums too,
and whatever a caller without botocore sends. The words are the front end's (Coral's), as users have reported them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from tests.standins.aws.errors import Refusal, invalid

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}
_OF_JAVA = (("\\p{Alnum}", "a-zA-Z0-9"), ("\\p{L}\\p{Z}\\p{N}", "\\w\\s"))  # what Python's patterns lack


@cache
def service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """Refuse a request that does not fit its operation, all that is wrong with it together.

    Raises:
        Refusal: SerializationException for a value of a wrong type, else ValidationException.
    """
    shape = service_model(service).operation_model(operation).input_shape
    if shape is None:
        return
    wrong = list(_constraints(request, shape, ""))
    if wrong:
        errors = "1 validation error" if len(wrong) == 1 else f"{len(wrong)} validation errors"
        raise invalid(f"{errors} detected: {'; '.join(wrong)}")


def _constraints(value: Any, shape: Shape, at: str) -> Iterator[str]:
    """Everything in a value that its shape forbids, in the front end's words."""
    _check_type(value, shape)
    match shape:
        case StructureShape():
            yield from _of_structure(value, shape, at)
        case ListShape():
            yield from _of_size(len(value), shape, at, value, "length")
            for number, item in enumerate(value, 1):
                yield from _constraints(item, shape.member, f"{at}.{number}.member")
        case MapShape():
            yield from _of_size(len(value), shape, at, value, "length")
            for key, item in value.items():
                yield from _constraints(key, shape.key, at)
                yield from _constraints(item, shape.value, f"{at}.{key}.member")
        case _ if isinstance(value, str):
            yield from _of_text(value, shape, at)
        case _ if not isinstance(value, bool):
            yield from _of_size(value, shape, at, value, "value")


def _of_structure(value: dict[str, Any], shape: StructureShape, at: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failure(None, _place(at, name), "Member must not be null")
    for name, item in value.items():
        if item is not None and name in shape.members:  # the front end overlooks members that it does not know
            yield from _constraints(item, shape.members[name], _place(at, name))


def _of_text(value: str, shape: Shape, at: str) -> Iterator[str]:
    yield from _of_size(len(value), shape, at, value, "length")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield _failure(value, at, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(_python_pattern(pattern), value):
        yield _failure(value, at, f"Member must satisfy regular expression pattern: {pattern}")


def _of_size(size: float, shape: Shape, at: str, value: Any, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield _failure(value, at, f"Member must have {what} greater than or equal to {least}")
    if most is not None and size > most:
        yield _failure(value, at, f"Member must have {what} less than or equal to {most}")


def _failure(value: Any, at: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{at}' failed to satisfy constraint: {rule}"


def _place(at: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{at}.{name}" if at else name


def _check_type(value: Any, shape: Shape) -> None:
    kinds = _TYPES[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        found = {bool: "TRUE_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", str: "STRING_VALUE"}
        name = found.get(type(value), "START_OF_OBJECT_VALUE" if isinstance(value, dict) else "START_OF_ARRAY_VALUE")
        raise Refusal("SerializationException", f"{name} cannot be converted to {shape.type_name.title()}")


@cache
def _python_pattern(pattern: str) -> str:
    for java, python in _OF_JAVA:
        pattern = pattern.replace(java, python)
    return pattern
