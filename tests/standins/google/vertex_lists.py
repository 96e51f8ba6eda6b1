"""Listing custom jobs: the filter's fields, pages, masks (https://google.aip.dev/158)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.standins.google.errors import Refusal
from tests.standins.google.filter import Comparison, compares, matches, parse
from tests.standins.google.pages import page_token, place_of

DEFAULT_PAGE = LARGEST_PAGE = 100
_OPERATORS = {
    "display_name": {"=", "!=", ":"},
    "state": {"=", "!="},
    "create_time": {"=", "!=", "<", "<=", ">", ">="},
    "labels": {"=", ":"},
}
_PARAMETERS = frozenset({"filter", "pageSize", "pageToken", "readMask"})


def list_jobs(jobs: Iterable[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """Answer ``customJobs.list``.

    Raises:
        Refusal: an unknown parameter or field, or a page token of another list.
    """
    if unknown := query.keys() - _PARAMETERS:
        name = min(unknown)
        text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
        raise Refusal("INVALID_ARGUMENT", text)
    term, mask = parse(query.get("filter", "")), query.get("readMask", "*")
    if not (asked := query.get("pageSize") or "0").isdecimal():
        raise Refusal("INVALID_ARGUMENT", f"Invalid value at 'page_size' (TYPE_INT32), \"{asked}\"")
    size = min(int(asked) or DEFAULT_PAGE, LARGEST_PAGE)
    found = [job for job in jobs if matches(term, partial(_holds, job))]
    if token := query.get("pageToken"):
        last = place_of(token, query.get("filter", ""))
        found = [job for job in found if _place(job) < last]
    page = [_masked(job, mask) for job in found[:size]]
    more = {"nextPageToken": page_token(_place(found[size - 1]), query.get("filter", ""))} if len(found) > size else {}
    return {"customJobs": page, **more} if page else {}


def _holds(job: dict[str, Any], test: Comparison) -> bool:
    field, _, key = test.field.partition(".")
    if test.operator not in _OPERATORS.get(field, ()) or (field == "labels") != bool(key):
        raise Refusal("INVALID_ARGUMENT", f"Invalid filter: {test.field} {test.operator} is not supported.")
    if field == "labels":
        value = job.get("labels", {}).get(key)
        return value is not None and (test.value == "*" if test.operator == ":" else value == test.value)
    left, right = {
        "display_name": (job["displayName"], test.value),
        "state": (job["state"], test.value),
        "create_time": (job["createTime"], test.value),
    }[field]
    if field == "create_time":
        left, right = _moment(left), _moment(right)
    if test.operator == ":":
        return fnmatch.fnmatchcase(left, re.sub(r"[\[?]", "[\\g<0>]", right))
    return compares(test.operator, left, right)


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", f"Invalid filter: {text} is no timestamp in RFC 3339.") from error


def _masked(job: dict[str, Any], mask: str) -> dict[str, Any]:
    if mask == "*":
        return job
    names = {re.sub(r"_(\w)", lambda found: found[1].upper(), name.strip()) for name in mask.split(",")}
    return {name: value for name, value in job.items() if name in names}


def _place(job: dict[str, Any]) -> tuple[str, str]:
    return job["createTime"], job["name"]
