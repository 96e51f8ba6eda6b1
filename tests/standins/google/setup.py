"""A strict stand-in for what ``include.checks`` asks of a Google Cloud project, and for making its bucket.

Service Usage, Resource Manager, IAM, Compute Engine, the buckets (not the objects) of Cloud Storage, and the tokens of
a service account's key, on 127.0.0.1, in a thread of the test. Refused in the services' way: a call without a token, of
an API that is off, without its permission; a field of a bucket that the service does not know.
Not compared with the real services: shapes are those of the descriptions that Google's API client brings along.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.standins.google.errors import Refusal

TOKEN = "rehearsed-token"
NUMBER = "123456789012"
SERVICES = ("serviceusage", "cloudresourcemanager", "iam", "compute", "storage")
_APIS = {  # by the beginning of a path; of these a project may have switched one off
    "/compute/": "compute.googleapis.com",
    "/storage/": "storage.googleapis.com",
    "/v3/": "cloudresourcemanager.googleapis.com",
}


@dataclass
class Project:
    """A project as the tests want it.

    Attributes:
        permissions: of the caller, wherever they are asked for.
        denied: permissions that the caller lacks on a bucket all the same.
        policies: bindings by resource: "project", a bucket's or an account's name.
        buckets: as they were made.
        accounts: service accounts that there are.
        quotas: limits by metric, or by (metric, region); a metric without any is not known.
        zones: where a machine type or an accelerator is.
        broken: HTTP statuses by beginnings of paths.
    """

    id: str
    permissions: set[str]
    denied: dict[str, set[str]] = field(default_factory=dict)
    apis: set[str] = field(default_factory=set)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    quotas: dict[str | tuple[str, str], int] = field(default_factory=dict)
    zones: dict[str, list[str]] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, target: str, body: dict[str, Any]) -> dict[str, Any]:
        url = urllib.parse.urlsplit(target)
        query = urllib.parse.parse_qs(url.query)
        self.calls.append((method, url.path))
        for beginning, api in _APIS.items():
            if url.path.startswith(beginning) and api not in self.apis:
                raise Refusal(
                    "PERMISSION_DENIED", f"{api} has not been used in project {self.id} before or it is disabled."
                )
        for verb, pattern, act in self._routes:
            if verb == method and (found := re.fullmatch(pattern, url.path)):
                names = {name: urllib.parse.unquote(value) for name, value in found.groupdict().items()}
                return act(**names, query=query, body=body)
        raise Refusal("NOT_FOUND", f"The requested URL {url.path} was not found on this server.")

    @property
    def _routes(self) -> list[tuple[str, str, Callable[..., dict[str, Any]]]]:
        here, account = f"/projects/{self.id}", f"/v1/projects/{self.id}/serviceAccounts/(?P<account>[^/:]+)"
        metric = r"aiplatform\.googleapis\.com/consumerQuotaMetrics/(?P<metric>[^/]+)"
        kinds = "(?P<kind>machineTypes|acceleratorTypes)"
        return [
            ("GET", f"/v1{here}/services:batchGet", self._services),
            ("GET", f"/v1beta1{here}/services/{metric}", self._quota),
            ("GET", f"/v3{here}", self._project),
            ("POST", f"/v3{here}:testIamPermissions", self._test),
            ("POST", f"/v3{here}:getIamPolicy", self._project_policy),
            ("GET", account, self._account),
            ("POST", f"{account}:testIamPermissions", self._test_account),
            ("POST", f"{account}:getIamPolicy", self._account_policy),
            ("GET", f"/compute/v1{here}/aggregated/{kinds}", self._offered),
            ("POST", "/storage/v1/b", self._make_bucket),
            ("GET", "/storage/v1/b", self._buckets),
            ("GET", "/storage/v1/b/(?P<bucket>[^/]+)", self._bucket),
            ("GET", "/storage/v1/b/(?P<bucket>[^/]+)/iam", self._bucket_policy),
            ("GET", "/storage/v1/b/(?P<bucket>[^/]+)/iam/testPermissions", self._test_bucket),
        ]

    def _needs(self, permission: str) -> None:
        if permission not in self.permissions:
            raise Refusal("PERMISSION_DENIED", f"Permission '{permission}' denied on resource (or it may not exist).")

    def _services(self, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        self._needs("serviceusage.services.get")
        states = {name: name.rpartition("/")[2] in self.apis for name in query["names"]}
        return {"services": [{"name": name, "state": "ENABLED" if on else "DISABLED"} for name, on in states.items()]}

    def _quota(self, metric: str, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        self._needs("serviceusage.quotas.get")
        assert query["view"] == ["FULL"], "only that view lists every region"
        buckets = [{"effectiveLimit": str(self.quotas[metric])}] if metric in self.quotas else []
        for key, limit in self.quotas.items():
            if key[0] == metric:
                buckets.append({"effectiveLimit": str(limit), "dimensions": {"region": key[1]}})  # type: ignore[dict-item]
        if not buckets:
            raise Refusal("NOT_FOUND", f"Quota metric {metric} not found.")
        return {"metric": metric, "consumerQuotaLimits": [{"unit": "1/{project}/{region}", "quotaBuckets": buckets}]}

    def _project(self, query: Any, body: Any) -> dict[str, Any]:
        self._needs("resourcemanager.projects.get")
        return {"name": f"projects/{NUMBER}", "projectId": self.id, "state": "ACTIVE"}

    def _test(self, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        held = [each for each in body["permissions"] if each in self.permissions]
        return {"permissions": held} if held else {}

    def _project_policy(self, query: Any, body: Any) -> dict[str, Any]:
        self._needs("resourcemanager.projects.getIamPolicy")
        return {"bindings": self.policies.get("project", [])}

    def _account(self, account: str, query: Any, body: Any) -> dict[str, Any]:
        self._needs("iam.serviceAccounts.get")
        self._must_exist(account, self.accounts)
        return {"email": account}

    def _test_account(self, account: str, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        self._must_exist(account, self.accounts)
        return self._test(query, body)

    def _account_policy(self, account: str, query: Any, body: Any) -> dict[str, Any]:
        self._needs("iam.serviceAccounts.getIamPolicy")
        self._must_exist(account, self.accounts)
        return {"bindings": self.policies.get(account, [])}

    def _offered(self, kind: str, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        self._needs(f"compute.{kind}.list")
        wanted = re.fullmatch('name = "(.+)"', query["filter"][0])
        assert wanted is not None
        zones = self.zones.get(wanted[1], [])
        items: dict[str, Any] = {f"zones/{zone}": {kind: [{"name": wanted[1]}]} for zone in zones}
        return {"items": items | {"zones/africa-south1-a": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}}

    def _make_bucket(self, query: dict[str, list[str]], body: dict[str, Any]) -> dict[str, Any]:
        self._needs("storage.buckets.create")
        if unknown := set(body) - _bucket_fields():
            raise Refusal("INVALID_ARGUMENT", f"Unknown fields: {sorted(unknown)}")
        if query.get("project") != [self.id]:
            raise Refusal("INVALID_ARGUMENT", "Required parameter: project")
        name = body["name"]
        if name in self.buckets or name.startswith("taken"):
            raise Refusal("ALREADY_EXISTS", "The requested bucket name is not available.")
        if "-" not in body["location"]:
            raise Refusal("INVALID_ARGUMENT", f"The specified location constraint is not valid: {body['location']}")
        self.buckets[name] = body | {"location": body["location"].upper()}
        return self.buckets[name]

    def _buckets(self, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        self._needs("storage.buckets.list")
        return {"items": [each for name, each in self.buckets.items() if name.startswith(query["prefix"][0])]}

    def _bucket(self, bucket: str, query: Any, body: Any) -> dict[str, Any]:
        self._must_exist(bucket, self.buckets)
        self._needs("storage.buckets.get")
        return self.buckets[bucket]

    def _bucket_policy(self, bucket: str, query: Any, body: Any) -> dict[str, Any]:
        self._must_exist(bucket, self.buckets)
        self._needs("storage.buckets.getIamPolicy")
        return {"version": 3, "bindings": self.policies.get(bucket, [])}

    def _test_bucket(self, bucket: str, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        self._must_exist(bucket, self.buckets)
        held = [each for each in query["permissions"] if each in self.permissions - self.denied.get(bucket, set())]
        return {"permissions": held} if held else {}

    def _must_exist(self, name: str, among: Any) -> None:
        if name not in among:
            raise Refusal("NOT_FOUND", f"{name} does not exist.")


@cache
def _bucket_fields() -> frozenset[str]:
    """Fields of a bucket, by the service's own description."""
    import googleapiclient

    documents = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    return frozenset(json.loads((documents / "storage.v1.json").read_text())["schemas"]["Bucket"]["properties"])


@contextmanager
def serving(project: Project) -> Iterator[str]:
    """The URL at which a project answers, for all its services."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = self._answer(body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, body: bytes) -> tuple[int, dict[str, Any]]:
            if status := next((code for start, code in project.broken.items() if self.path.startswith(start)), 0):
                return status, {"error": {"code": status, "message": "broken on purpose"}}
            if self.path == "/token":
                return 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refusal("UNAUTHENTICATED", "Request had invalid authentication credentials.")
                return 200, project.answer(self.command, self.path, json.loads(body or b"{}"))
            except Refusal as refusal:
                return refusal.code, refusal.body()

        do_GET = do_POST = do_DELETE = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def key_file(folder: Path, url: str, project: str, account: str = "airflow") -> Path:
    """A service account's key, made now; its tokens come from the stand-in."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    email = f"{account}@{project}.iam.gserviceaccount.com"
    key = {"type": "service_account", "project_id": project, "private_key_id": "1", "private_key": pem.decode()}
    file = folder / "key.json"
    file.write_text(json.dumps(key | {"client_email": email, "client_id": "1", "token_uri": f"{url}/token"}))
    return file
