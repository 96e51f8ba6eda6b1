"""Errors in the shape and the words of Azure Resource Manager, and of Azure Machine Learning behind it.

``{"error": {"code", "message", "details", "additionalInfo"}}``:
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors. The words of a job
that is there already have been reported by users (https://github.com/Azure/azure-sdk-for-python/pull/47389); all others
are from memory: a client must go by code and status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PROVIDER = "Microsoft.MachineLearningServices"


class Refusal(Exception):
    """A call that the service refuses.

    Args:
        status: of HTTP.
        inner: Azure ML's own codes, the outer one first.
        parameters: that it puts into the message.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        inner: Sequence[str] = (),
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.inner = status, code, message, list(inner)
        self.parameters, self.headers = dict(parameters or {}), dict(headers or {})

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.inner:
            nested: dict[str, Any] | None = None
            for code in reversed(self.inner):
                nested = {"code": code, "innerError": nested}
            told = {"ComponentName": "managementfrontend", "InnerError": nested, "MessageParameters": self.parameters}
            error |= {
                "details": [],
                "additionalInfo": [{"type": name, "info": {"value": value}} for name, value in told.items()],
            }
        return {"error": error}


def user_error(message: str, *inner: str, status: int = 400, **parameters: str) -> Refusal:
    """What Azure ML blames on whoever asked."""
    return Refusal(status, "UserError", message, inner or ("BadArgument",), parameters)


def job_not_found(name: str) -> Refusal:
    return user_error(f"Run {name} was not found", "NotFound", status=404, runId=name)


def immutable(what: Sequence[str]) -> Refusal:
    """Of a job that is there already, and is another one."""
    named = ",  ".join(what)
    return user_error(
        "A job with this name already exists. If you are trying to create a new job, use a different name. If you are "
        f"trying to update an existing job, the existing job's {named} cannot be changed. Only description, tags, "
        "displayName, properties, and isArchived can be updated.",
        "Immutable",
        "JobPropertyImmutable",
        property=named,
    )


def not_found(kind: str, name: str, group: str) -> Refusal:
    message = (
        f"The Resource '{PROVIDER}/{kind}/{name}' under resource group '{group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return Refusal(404, "ResourceNotFound", message)


def denied(action: str, scope: str, client: str) -> Refusal:
    message = (
        f"The client '{client}' with object id '{client}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials."
    )
    return Refusal(403, "AuthorizationFailed", message)


def throttled(seconds: float) -> Refusal:
    message = "The request is being throttled as the limit has been reached for operation type - Write_ObserverWindow."
    return Refusal(429, "TooManyRequests", message, headers={"Retry-After": f"{seconds:g}"})


def unauthenticated(header: str | None) -> Refusal:
    challenge = {
        "WWW-Authenticate": 'Bearer authorization_uri="https://login.windows.net/common", error="invalid_token"'
    }
    if not header:
        message = "Authentication failed. The 'Authorization' header is missing."
        return Refusal(401, "AuthenticationFailed", message, headers=challenge)
    return Refusal(401, "InvalidAuthenticationToken", "The access token is invalid.", headers=challenge)
