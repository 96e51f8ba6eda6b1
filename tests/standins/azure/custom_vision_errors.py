"""Errors of Custom Vision, and of the gateway before it.

The service says ``{"code", "message"}`` with the codes of the SDK's ``CustomVisionErrorCodes``; the gateway, which
looks at keys and rates, says ``{"error": {"code", "message"}}``. The gateway's words and "Not enough images …",
"Nothing changed …" and "… already published as …" have been reported by users; all other messages are from memory, not
verified.
"""

from __future__ import annotations

from typing import Any

_STATUS = {"BadRequest": 400, "Forbidden": 403, "NotFound": 404, "Conflict": 409, "Unsupported": 415, "Error": 500}


class Refusal(Exception):
    """A call that the service refuses.

    Args:
        code: one of ``CustomVisionErrorCodes``; its beginning tells HTTP's status.
    """

    reason: str | None = None  # HTTP's reason phrase, if it is not the usual one

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.headers: dict[str, str] = {}

    @property
    def status(self) -> int:
        return next(status for beginning, status in _STATUS.items() if self.code.startswith(beginning))

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


class Gateway(Refusal):
    """A call that does not come through to the service."""

    def __init__(self, status: int, message: str, reason: str | None = None) -> None:
        super().__init__(str(status), message)
        self.reason = reason

    @property
    def status(self) -> int:
        return int(self.code)

    def body(self) -> dict[str, Any]:
        return {"error": super().body()}


def invalid(message: str) -> Refusal:
    return Refusal("BadRequest", message)


def not_found(what: str, id_: str) -> Refusal:
    """Of a thing that there is not: ``Project``, ``Iteration``, ``Tag``, ``Image`` or ``Domain``."""
    return Refusal(f"NotFound{what}", f"Invalid {what.lower()} id: {id_}")


def wrong_key() -> Gateway:
    """https://learn.microsoft.com/azure/ai-services/authentication; the SDK shows the reason phrase."""
    return Gateway(
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
        "Access Denied",
    )


def too_many(operation: str, api: str, resource: str, tier: str) -> Gateway:
    """Words: https://github.com/Azure-Samples/cognitive-services-node-sdk-samples/issues/47."""
    refusal = Gateway(
        429,
        f"Requests to the {operation} Operation under {api} have exceeded rate limit of your current {resource} {tier} "
        "pricing tier. Please retry after 1 second. To increase your rate limit switch to a paid tier.",
    )
    refusal.headers["Retry-After"] = "1"
    return refusal


def unavailable() -> Gateway:
    return Gateway(503, "The service is temporarily unable to process your request. Please try again later.")
