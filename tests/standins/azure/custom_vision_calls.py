"""A call of the API: its path, its query and its body, read as strictly as the service does."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.azure.custom_vision_account import OTHER
from tests.standins.azure.custom_vision_errors import Refusal, invalid

TRAINING = "/customvision/v3.4-preview/training"
PREDICTION = "/customvision/v3.1/prediction"
TAKE, MOST_TAKEN = 50, 256


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        at: the ids in its path.
        query: the last value of each name.
        url: scheme and host under which the client reached the service.
    """

    at: Mapping[str, str]
    query: Mapping[str, str]
    headers: email.message.Message
    body: bytes
    url: str

    def text(self, name: str, default: str | None = None) -> str:
        """A value of the query.

        Raises:
            Refusal: it is missing and has no default.
        """
        found = self.query.get(name, default)
        if found is None:
            raise Refusal("BadRequestRequiredParamIsNull", f"The parameter {name} is required.")
        return found

    def ids(self, name: str, most: int) -> list[str]:
        """A list of ids in the query, perhaps empty.

        Raises:
            Refusal: there are too many, or one is no id.
        """
        found = [each for each in self.query.get(name, "").split(",") if each]
        if len(found) > most:
            raise Refusal("BadRequestInvalidIds", f"{name}: {len(found)} ids; at most {most} are allowed.")
        for each in found:
            check_id(each)
        return found

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """
        Raises:
            Refusal: it is no number, or outside of its range.
        """
        try:
            found = float(self.query.get(name, default))
        except ValueError as error:
            raise invalid(f"The value '{self.query[name]}' is not valid for {name}.") from error
        if not low <= found <= high:
            raise invalid(f"The field {name} must be between {low:g} and {high:g}.")
        return found

    def flag(self, name: str) -> bool:
        found = self.query.get(name, "false").lower()
        if found not in {"true", "false"}:
            raise invalid(f"The value '{found}' is not valid for {name}.")
        return found == "true"

    def page(self, rows: list[Any]) -> list[Any]:
        """The rows that ``skip`` and ``take`` ask for."""
        skip = int(self.number("skip", 0, 0, float("inf")))
        return rows[skip : skip + int(self.number("take", TAKE, 0, MOST_TAKEN))]

    def json(self) -> dict[str, Any]:
        """The body, an object; empty if there is none."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as error:
            raise invalid(f"The request body is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise invalid("The request body must be an object.")
        return found

    def file(self, name: str) -> bytes:
        """A file of a ``multipart/form-data`` body."""
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            raise Refusal("UnsupportedMediaType", f"Content type {kind or 'none'}; expected multipart/form-data.")
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        for part in email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body).iter_parts():
            content = part.get_payload(decode=True)
            if part.get_param("name", header="content-disposition") == name and isinstance(content, bytes):
                return content
        raise Refusal("BadRequestImageStream", f"There is no part {name}.")


def check_id(text: str) -> str:
    """
    Raises:
        Refusal: it is no UUID.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise Refusal("BadRequestInvalidIds", f"Invalid id: {text}") from error


@dataclass(frozen=True)
class Reply:
    """An answer that is not simply 200 with JSON."""

    status: int
    body: Any = None


Act = Callable[[Call], Any]


@dataclass(frozen=True)
class Route:
    """One operation.

    Attributes:
        name: as the service calls it; its messages about rates have it.
        path: below the API, with ``{names}``.
        act: returns the answer's JSON, a ``Reply``, or None for 204.
        kind: of call, whose rate is limited.
    """

    name: str
    method: str
    path: str
    act: Act
    kind: str = OTHER
    api: str = TRAINING
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = [f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else part for part in self.path.split("/")]
        object.__setattr__(self, "pattern", re.compile(re.escape(self.api) + "/".join(parts)))


def find(routes: list[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request, and what stands in its path.

    Raises:
        Refusal: there is none, or an id in the path is none.
    """
    for route in routes:
        if route.method == method and (found := route.pattern.fullmatch(path)):
            at = {name: urllib.parse.unquote(value) for name, value in found.groupdict().items()}
            return route, {name: check_id(value) if name.endswith("Id") else value for name, value in at.items()}
    raise Refusal("NotFound", f"Resource not found: {method} {path}")
