"""Page tokens of Google's list calls: the place of the last item, and the request that they belong to."""

from __future__ import annotations

import base64
import json

from tests.standins.google.errors import Refusal

Place = tuple[str, str]  # a moment, and what tells items of the same moment apart


def page_token(last: Place, request: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([*last, request]).encode()).decode()


def place_of(token: str, request: str) -> Place:
    """Where a page ended; refused if the token is none, or another request's."""
    try:
        moment, name, made_for = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", "The page token (page_token) is invalid.") from error
    if made_for != request:
        raise Refusal("INVALID_ARGUMENT", "The page token (page_token) does not match the arguments of the request.")
    return moment, name
