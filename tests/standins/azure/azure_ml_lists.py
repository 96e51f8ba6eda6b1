"""Listing jobs: the parameters of the query, and pages. How long a page is, and its order, are from memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from tests.standins.azure.azure_ml_errors import user_error

PAGE = 30
_PARAMETERS = frozenset({"api-version", "$skip", "tag", "jobType", "listViewType"})


def page_of(jobs: Iterable[dict[str, Any]], query: dict[str, str], url: str, size: int = PAGE) -> dict[str, Any]:
    """One page of a list, and where the next is.

    Args:
        jobs: the newest first.
        url: at which the list was asked for.

    Raises:
        Refusal: an unknown parameter, or a token of no list.
    """
    if unknown := query.keys() - _PARAMETERS:
        raise user_error(f"Unknown parameters: {', '.join(sorted(unknown))}.")
    wanted = [job for job in jobs if query.get("tag", "") in {"", *job["properties"].get("tags", {})}]
    if token := query.get("$skip"):
        last = _place_of(token)
        wanted = [job for job in wanted if _place(job) < last]
    page = wanted[:size]
    if len(wanted) <= size:
        return {"value": page}
    token = base64.urlsafe_b64encode(json.dumps(_place(page[-1])).encode()).decode()
    return {"value": page, "nextLink": f"{url}?{urlencode({**query, '$skip': token})}"}


def _place(job: dict[str, Any]) -> list[str]:
    return [job["systemData"]["createdAt"], job["name"]]


def _place_of(token: str) -> list[str]:
    try:
        return list(json.loads(base64.urlsafe_b64decode(token)))
    except ValueError as error:
        raise user_error("The continuation token is not valid.") from error
