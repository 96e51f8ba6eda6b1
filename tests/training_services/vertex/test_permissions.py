"""The table of permissions, which docs/google.md makes roles of, covers the calls that are really made."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
from googleapiclient.http import HttpRequest

from include.checks.google.access import FREE_CALLS, PERMISSIONS
from include.checks.google.gathering import gather
from include.checks.google.machines import AskedMachine
from include.clouds.google_project import GoogleProject
from tests.checks.conftest import BUCKET, TRAINER, sound
from tests.standins.google.setup import SERVICES, TOKEN, serving
from tests.training_services.watching import ended, running, told, until
from training_services.job import TrainingJob
from training_services.vertex.service import VertexService

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
IN_TABLE = {call for permission in PERMISSIONS.values() for call in permission.calls}
LOOKING = {call for permission in PERMISSIONS.values() if permission.looks for call in permission.calls}


@cache
def storage_methods() -> list[tuple[str, str, re.Pattern[str]]]:
    """(id, HTTP method, path) of every method of Cloud Storage, uploads and downloads included."""
    found = []
    described = json.loads((DOCUMENTS / "storage.v1.json").read_text())
    for resource in ("buckets", "objects"):
        for method in described["resources"][resource]["methods"].values():
            paths = [f"/storage/v1/{method['path']}"]
            paths += [each["path"] for each in method.get("mediaUpload", {}).get("protocols", {}).values()]
            paths += [f"/download{paths[0]}"] if method.get("supportsMediaDownload") else []
            for path in paths:
                pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
                found.append((method["id"], method["httpMethod"], pattern))
    return found


def storage_call(method: str, url: str) -> str:
    """Which method of Cloud Storage a request was. The rest of an upload is part of it."""
    verb = "POST" if method == "PUT" and "upload_id=" in url else method
    path = urllib.parse.urlsplit(url).path.replace("/resumable/", "/")
    [name] = {name for name, known, pattern in storage_methods() if known == verb and pattern.fullmatch(path)}
    return name


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Every call to a Google service while the test runs, by its name in the service's description."""
    import requests

    seen: set[str] = set()
    execute, request = HttpRequest.execute, requests.Session.request

    def executed(self: HttpRequest, *arguments: Any, **options: Any) -> Any:
        seen.add(self.methodId)
        return execute(self, *arguments, **options)

    def requested(self: requests.Session, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if "/storage/v1/" in url:
            seen.add(storage_call(method, url))
        return request(self, method, url, *arguments, **options)

    monkeypatch.setattr(HttpRequest, "execute", executed)
    monkeypatch.setattr(requests.Session, "request", requested)
    yield seen


def test_a_whole_training_makes_no_call_that_is_not_in_the_table(
    service: VertexService, job: TrainingJob, tmp_path: Path, calls: set[str]
) -> None:
    """Trained, read, collected; another of it cancelled; everything listed."""
    service.find_or_submit(job)
    until(service, job.name, ended)
    service.log_pages({job.name: 0})
    service.collect(job.name, tmp_path / "model")
    second = told(job.as_attempt(2), steps=10_000)
    service.find_or_submit(second)
    until(service, second.name, running)
    service.cancel(second.name)
    until(service, second.name, ended)
    assert calls - FREE_CALLS <= IN_TABLE
    assert (IN_TABLE - LOOKING) - calls == set(), "in the table, and never called"


def test_a_check_makes_no_call_that_is_not_in_the_table(calls: set[str]) -> None:
    from google.oauth2.credentials import Credentials

    with serving(sound()) as url:
        project = GoogleProject(Credentials(token=TOKEN), sound().id, dict.fromkeys(SERVICES, url))
        region = "us-central1"
        facts = gather(project, {BUCKET: [region]}, [region], [AskedMachine("t4", region)], TRAINER)
    assert facts.unknown == ()
    assert calls == LOOKING | FREE_CALLS
