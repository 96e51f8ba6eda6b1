"""What Vertex AI's jobs say, from Cloud Logging, several jobs at a time: a project may read 60 times a minute in all.

https://cloud.google.com/logging/quotas
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from training_jobs.google_cloud import GoogleCloud
from training_jobs.job import LogPage
from training_jobs.vertex_states import moment

PAGE = 1000  # entries, the most that one call returns; the rest comes at the next look
JOBS_PER_CALL = 100  # a filter has 20,000 characters at most


def new_lines(cloud: GoogleCloud, numbers: Mapping[str, str], cursors: Mapping[str, int]) -> dict[str, LogPage]:
    """The lines of each job's log after its cursor.

    Args:
        numbers: the service's number of each job by its name; a job without one has no lines.
        cursors: by name, the moment up to which its log was read, in microseconds since 1970.
    """
    pages = {name: LogPage((), since) for name, since in cursors.items()}
    names = list(numbers)
    for start in range(0, len(names), JOBS_PER_CALL):
        some = names[start : start + JOBS_PER_CALL]
        entries = _read(cloud, [numbers[name] for name in some], min(cursors[name] for name in some))
        # In the order of time: up to the last of them all, there is nothing more of any of these jobs.
        latest = _microseconds(entries[-1]) if entries else 0
        for name in some:
            lines = tuple(_text(entry) for entry in entries if _is_new(entry, numbers[name], cursors[name]))
            pages[name] = LogPage(lines, max(latest, cursors[name]))
    return pages


def _read(cloud: GoogleCloud, numbers: list[str], since: int) -> list[dict[str, Any]]:
    after = datetime.fromtimestamp(since / 1e6, UTC).isoformat()
    wanted = " OR ".join(f'resource.labels.job_id="{number}"' for number in numbers)
    body = {
        "resourceNames": [f"projects/{cloud.project}"],
        "filter": f'resource.type="ml_job" AND ({wanted}) AND timestamp>"{after}"',
        "orderBy": "timestamp asc",
        "pageSize": PAGE,
    }
    found: list[dict[str, Any]] = cloud.call(cloud.log_entries.list(body=body)).get("entries", [])
    return found


def _is_new(entry: Mapping[str, Any], number: str, since: int) -> bool:
    return bool(entry["resource"]["labels"]["job_id"] == number) and _microseconds(entry) > since


def _microseconds(entry: Mapping[str, Any]) -> int:
    return round(moment(entry["timestamp"]).timestamp() * 1e6)


def _text(entry: Mapping[str, Any]) -> str:
    """The words of an entry, in whichever of its fields the service put them."""
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload)
