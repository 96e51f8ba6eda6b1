"""Lists of jobs, and of the lines that they printed: filters, pages, order."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from tests.standins.conftest import tiny_job
from tests.standins.google.errors import Refusal
from tests.standins.google.vertex import Service
from tests.standins.google.vertex_client import VertexClient, job_filter, until
from tests.standins.google.vertex_jobs import Jobs, Times
from tests.standins.google.vertex_rules import Project
from tests.standins.google.vertex_status import CANCELLED, QUEUED, RUNNING, SUCCEEDED

Job = Callable[..., dict[str, Any]]


@pytest.fixture
def three(vertex: VertexClient, make_job: Job) -> Iterator[tuple[str, list[str]]]:
    """A label's value, and three queued jobs that carry it, the oldest first."""
    mark = uuid.uuid4().hex
    vertex.control("next", {"hold": QUEUED, "count": 3})
    jobs = [make_job() | {"displayName": f"job-{n}", "labels": {"mark": mark, "n": str(n)}} for n in range(3)]
    names = [vertex.create(job)["name"] for job in jobs]
    yield mark, names
    for name in names:
        vertex.cancel(name)


@pytest.fixture(scope="module")
def some_lines(vertex_client: VertexClient, package: str) -> None:
    """Lines of a job that never ran."""
    vertex_client.control("next", {"fault": "capacity"})
    vertex_client.reaches(vertex_client.create(tiny_job(package))["name"])


def names_of(vertex: VertexClient, **query: Any) -> list[str]:
    """Names of all listed jobs, over all pages."""
    found: list[str] = []
    request = vertex.jobs.list(parent=vertex.parent, **query)
    while request is not None:
        page = request.execute()
        found += [job["name"] for job in page.get("customJobs", [])]
        request = vertex.jobs.list_next(request, page)
    return found


def test_by_label_state_and_name(vertex: VertexClient, three: tuple[str, list[str]]) -> None:
    mark, (first, second, third) = three
    ours = f'labels.mark="{mark}"'
    assert names_of(vertex, filter=ours) == [third, second, first]
    assert names_of(vertex, filter=f"{ours} AND labels.n=1") == [second]
    assert names_of(vertex, filter=f"{ours} AND (labels.n=0 OR labels.n=2)") == [third, first]
    assert names_of(vertex, filter=f'{ours} AND display_name:"*-2"') == [third]
    assert names_of(vertex, filter=f"{ours} AND labels.none:*") == []
    vertex.cancel(first)
    vertex.reaches(first)
    assert names_of(vertex, filter=f'{ours} AND state="JOB_STATE_QUEUED"') == [third, second]
    assert names_of(vertex, filter=f'{ours} AND NOT state="JOB_STATE_QUEUED"') == [first]
    created = vertex.get(second)["createTime"]
    assert names_of(vertex, filter=f'{ours} AND create_time>="{created}"') == [third, second]


def test_in_pages(vertex: VertexClient, three: tuple[str, list[str]], make_job: Job) -> None:
    """Jobs that come meanwhile do not move the pages."""
    mark, names = three
    request = vertex.jobs.list(parent=vertex.parent, filter=f"labels.mark={mark}", pageSize=2)
    page = request.execute()
    assert [job["name"] for job in page["customJobs"]] == [names[2], names[1]]
    vertex.control("next", {"hold": QUEUED})
    vertex.create(make_job() | {"labels": {"mark": mark}})
    rest = vertex.jobs.list_next(request, page).execute()
    assert [job["name"] for job in rest["customJobs"]] == [names[0]]
    assert "nextPageToken" not in rest
    with pytest.raises(HttpError, match="page token"):
        vertex.jobs.list(parent=vertex.parent, pageToken=page["nextPageToken"]).execute()


def test_a_filter_longer_than_a_url(vertex: VertexClient, three: tuple[str, list[str]]) -> None:
    """The client sends it by POST."""
    mark, names = three
    others = " OR ".join(f'labels.mark="{uuid.uuid4().hex}"' for _ in range(100))
    assert names_of(vertex, filter=f'labels.mark="{mark}" OR {others}') == names[::-1]


