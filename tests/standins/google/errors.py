"""Errors in the shape and the words of Google's APIs.

https://cloud.google.com/apis/design/errors: ``{"error": {"code", "message", "status", "details"}}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
}


class Refusal(Exception):
    """A call that the service refuses.

    Args:
        status: a name of google.rpc.Code.
        message: in the service's words, as far as they are known.
        details: as in ``google.rpc.Status``.
    """

    def __init__(self, status: str, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, list(details)

    @property
    def code(self) -> int:
        return HTTP_STATUS[self.status]

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": self.details} if self.details else {})}


def found_errors(errors: Sequence[tuple[str, str]]) -> Refusal:
    """Vertex AI's way to tell all (field, message) that it found wrong in a request."""
    listed = "".join(f"\t{number}.Field: {field}; Message: {text}" for number, (field, text) in enumerate(errors, 1))
    return Refusal("INVALID_ARGUMENT", f"List of found errors:{listed}\t")


def bad_json(field: str, description: str) -> Refusal:
    """What the API front end answers to a body that does not fit the message it should be."""
    violation = {"field": field, "description": description} if field else {"description": description}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return Refusal("INVALID_ARGUMENT", description, [detail])


def permission_denied(permission: str, resource: str) -> Refusal:
    message = (
        f"Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' (or it may not exist)."
    )
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "aiplatform.googleapis.com",
        "metadata": {"permission": permission, "resource": resource},
    }
    return Refusal("PERMISSION_DENIED", message, [detail])


def quota_exceeded(metrics: Sequence[str]) -> Refusal:
    named = ",".join(f"aiplatform.googleapis.com/{metric}" for metric in metrics)
    return Refusal("RESOURCE_EXHAUSTED", f"The following quota metrics exceed quota limits: {named}")
