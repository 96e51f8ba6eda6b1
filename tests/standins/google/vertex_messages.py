"""The published message of a custom job, read from JSON, and what the API front end says of JSON that does not fit."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from google.protobuf import json_format

from tests.standins.google.errors import Refusal, bad_json


def read_custom_job(body: bytes) -> dict[str, Any]:
    """The job in a request's body, in JSON as the published message has it.

    Raises:
        Refusal: it is no such message.
    """
    custom_job = _custom_job()
    message = custom_job.pb(custom_job())
    try:
        json_format.Parse(body or b"{}", message)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error
    return json_format.MessageToDict(message)


@cache
def _custom_job() -> Any:
    """The message's class, without all the others of its package, which cost four CPU seconds to import."""
    for name in ("google.cloud.aiplatform_v1", "google.cloud.aiplatform_v1.types"):
        if name not in sys.modules:
            found = find_spec(name)
            assert found is not None and found.submodule_search_locations is not None
            sys.modules[name] = package = ModuleType(name)
            package.__path__ = found.submodule_search_locations
    from google.cloud.aiplatform_v1.types.custom_job import CustomJob

    return CustomJob


def _unreadable(told: str) -> Refusal:
    """What json_format says, in the words of the API front end."""
    if unknown := re.search(r'has no field named "([^"]+)" at "([^"]+)"', told):
        where = _field(unknown[2])
        text = f"Invalid JSON payload received. Unknown name \"{unknown[1]}\" at '{where}': Cannot find field."
        return bad_json(where, text)
    if twice := re.search(r'multiple "(\w+)" oneof fields at "?(CustomJob[^" ]*)', told):
        where = _field(twice[2]).rpartition(".")[0] or "custom_job"
        return bad_json(where, f"Invalid value at '{where}' (oneof), oneof field '{twice[1]}' is already set.")
    if wrong := re.search(r"(?:Failed to parse \w+ field: )*(.*?)\.? at (CustomJob[^\s]*)$", told, re.DOTALL):
        where = _field(wrong[2])
        return bad_json(where, f"Invalid value at '{where}', {json.dumps(wrong[1])}")
    return bad_json("", f"Invalid JSON payload received. {told.splitlines()[0]}")


def _field(path: str) -> str:
    path = path.replace("CustomJob", "custom_job", 1).rstrip(".")
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), path)
