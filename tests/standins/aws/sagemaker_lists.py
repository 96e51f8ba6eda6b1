"""Lists of jobs and models: filters, order, pages.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListTrainingJobs.html. Where a status is asked for, the
service takes a page first and filters it then, so a page may hold less than asked, or nothing, and yet not be the last.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.standins.aws.errors import invalid

DEFAULT_PAGE = 10


@dataclass(frozen=True)
class Listing:
    """What a list is of.

    Args:
        kind: begins the names of its members, as in "TrainingJob".
        members: the answer's list.
    """

    kind: str
    members: str


TRAINING_JOBS = Listing("TrainingJob", "TrainingJobSummaries")
TRANSFORM_JOBS = Listing("TransformJob", "TransformJobSummaries")
MODELS = Listing("Model", "Models")
ENDPOINTS = Listing("Endpoint", "Endpoints")
ENDPOINT_CONFIGS = Listing("EndpointConfig", "EndpointConfigs")


def page_of(listing: Listing, summaries: Iterable[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """Answer a list call.

    Raises:
        Refusal: the token is none, or another list's.
    """
    asked = {name: value for name, value in request.items() if name not in {"NextToken", "MaxResults"}}
    field = {"Name": f"{listing.kind}Name", "Status": f"{listing.kind}Status"}.get(request.get("SortBy", ""))
    name = f"{listing.kind}Name"
    found = [each for each in summaries if _fits(each, request, name)]
    descending = request.get("SortOrder", "Ascending") == "Descending"
    found.sort(key=lambda each: _place(each, field, name), reverse=descending)
    if token := request.get("NextToken"):
        last = _place_of(token, asked)
        found = [each for each in found if (_place(each, field, name) < last) == descending]
        found = [each for each in found if _place(each, field, name) != last]
    size = request.get("MaxResults", DEFAULT_PAGE)
    page, more = found[:size], len(found) > size
    answer: dict[str, Any] = {}
    if more:
        answer["NextToken"] = _token(_place(page[-1], field, name), asked)
    wanted = request.get("StatusEquals")
    answer[listing.members] = [each for each in page if wanted in {None, each.get(f"{listing.kind}Status")}]
    return answer


def _fits(summary: dict[str, Any], request: dict[str, Any], name: str) -> bool:
    if request.get("NameContains", "").lower() not in summary[name].lower():
        return False
    for field in ("CreationTime", "LastModifiedTime"):
        after, before = request.get(f"{field}After"), request.get(f"{field}Before")
        if after is not None and summary[field] <= after:
            return False
        if before is not None and summary[field] >= before:
            return False
    return True


def _place(summary: dict[str, Any], field: str | None, name: str) -> list[Any]:
    return [summary[field or "CreationTime"], summary[name]]


def _token(place: list[Any], asked: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([place, asked]).encode()).decode()


def _place_of(token: str, asked: dict[str, Any]) -> list[Any]:
    try:
        place, made_for = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise invalid("Invalid NextToken.") from error
    if made_for != asked:
        raise invalid("NextToken does not belong to this request.")
    return place
