"""What each path of the Azure ML stand-in does."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.azure.azure_ml_errors import PROVIDER, Refusal, not_found, unauthenticated, user_error
from tests.standins.azure.azure_ml_history import details
from tests.standins.azure.azure_ml_jobs import Jobs
from tests.standins.azure.azure_ml_lists import page_of
from tests.standins.azure.azure_ml_queue import Queue
from tests.standins.azure.azure_ml_subscription import Subscription

TOKEN = "rehearsal"
API_VERSION = "2024-10-01"
PERMISSIONS_READ = "Microsoft.Authorization/permissions/read"
RESOURCES_READ = "Microsoft.CognitiveServices/accounts/read"
_GROUP = r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
_WORKSPACE = _GROUP + rf"/providers/{re.escape(PROVIDER)}/workspaces/(?P<workspace>[^/]+)"
_JOB = _WORKSPACE + r"/jobs/(?P<name>[^/]+)"
_COMPUTE = _WORKSPACE + r"/computes/(?P<name>[^/]+)"
_ENVIRONMENT = _WORKSPACE + r"/environments/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
_LOCATION = rf"/subscriptions/(?P<subscription>[^/]+)/providers/{re.escape(PROVIDER)}/locations/(?P<region>[^/]+)"
_PERMISSIONS = _WORKSPACE + r"/providers/Microsoft\.Authorization/permissions"
_RESOURCES = r"/subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.CognitiveServices/accounts"
_RESOURCE = _RESOURCES.replace("/providers", "/resourceGroups/[^/]+/providers") + "/[^/]+"

Answer = tuple[int, dict[str, Any]]
At = dict[str, str]


class Service:
    """The answers of one workspace.

    Args:
        token: that every call must bear.
    """

    def __init__(self, jobs: Jobs, queue: Queue, subscription: Subscription, token: str = TOKEN) -> None:
        self.jobs, self.queue, self.subscription, self.token = jobs, queue, subscription, token
        self.workspace = jobs.workspace
        routes: list[tuple[str, str, str, Callable[[At, dict[str, str], bytes, str], Answer]]] = [
            ("GET", _WORKSPACE, "workspaces/read", lambda *_: (200, self.workspace.describe())),
            ("GET", _WORKSPACE + r"/jobs", "workspaces/jobs/read", self._list),
            ("GET", _JOB, "workspaces/jobs/read", lambda at, *_: (200, jobs.get(at["name"]))),
            ("PUT", _JOB, "workspaces/jobs/write", lambda at, query, body, url: jobs.put(at["name"], read(body))),
            ("DELETE", _JOB, "workspaces/jobs/delete", self._delete),
            ("POST", _JOB + r"/cancel", "workspaces/jobs/cancel/action", self._cancel),
            ("GET", _COMPUTE, "workspaces/computes/read", lambda at, *_: (200, self._compute(at["name"]))),
            ("GET", _WORKSPACE + r"/computes", "workspaces/computes/read", self._computes),
            ("GET", _WORKSPACE + r"/datastores/(?P<name>[^/]+)", "workspaces/datastores/read", self._datastore),
            ("GET", _ENVIRONMENT, "workspaces/environments/read", self._environment),
            ("PUT", _ENVIRONMENT, "workspaces/environments/write", self._put_environment),
            ("GET", _LOCATION + r"/usages", "locations/usages/read", self._usages),
            ("GET", _LOCATION + r"/vmSizes", "locations/vmSizes/read", lambda *_: (200, subscription.sizes())),
        ]
        self._routes = [
            (verb, re.compile(pattern, re.IGNORECASE), f"{PROVIDER}/{action}", act)
            for verb, pattern, action, act in routes
        ]
        others: list[tuple[str, str, str, Callable[[str], dict[str, Any]]]] = [
            (_PERMISSIONS, "2022-04-01", PERMISSIONS_READ, lambda _: subscription.permissions()),
            (_RESOURCES, "2023-05-01", RESOURCES_READ, lambda _: {"value": subscription.resources()}),
            (_RESOURCE, "2023-05-01", RESOURCES_READ, subscription.resource),
        ]
        self._others = [
            (re.compile(pattern, re.IGNORECASE), version, action, show) for pattern, version, action, show in others
        ]
        self._history = re.compile(r"/history/v1\.0" + _WORKSPACE + r"/runs/(?P<name>[^/]+)/details", re.IGNORECASE)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to a request.

        Raises:
            Refusal: nobody may ask, there is no such path, or the service refuses.
        """
        url = urllib.parse.urlsplit(target)
        path = urllib.parse.unquote(url.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if path.startswith("/control/"):
            return 200, self._control(method, path.removeprefix("/control/"), body)
        if headers.get("Authorization") != f"Bearer {self.token}":
            raise unauthenticated(headers.get("Authorization"))
        if method == "GET" and (found := self._history.fullmatch(path)):
            self._check_place(found.groupdict())
            self.subscription.require(f"{PROVIDER}/workspaces/experiments/runs/read", path)
            self.jobs.get(found["name"])
            return 200, details(self.jobs.store, found["name"], self.jobs.storage)
        for pattern, version, action, show in self._others:
            if method == "GET" and (found := pattern.fullmatch(path)):
                _check_version(query, version)
                self._check_place(found.groupdict())
                self.subscription.require(action, path)
                return 200, show(path)
        _check_version(query, API_VERSION)
        here = f"http://{headers.get('Host')}{url.path}"
        for verb, pattern, action, act in self._routes:
            if verb == method and (found := pattern.fullmatch(path)):
                self._check_place(found.groupdict())
                self.subscription.require(action, path)
                return act(found.groupdict(), query, body, here)
        raise Refusal(404, "InvalidResourceType", f"The resource type of {path} could not be found for {method}.")

    def _check_place(self, at: At) -> None:
        ours = self.workspace
        if at["subscription"].lower() != ours.subscription:
            raise Refusal(404, "SubscriptionNotFound", f"The subscription '{at['subscription']}' could not be found.")
        if at.get("group", ours.group).lower() != ours.group:
            raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{at['group']}' could not be found.")
        if at.get("workspace", ours.name).lower() != ours.name:
            raise not_found("workspaces", at["workspace"], ours.group)
        if at.get("region", ours.region).lower() != ours.region:
            message = f"The provided location '{at['region']}' is not available for resource type 'locations'."
            raise Refusal(400, "LocationNotAvailableForResourceType", message)

    def _list(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return 200, page_of(self.jobs.all(), query, url)

    def _delete(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        self.jobs.delete(at["name"])
        return 202, {}

    def _cancel(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        self.jobs.cancel(at["name"])
        return 202, {}

    def _compute(self, name: str) -> dict[str, Any]:
        return self.workspace.compute(name, self.queue.machines(name), self.queue.complaints(name))

    def _computes(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return 200, {"value": [self._compute(name) for name in sorted(self.workspace.clusters)]}

    def _usages(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return 200, self.subscription.usages(self.workspace.location)

    def _datastore(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return 200, self.workspace.datastore(at["name"])

    def _environment(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return 200, self.workspace.environment(at["name"], at["version"])

    def _put_environment(self, at: At, query: dict[str, str], body: bytes, url: str) -> Answer:
        return self.workspace.put_environment(at["name"], at["version"], read(body))

    def _control(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        jobs = self.jobs
        controls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "next"): jobs.wishes.add,
            ("GET", "next"): lambda _: {"next": jobs.wishes.waiting()},
            ("DELETE", "next"): lambda _: jobs.wishes.clear(),
            ("POST", "strike"): lambda asked: jobs.strike(str(asked.get("job")), str(asked.get("fault"))),
            ("POST", "release"): lambda _: jobs.release(),
            ("POST", "subscription"): self.subscription.change,
            ("GET", "history"): lambda _: jobs.history(),
            ("GET", "access"): lambda _: {"objects": self._access()},
        }
        act = controls.get((method, path))
        if act is None:
            raise Refusal(404, "NotFound", f"There is no {method} /control/{path}.")
        return act(read(body)) or {}

    def _access(self) -> list[dict[str, Any]]:
        file = self.jobs.access
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def read(body: bytes) -> dict[str, Any]:
    """A request's body.

    Raises:
        Refusal: it is no object.
    """
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        message = f"The request content was invalid and could not be deserialized: {error}"
        raise Refusal(400, "InvalidRequestContent", message) from error
    if not isinstance(found, dict):
        raise user_error("The request content is no object.")
    return found


def _check_version(query: Mapping[str, str], expected: str) -> None:
    if "api-version" not in query:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refusal(400, "MissingApiVersionParameter", message)
    if query["api-version"] != expected:
        message = f"The api-version '{query['api-version']}' is invalid. The supported versions are '{expected}'."
        raise Refusal(400, "InvalidApiVersionParameter", message)
