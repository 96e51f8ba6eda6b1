"""The Vertex AI stand-in as a process, and Google's own clients pointed at it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from googleapiclient import discovery

from include.laptop.environment import free_port
from tests.standins.google import vertex
from tests.standins.google.vertex_status import ENDED
from tests.standins.processes import Standin, python_module, until

FIRST_PORT = 18820
PARENT = f"projects/{vertex.PROJECT_ID}/locations/us-central1"


def vertex_standin(state: Path, gcs: str, *options: str, port: int | None = None) -> Standin:
    """The stand-in, not yet started; ``options`` as of ``python -m tests.standins.google.vertex``."""
    chosen = port or free_port(FIRST_PORT, quiet=True)
    command = python_module(
        "tests.standins.google.vertex", "--port", str(chosen), "--state", str(state), "--gcs", gcs, *options
    )
    return Standin("vertex", command, f"http://127.0.0.1:{chosen}", state, ready="/control/next")


class VertexClient:
    """Jobs and log lines by Google's REST client, and the control endpoint.

    Args:
        url: of the stand-in, or of a proxy before it.
    """

    def __init__(self, url: str, parent: str = PARENT) -> None:
        self.url, self.parent = url, parent
        self.jobs = self._service("aiplatform", "v1").projects().locations().customJobs()
        self.entries = self._service("logging", "v2").entries()

    def _service(self, name: str, version: str) -> Any:
        options = {"api_endpoint": self.url}
        return discovery.build(
            name, version, static_discovery=True, credentials=AnonymousCredentials(), client_options=options
        )

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.jobs.create(parent=self.parent, body=job).execute()

    def get(self, name: str) -> dict[str, Any]:
        return self.jobs.get(name=name).execute()

    def cancel(self, name: str) -> None:
        self.jobs.cancel(name=name).execute()

    def lines(self, name: str, **request: Any) -> list[dict[str, Any]]:
        """All entries of a job, by as many pages as there are."""
        body = {"resourceNames": [self.parent.rsplit("/locations", 1)[0]], "filter": job_filter(name), **request}
        found: list[dict[str, Any]] = []
        while True:
            page = self.entries.list(body=body).execute()
            found += page.get("entries", [])
            if "nextPageToken" not in page:
                return found
            body["pageToken"] = page["nextPageToken"]

    def reaches(self, name: str, states: Collection[str] = ENDED, seconds: float = 60.0) -> dict[str, Any]:
        """A job once it is in one of some states; fails if it ends in another."""
        return until(lambda: self._in(name, states), seconds, f"one of {sorted(states)}")

    def _in(self, name: str, states: Collection[str]) -> dict[str, Any] | None:
        job = self.get(name)
        if job["state"] in states:
            return job
        assert job["state"] not in ENDED, job
        return None

    def control(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", content, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def states(self, name: str) -> list[str]:
        """Every state that a job has had."""
        return self.control("history")[name.rsplit("/", 1)[1]]["states"]


def job_filter(name: str) -> str:
    return f'resource.type="ml_job" AND resource.labels.job_id="{name.rsplit("/", 1)[1]}"'
