"""Errors as AWS's JSON 1.1 services send them: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html."""

from __future__ import annotations

from typing import Any

VALIDATION, THROTTLED, DENIED = "ValidationException", "ThrottlingException", "AccessDeniedException"
IN_USE, NOT_FOUND, LIMIT = "ResourceInUse", "ResourceNotFound", "ResourceLimitExceeded"
_MODELLED = frozenset({IN_USE, NOT_FOUND, LIMIT})  # the published model spells the member of these "Message"


class Refusal(Exception):
    """A call that the service refuses.

    Args:
        code: the error's name.
        message: in the service's words, as far as they are known.
        status: HTTP's.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def body(self) -> dict[str, Any]:
        return {"__type": self.code, "Message" if self.code in _MODELLED else "message": self.message}


def invalid(message: str) -> Refusal:
    return Refusal(VALIDATION, message)


def not_found() -> Refusal:
    """Of a job or a model whose name nobody has; SageMaker calls it a validation error."""
    return invalid("Requested resource not found.")


def denied(operation: str, account: str) -> Refusal:
    """Of a caller without the permission."""
    return Refusal(
        DENIED,
        f"User: arn:aws:iam::{account}:user/rehearsal is not authorized to perform: sagemaker:{operation} because no "
        f"identity-based policy allows the sagemaker:{operation} action",
    )
