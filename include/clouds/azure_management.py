"""Calls to Azure's management, by the credentials of whoever asks.

Over REST, by Azure's own pipeline (``azure-core``), which costs 0.2 CPU seconds to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from include.clouds.failures import CallFailed, QuotaExceeded

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import AccessToken, TokenCredential

MANAGEMENT = "management"  # key of an endpoint
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds
RETRIES = 3  # of one call that may be repeated: after a 429, a 5xx or a broken connection
BACKOFF = 0.5  # seconds, doubled each time
MOST_PAGES = 1000
SHOWN_CHARACTERS = 500  # of an answer that is no JSON
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
QUOTA = re.compile(r"quota", re.IGNORECASE)
THERE = re.compile(r"already exists", re.IGNORECASE)


class NotAuthenticated(PermissionError):
    """There are no credentials, or Azure does not accept them."""


@dataclass(frozen=True)
class StaticToken:
    """A credential that is one token, whatever is asked for: for rehearsals."""

    token: str = field(repr=False)

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        import time

        from azure.core.credentials import AccessToken

        return AccessToken(self.token, int(time.time()) + 3600)


@dataclass(frozen=True)
class AzureManagement:
    """One subscription. Safe to use from several threads.

    Args:
        credential: of the caller.
        endpoints: URL by service ("management"), where they are not those of Azure's public cloud: for rehearsals,
            other clouds and private networks. Where there are any, a service without one is not asked.
    """

    credential: TokenCredential
    subscription: str
    endpoints: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask Azure's management; ``api-version`` is among the query.

        Raises:
            NotAuthenticated: there are no credentials, or Azure does not accept them; a ``PermissionError``.
            PermissionError: the credentials may not do this; the service's words name what is missing.
            ValueError: the service finds the request wrong.
            FileNotFoundError: there is no such thing.
            FileExistsError: there is another one of this name.
            EOFError: a part was asked for of something that is not so large.
            QuotaExceeded: the subscription has no more of it.
            CallFailed: anything that may go better next time.
        """
        return self._run(MANAGEMENT, method, path, query, body)

    def listed(self, path: str, query: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """A list of resources, page by page. Errors are those of ``call``."""
        answer = self.call("GET", path, query)
        for _ in range(MOST_PAGES):
            yield list(answer.get("value", ()))
            if not (more := answer.get("nextLink")):
                return
            answer = self.call("GET", *self._own_path(more))

    def _own_path(self, link: str) -> tuple[str, dict[str, str]]:
        """Path and query of a link that the service gave. The token goes to no other host.

        Raises:
            ValueError: it leads elsewhere.
        """
        parts = urlsplit(link)
        here = urlsplit(self._endpoint(MANAGEMENT))
        if (parts.scheme, parts.netloc) != (here.scheme, here.netloc):
            raise ValueError(f"The list goes on at {parts.scheme}://{parts.netloc}, expected {here.netloc}: not asked.")
        return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))

    def _endpoint(self, service: str) -> str:
        if service in self.endpoints:
            return self.endpoints[service].rstrip("/")
        if self.endpoints:
            raise LookupError(f"other endpoints than Azure's are named, and none for {service}")
        return self._usual(service)

    def _usual(self, service: str) -> str:
        """Where a service answers in Azure's public cloud."""
        return {MANAGEMENT: "https://management.azure.com"}[service]

    def _named(self, path: str) -> str:
        """What is asked for, in a message."""
        return path.strip("/")

    @cached_property
    def _client(self) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies
        from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

        retries = policies.RetryPolicy(
            retry_total=RETRIES, retry_status=RETRIES, retry_backoff_factor=BACKOFF, retry_backoff_max=READ_TIMEOUT
        )
        token = ARMChallengeAuthenticationPolicy(self.credential, f"{self._endpoint(MANAGEMENT)}/.default")
        agent = policies.UserAgentPolicy(base_user_agent="lanner")
        return PipelineClient(self._endpoint(MANAGEMENT), policies=[policies.RequestIdPolicy(), agent, retries, token])

    def _run(
        self,
        service: str,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        what = f"{method} {self._named(path)}"
        url = self._endpoint(service) + path + (f"?{urlencode(query)}" if query else "")
        local = urlsplit(url).hostname in LOCAL  # where a rehearsal needs no encryption
        with translated(what):
            answer = self._client.send_request(
                HttpRequest(method, url, json=body) if body is not None else HttpRequest(method, url),
                enforce_https=not local,
                connection_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
            )
        try:
            found = answer.json() if answer.text() else {}
        except ValueError:
            found = answer.text()[:SHOWN_CHARACTERS]
        if answer.status_code >= 400:
            raise explained(what, answer.status_code, found)
        if not isinstance(found, dict):
            raise CallFailed(f"{what} answered {found!r}, expected an object.")
        return found


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of Azure's clients in words that all clouds share, as ``AzureManagement.call`` raises them.

    Args:
        what: is asked, for the message.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        if error.status_code:
            said = {
                "code": getattr(error, "error_code", None) or error.status_code,
                "message": error.message.partition("\n")[0],
            }
            raise explained(what, error.status_code, {"error": said}) from error
        if isinstance(error, ClientAuthenticationError):
            raise NotAuthenticated(
                f"{what}: {error.message}. Put credentials into the Airflow connection, or log in with `az login` "
                "(docs/azure.md)."
            ) from error
        raise CallFailed(f"{what} could not be asked: {error.message}") from error
    except AzureError as error:
        raise CallFailed(f"{what} could not be asked: {error!r}") from error


def explained(what: str, status: int, answer: Any) -> Exception:
    """What a refusal means for whoever asked.

    https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors

    Args:
        what: was asked, for the message.
        answer: ``{"error": {"code": …, "message": …}}``, or anything.
    """
    said = answer.get("error") if isinstance(answer, dict) else None
    said = said if isinstance(said, dict) else {}
    code, message = str(said.get("code", status)), str(said.get("message", answer))
    words = f"{what} answered {code}: {message}"
    if status in {401, 403}:
        return (NotAuthenticated if status == 401 else PermissionError)(words)
    if status == 404:
        return FileNotFoundError(words)
    if status == 416:
        return EOFError(words)
    if status in {429, 408} or status >= 500:
        return CallFailed(words)
    if THERE.search(message) or status == 412:
        return FileExistsError(words)
    if QUOTA.search(code) or QUOTA.search(message):
        return QuotaExceeded(words)
    return CallFailed(words) if status == 409 else ValueError(words)