def test_only_what_the_mask_names(vertex: VertexClient, three: tuple[str, list[str]]) -> None:
    mark, _ = three
    page = vertex.jobs.list(parent=vertex.parent, filter=f"labels.mark={mark}", readMask="name,display_name").execute()
    assert all(job.keys() == {"name", "displayName"} for job in page["customJobs"])


def test_lines_of_a_running_job(vertex: VertexClient, make_job: Job, output: Path) -> None:
    """They come while it runs; stdout is INFO, stderr is ERROR; the service's own lines are among them."""
    name = vertex.create(make_job("--print=one", "--complain=two", f"--wait=gs://{output}/never"))["name"]
    until(lambda: {"one", "two"} <= set(texts(vertex.lines(name))), 60, "both lines")
    assert vertex.get(name)["state"] == RUNNING
    entries = {text: entry for entry in vertex.lines(name) for text in texts([entry])}
    one, two = entries["one"], entries["two"]
    assert (one["severity"], two["severity"]) == ("INFO", "ERROR")
    project, job_id = vertex.parent.split("/")[1], name.rsplit("/", 1)[1]
    labels = {"project_id": project, "job_id": job_id, "task_name": "workerpool0-0"}
    assert one["resource"] == {"type": "ml_job", "labels": labels}
    assert one["logName"] == f"projects/{project}/logs/workerpool0-0"
    vertex.cancel(name)
    assert vertex.reaches(name)["state"] == CANCELLED
    assert any("cancelled" in entry.get("textPayload", "") for entry in vertex.lines(name))


def test_pages_of_lines(vertex: VertexClient, make_job: Job) -> None:
    printed = [f"line {number:02}" for number in range(20)]
    name = vertex.create(make_job(*(f"--print={line}" for line in printed), "--complain=bad"))["name"]
    assert vertex.reaches(name)["state"] == SUCCEEDED
    entries = vertex.lines(name, pageSize=3)
    assert [text for text in texts(entries) if text in printed] == printed
    assert entries == vertex.lines(name)
    assert vertex.lines(name, orderBy="timestamp desc", pageSize=4) == entries[::-1]
    middle = entries[len(entries) // 2]
    later = vertex.lines(name, filter=f'{job_filter(name)} AND timestamp>"{middle["timestamp"]}"')
    assert later == [entry for entry in entries if entry["timestamp"] > middle["timestamp"]]
    assert texts(vertex.lines(name, filter=f"{job_filter(name)} severity>=ERROR")) == ["bad"]


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        ({}, "At least one parent"),
        ({"resourceNames": ["projects/other"]}, "Permission denied"),
        ({"orderBy": "severity"}, "order_by"),
        ({"pageSize": 1001}, "page_size"),
        ({"filter": "severity>=LOUD"}, "LOUD"),
        ({"filter": 'timestamp>"yesterday"'}, "yesterday"),
        ({"pageToken": "x"}, "page_token"),
    ],
)
def test_requests_for_lines_that_are_refused(
    vertex: VertexClient, some_lines: None, request_body: dict[str, Any], words: str
) -> None:
    body = {"resourceNames": ["projects/lanner-rehearsal"], **request_body} if request_body else {}
    with pytest.raises(HttpError, match=words):
        vertex.entries.list(body=body).execute()


def test_reads_of_lines_have_a_quota(tmp_path: Path) -> None:
    project = Project("lanner-rehearsal", "1", regions=["us-central1"])
    service = Service(Jobs(tmp_path, project, "http://127.0.0.1:1", Times()), log_reads=2)
    body = b'{"resourceNames": ["projects/lanner-rehearsal"]}'
    for _ in range(2):
        service.answer("POST", "/v2/entries:list", body)
    with pytest.raises(Refusal, match="Read requests per minute") as refused:
        service.answer("POST", "/v2/entries:list", body)
    assert refused.value.code == 429


def texts(entries: list[dict[str, Any]]) -> list[str]:
    """What replicas printed."""
    return [entry["jsonPayload"]["message"] for entry in entries if "jsonPayload" in entry]
