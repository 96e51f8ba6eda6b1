"""One Airflow connection, as clients of the Google services that a training needs: Vertex AI, Logging, Storage.

Vertex AI and Logging are spoken to over REST by Google's API client and the descriptions that it brings along: the
library of Vertex AI itself costs many times as much to import, in every worker and triggerer.

The connection's extra may name other endpoints, for rehearsals and private networks::

    {"endpoints": {"aiplatform": "http://127.0.0.1:9001", "logging": "…", "storage": "…"}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.storage import Client

TIMEOUT = 60  # seconds for one call; all of them are short
READ_RETRIES = 2  # of calls that change nothing; the poller's next beat does the rest


class GoogleCallFailed(RuntimeError):
    """A service could not do what it was asked, for now: it may be asked again."""


@dataclass(frozen=True)
class GoogleCloud:
    """Clients of one project, made when they are first needed. Safe to use from several threads.

    Args:
        credentials: of the connection.
        project: its id.
        endpoints: by service, where they are not Google's own.
    """

    credentials: Credentials
    project: str
    endpoints: dict[str, str]

    @classmethod
    def of_connection(cls, connection: str, project: str = "") -> GoogleCloud:
        """From an Airflow connection; its project unless another is named.

        Raises:
            ValueError: neither names a project.
        """
        from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

        hook = GoogleBaseHook(gcp_conn_id=connection)
        credentials, found = hook.get_credentials_and_project_id()
        project = project or found or ""
        if not project:
            raise ValueError(
                f"Connection {connection} names no project. Set it in the connection's extra, or as google.project in "
                "lanner.yaml (docs/google.md)."
            )
        return cls(credentials, project, hook.extras.get("endpoints", {}))

    def custom_jobs(self, region: str) -> Any:
        """``projects.locations.customJobs`` of Vertex AI in a region. Run its requests by ``call``."""
        return self.discovered("aiplatform", "v1", f"{region}-aiplatform").projects().locations().customJobs()

    @cached_property
    def log_entries(self) -> Any:
        """``entries`` of Cloud Logging. Run its requests by ``call``."""
        return self.discovered("logging", "v2").entries()

    @cached_property
    def storage(self) -> Client:
        from google.cloud import storage

        options = {"api_endpoint": self.endpoints["storage"]} if "storage" in self.endpoints else None
        return storage.Client(self.project, self.credentials, client_options=options)

    def call(self, request: Any, *, retries: int = READ_RETRIES) -> dict[str, Any]:
        """Run one request of Google's API client on a connection of its own (they cannot be shared by threads).

        Args:
            retries: after a 429, a 5xx or a broken connection. None for what must not be done twice.

        Raises:
            PermissionError: the credentials may not do this; the service's own words name what is missing.
            ValueError: the service finds the request wrong.
            FileNotFoundError: there is no such thing.
            GoogleCallFailed: anything that may go better next time.
        """
        import httplib2
        from google_auth_httplib2 import AuthorizedHttp
        from googleapiclient.errors import HttpError

        try:
            http = AuthorizedHttp(self.credentials, httplib2.Http(timeout=TIMEOUT))
            return request.execute(http=http, num_retries=retries)
        except HttpError as error:
            raise _explained(error) from error
        except (OSError, httplib2.HttpLib2Error) as error:
            raise GoogleCallFailed(f"{request.uri} could not be asked: {error!r}") from error

    def discovered(self, service: str, version: str, host: str = "") -> Any:
        """A service by the description that Google's API client brings along.

        Args:
            host: its name before ``.googleapis.com``, where it is not that of the service.

        Raises:
            LookupError: the connection names endpoints, and none for this service: a rehearsal must not ask Google.
        """
        from googleapiclient.discovery import build

        if self.endpoints and service not in self.endpoints:
            raise LookupError(f"the connection's extra names endpoints, but none for {service}")
        return build(
            service,
            version,
            credentials=self.credentials,
            client_options={"api_endpoint": self.endpoints.get(service, f"https://{host or service}.googleapis.com")},
            static_discovery=True,
            cache_discovery=False,
        )


def _explained(error: Any) -> Exception:
    """What a service's refusal means for whoever asked."""
    status = int(error.resp.status)
    kinds: dict[int, type[Exception]] = {400: ValueError, 401: PermissionError, 403: PermissionError}
    kinds[404] = FileNotFoundError
    return kinds.get(status, GoogleCallFailed)(f"{error.uri} answered {status}: {_message(error)}")


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
