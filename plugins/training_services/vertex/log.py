"""What Vertex AI's jobs say, from Cloud Logging, several jobs at a time: a project may read 60 times a minute in all.

https://cloud.google.com/logging/quotas
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from training_services.job import LogPage
from training_services.vertex.cloud import GoogleCloud
from training_services.vertex.states import moment

PAGE = 1000  # entries, the most that one call returns
PAGES = 5  # of one filter at one look; the rest comes at the next
FILTER = 20_000  # characters, the most that the service reads
JOB, MOMENT = 25, 80  # characters of a filter, for each job and for each moment after which its lines are wanted


def new_lines(cloud: GoogleCloud, numbers: Mapping[str, str], cursors: Mapping[str, int]) -> dict[str, LogPage]:
    """The lines of each job's log after its cursor.

    Args:
        numbers: the service's number of each job by its name; a job without one has no lines.
        cursors: by name, the moment up to which its log was read, in microseconds since 1970.
    """
    pages = {name: LogPage((), since) for name, since in cursors.items()}
    for some in _shares(sorted(numbers, key=lambda name: cursors[name]), cursors):
        entries = _read(cloud, _filter(some, numbers, cursors))
        lines: dict[str, list[str]] = {name: [] for name in some}
        names = {numbers[name]: name for name in some}
        for entry in entries:
            name = names[entry["resource"]["labels"]["job_id"]]
            if _microseconds(entry) > cursors[name]:  # the service counts nanoseconds
                lines[name].append(_text(entry))
        # In the order of time: up to the last of them all, there is nothing more of any of these jobs.
        latest = _microseconds(entries[-1]) if entries else 0
        for name in some:
            pages[name] = LogPage(tuple(lines[name]), max(latest, cursors[name]))
    return pages


def _shares(names: list[str], cursors: Mapping[str, int]) -> Iterator[list[str]]:
    """Names in the order of their cursors, as many at a time as one filter has room for."""
    some: list[str] = []
    length = JOB + MOMENT
    for name in names:
        more = JOB + (MOMENT if not some or cursors[name] != cursors[some[-1]] else 0)
        if some and length + more > FILTER:
            yield some
            some, length, more = [], JOB + MOMENT, JOB + MOMENT
        some.append(name)
        length += more
    if some:
        yield some


def _filter(names: Collection[str], numbers: Mapping[str, str], cursors: Mapping[str, int]) -> str:
    """Of each job only what it said after its own cursor: one that is far behind holds up no other."""
    wanted = []
    for since, alike in groupby(names, key=lambda name: cursors[name]):
        jobs = " OR ".join(f'"{numbers[name]}"' for name in alike)
        after = datetime.fromtimestamp(since / 1e6, UTC).isoformat()
        wanted.append(f'(resource.labels.job_id=({jobs}) AND timestamp>"{after}")')
    return f'resource.type="ml_job" AND ({" OR ".join(wanted)})'


def _read(cloud: GoogleCloud, wanted: str) -> list[dict[str, Any]]:
    body = {
        "resourceNames": [f"projects/{cloud.project}"],
        "filter": wanted,
        "orderBy": "timestamp asc",
        "pageSize": PAGE,
    }
    found: list[dict[str, Any]] = []
    for _ in range(PAGES):
        answer = cloud.call(cloud.log_entries.list(body=body))
        found += answer.get("entries", ())
        if "nextPageToken" not in answer:
            break
        body["pageToken"] = answer["nextPageToken"]
    return found


def _microseconds(entry: Mapping[str, Any]) -> int:
    return round(moment(entry["timestamp"]).timestamp() * 1e6)


def _text(entry: Mapping[str, Any]) -> str:
    """The words of an entry, in whichever of its fields the service put them."""
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload)
