"""Clients of one Google Cloud project, by the credentials of whoever asks.

Most services are spoken to over REST by Google's API client and the descriptions that it brings along: their own
libraries cost many times as much to import, in every worker and triggerer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from include.clouds.failures import CallFailed, QuotaExceeded

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.storage import Client

TIMEOUT = 60  # seconds for one call; all of them are short
READ_RETRIES = 2  # of calls that change nothing; the poller's next beat does the rest
OVER_QUOTA = "quota metrics exceed quota limits"  # what Vertex AI says; calls that come too fast it answers otherwise
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


@dataclass(frozen=True)
class GoogleProject:
    """Clients of one project, made when they are first needed. Safe to use from several threads.

    Args:
        credentials: of the caller.
        project: its id.
        endpoints: URL by service ("aiplatform", "storage" …), where they are not Google's own: for rehearsals and
            private networks. Where there are any, a service without one is not asked.
    """

    credentials: Credentials
    project: str
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_environment(cls, project: str = "", endpoints: Mapping[str, str] | None = None) -> GoogleProject:
        """By the SDK's own credentials (``gcloud auth application-default login``, a key file, the machine's account).

        Raises:
            ValueError: there are no credentials, or neither they nor the caller name a project.
        """
        import google.auth
        from google.auth.exceptions import GoogleAuthError

        try:
            credentials, found = google.auth.default(scopes=SCOPES)
        except GoogleAuthError as error:
            raise ValueError(
                f"No Google credentials can be used here: {error} Log in with `gcloud auth application-default login`, "
                "or let GOOGLE_APPLICATION_CREDENTIALS name a service account's key file."
            ) from error
        project = project or found or ""
        if not project:
            raise ValueError(
                "The credentials name no project. Name it by --project, or as google.project in lanner.yaml."
            )
        return cls(credentials, project, endpoints or {})

    @property
    def caller(self) -> str:
        """The service account that asks; empty where the credentials do not say whose they are (a person's do not)."""
        email = str(getattr(self.credentials, "service_account_email", None) or "")
        return email if "@" in email else ""  # a machine's account is called "default" until it is first used

    @cached_property
    def storage(self) -> Client:
        from google.cloud import storage

        self._check_endpoint("storage")
        options = {"api_endpoint": self.endpoints["storage"]} if self.endpoints else None
        return storage.Client(self.project, self.credentials, client_options=options)

    def call(self, request: Any, *, retries: int = READ_RETRIES) -> dict[str, Any]:
        """Run one request of Google's API client on a connection of its own (they cannot be shared by threads).

        Args:
            retries: after a 429, a 5xx or a broken connection. None for what must not be done twice.

        Raises:
            PermissionError: the credentials may not do this, or are none any more; the service's own words name what is
                missing.
            ValueError: the service finds the request wrong.
            FileNotFoundError: there is no such thing.
            QuotaExceeded: the project has no more of it.
            CallFailed: anything else that may go better next time.
        """
        import httplib2
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google_auth_httplib2 import AuthorizedHttp
        from googleapiclient.errors import HttpError

        try:
            http = AuthorizedHttp(self.credentials, httplib2.Http(timeout=TIMEOUT))
            return request.execute(http=http, num_retries=retries)
        except HttpError as error:
            raise _explained(error) from error
        except GoogleAuthError as error:
            passing = error.retryable or isinstance(error, TransportError)
            kind = CallFailed if passing else PermissionError
            raise kind(f"The credentials were refused before {request.uri} could be asked: {error}") from error
        except (OSError, httplib2.HttpLib2Error) as error:
            raise CallFailed(f"{request.uri} could not be asked: {error!r}") from error

    def discovered(self, service: str, version: str, host: str = "", path: str = "") -> Any:
        """A service by the description that Google's API client brings along.

        Args:
            host: its name before ``.googleapis.com``, where it is not that of the service.
            path: before those of its methods, which the description leaves out for some ("compute/v1/").

        Raises:
            LookupError: other endpoints are named, and none for this service: a rehearsal must not ask Google.
        """
        from googleapiclient.discovery import build

        self._check_endpoint(service)
        endpoint = self.endpoints.get(service, f"https://{host or service}.googleapis.com")
        return build(
            service,
            version,
            credentials=self.credentials,
            client_options={"api_endpoint": f"{endpoint}/{path}" if path else endpoint},
            static_discovery=True,
            cache_discovery=False,
        )

    def _check_endpoint(self, service: str) -> None:
        if self.endpoints and service not in self.endpoints:
            raise LookupError(f"other endpoints than Google's are named, and none for {service}")


def _explained(error: Any) -> Exception:
    """What a service's refusal means for whoever asked."""
    status = int(error.resp.status)
    kinds: dict[int, type[Exception]] = {400: ValueError, 401: PermissionError, 403: PermissionError}
    kinds[404] = FileNotFoundError
    message = _message(error)
    kind = QuotaExceeded if OVER_QUOTA in message else kinds.get(status, CallFailed)
    return kind(f"{error.uri} answered {status}: {message}")


def _message(error: Any) -> str:
    """The service's own words, with the fields that it complains of."""
    try:
        said = json.loads(error.content)["error"]
    except (ValueError, KeyError, TypeError):
        return str(error.content[:500])
    details = [
        f"{violation.get('field', '')}: {violation.get('description', '')}"
        for detail in said.get("details", ())
        for violation in detail.get("fieldViolations", ())
    ]
    return " ".join([said.get("message", ""), *details])
