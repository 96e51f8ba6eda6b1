"""The proxy's four faults, before Google's own clients."""

from __future__ import annotations

import contextlib
import io
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import PreconditionFailed
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from googleapiclient.errors import HttpError

from tests.standins.conftest import BUCKET, storage_client
from tests.standins.google.gcs_objects import Objects
from tests.standins.google.vertex_client import VertexClient
from tests.standins.google.vertex_status import QUEUED
from tests.standins.proxy_client import control, proxy_standin, rule

Job = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def gcs_proxy(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with proxy_standin(tmp_path_factory.mktemp("proxy"), emulator) as server:
        yield server.url


@pytest.fixture
def through(gcs_proxy: str) -> Iterator[storage.Bucket]:
    """The bucket, seen through the proxy without rules."""
    control(gcs_proxy, "rules", method="DELETE")
    control(gcs_proxy, "counts", method="DELETE")
    yield storage_client(gcs_proxy).bucket(BUCKET)
    control(gcs_proxy, "rules", method="DELETE")


QUICKLY = DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.01)


def test_a_resumable_upload_stays_behind_it(gcs_proxy: str, through: storage.Bucket, bucket: storage.Bucket) -> None:
    """Each of its chunks comes through, one at the second try, and no byte is changed."""
    content = os.urandom(5 << 18)
    rule(gcs_proxy, method="PUT", fault="status", status=503, count=1)
    blob = through.blob("large", chunk_size=1 << 18)
    blob.upload_from_file(io.BytesIO(content), retry=QUICKLY)  # of unknown size, so by a resumable upload
    assert bucket.blob("large").download_as_bytes() == content
    blob.reload()
    assert blob.download_as_bytes() == content
    counts = control(gcs_proxy, "counts")
    assert sum(count for call, count in counts.items() if call.startswith("PUT ")) >= 6
    assert control(gcs_proxy, "rules")[0]["struck"] == 1
    assert [call for call in counts if call.startswith("GET ") and "large" in call]


@pytest.mark.parametrize("status", [429, 503])
def test_a_status_is_told_with_retry_after(gcs_proxy: str, through: storage.Bucket, status: int) -> None:
    rule(gcs_proxy, path="/storage/v1/b", fault="status", status=status, retry_after=7, body="busy", count=1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{gcs_proxy}/storage/v1/b")
    assert refused.value.code == status
    assert refused.value.headers["Retry-After"] == "7"
    assert refused.value.read() == b"busy"
    urllib.request.urlopen(f"{gcs_proxy}/storage/v1/b").close()
    assert control(gcs_proxy, "rules")[0]["struck"] == 1


def test_a_reset_is_one_before_the_work_is_done(
    gcs_proxy: str, through: storage.Bucket, bucket: storage.Bucket
) -> None:
    rule(gcs_proxy, method="POST", path="/upload/", fault="reset", count=1)
    with pytest.raises(OSError, match=r"(?i)reset|aborted"):
        through.blob("unborn").upload_from_string(b"x", retry=None)
    assert not bucket.blob("unborn").exists()
    through.blob("unborn").upload_from_string(b"x", retry=None)
    assert bucket.blob("unborn").exists()


def test_a_lost_response_comes_after_the_work(gcs_proxy: str, through: storage.Bucket, bucket: storage.Bucket) -> None:
    """The client tries again and is told that the object is there already."""
    rule(gcs_proxy, method="POST", path="/upload/", fault="lost", count=1)
    with pytest.raises(PreconditionFailed):
        through.blob("claim").upload_from_string(b"x", if_generation_match=0, retry=QUICKLY)
    assert bucket.blob("claim").download_as_bytes() == b"x"


def test_a_delay_is_longer_than_the_client_waits(gcs_proxy: str, through: storage.Bucket) -> None:
    rule(gcs_proxy, path="/storage/v1/b", fault="delay", seconds=5, count=1)
    with pytest.raises(OSError, match="timed out"):
        urllib.request.urlopen(f"{gcs_proxy}/storage/v1/b", timeout=0.2)
    urllib.request.urlopen(f"{gcs_proxy}/storage/v1/b", timeout=5).close()


def test_chances_can_be_repeated(gcs_proxy: str, through: storage.Bucket) -> None:
    def run(seed: int) -> list[bool]:
        wish = {"fault": "status", "probability": 0.5, "seed": seed, "method": "GET"}
        control(gcs_proxy, "rules", [wish], "PUT")
        return [answers() for _ in range(40)]

    def answers() -> bool:
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{gcs_proxy}/storage/v1/b").close()
            return True
        return False

    first = run(1)
    assert 8 < sum(first) < 32
    assert run(1) == first
    assert run(2) != first


def test_the_jobs_own_calls_get_through(gcs_proxy: str, through: storage.Bucket, tmp_path: Path) -> None:
    """Half of all calls fail, each in its own way."""
    chances = {"probability": 0.25}
    rules = [{"fault": "status", "seed": 1}, {"fault": "reset", "seed": 2}, {"fault": "lost", "quiet": True, "seed": 3}]
    control(gcs_proxy, "rules", [rule | chances for rule in rules], "PUT")
    objects = Objects(gcs_proxy)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1 << 16))
    for number in range(4):
        objects.upload(BUCKET, f"bumpy/{number}", file)
    assert [found["name"] for found in objects.list(BUCKET, "bumpy/")] == [f"bumpy/{number}" for number in range(4)]
    objects.download(BUCKET, "bumpy/3", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    objects.delete(BUCKET, "bumpy/3")
    assert objects.get(BUCKET, "bumpy/3") is None
    assert all(rule["struck"] for rule in control(gcs_proxy, "rules"))


def test_a_rule_that_means_nothing_is_refused(gcs_proxy: str, through: storage.Bucket) -> None:
    for wrong in ({"fault": "fire"}, {"fault": "reset", "paht": "x"}, {"fault": "reset", "path": "("}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            rule(gcs_proxy, **wrong)
    assert control(gcs_proxy, "rules") == []


def test_before_vertex(vertex: VertexClient, make_job: Job, tmp_path: Path) -> None:
    """A job whose CreateCustomJob was answered into the void is there; a status and a missing stand-in are seen."""
    with proxy_standin(tmp_path, vertex.url) as proxy:
        client = VertexClient(proxy.url)
        client.control("next", {"hold": QUEUED})  # the stand-in's own control is behind it
        rule(proxy.url, method="POST", path="/customJobs", fault="lost", count=1)
        with pytest.raises(OSError, match=r"(?i)reset|closed"):
            client.create(make_job() | {"displayName": "lost", "labels": {"who": "lost-response"}})
        with pytest.raises(OSError, match=r"(?i)reset|closed"):
            rule(proxy.url, method="POST", path="/customJobs", fault="reset", quiet=True, count=2)
            client.create(make_job() | {"labels": {"who": "lost-response"}})
        assert control(proxy.url, "rules")[1]["struck"] == 2  # httplib2 had tried again
        (found,) = client.jobs.list(parent=client.parent, filter='labels.who="lost-response"').execute()["customJobs"]
        rule(
            proxy.url,
            method="GET",
            path="/customJobs/[0-9]+$|/customJobs/[0-9]+[?]",
            fault="status",
            status=503,
            count=1,
        )
        with pytest.raises(HttpError, match="503"):
            client.get(found["name"])
        assert client.get(found["name"]) == found
        client.cancel(found["name"])
        client.reaches(found["name"])
    with proxy_standin(tmp_path, "http://127.0.0.1:1") as proxy, pytest.raises(OSError):
        VertexClient(proxy.url).get(found["name"])
