"""The lines of training jobs as Cloud Logging has them: written by a job's runner, listed by ``entries:list``.

That stdout is INFO, stderr ERROR, and the task a replica's name, users have reported; the rest of an entry's shape is
from memory.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tests.standins.google.errors import Refusal
from tests.standins.google.filter import All, AnyOf, Comparison, Term, compares, matches, parse
from tests.standins.google.pages import page_token, place_of

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
LONGEST_FILTER = 20_000  # characters, https://cloud.google.com/logging/docs/view/logging-query-language
_MOMENTS = frozenset({"timestamp", "receiveTimestamp"})
_JOB = "resource.labels.job_id"


def rfc3339(moment: float | None = None) -> str:
    """A moment (default: now) with microseconds, in UTC."""
    return datetime.fromtimestamp(time.time() if moment is None else moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class JobLog:
    """Appends a job's entries to its file.

    Args:
        file: one entry a line.
        delay: seconds after which an entry can be read; the service takes some, too.
    """

    def __init__(self, file: Path, project: str, job_id: str, delay: float = 0.0) -> None:
        self.file, self.project, self.job_id, self.delay = file, project, job_id, delay
        self._lock = threading.Lock()

    def service(self, text: str, severity: str = "INFO") -> None:
        """A line of the service itself, such as that a job has ended."""
        self._write("service", f"ml.googleapis.com%2F{self.job_id}", severity, {"textPayload": text})

    def replica(self, name: str, line: str, severity: str) -> None:
        """A line that a replica printed: INFO from its stdout, ERROR from its stderr."""
        payload = {"message": line, "levelname": severity, "attrs": {"tag": name}}
        self._write(name, name, severity, {"jsonPayload": payload})

    def _write(self, task: str, log: str, severity: str, payload: dict[str, Any]) -> None:
        labels = {"project_id": self.project, "job_id": self.job_id, "task_name": task}
        with self._lock, self.file.open("a", encoding="utf-8") as file:
            now = time.time()
            entry = {
                "insertId": f"{time.time_ns():x}-{uuid.uuid4().hex[:6]}",
                **payload,
                "resource": {"type": "ml_job", "labels": labels},
                "timestamp": rfc3339(now),
                "severity": severity,
                "labels": {"ml.googleapis.com/endpoint": ""},
                "logName": f"projects/{self.project}/logs/{log}",
                "receiveTimestamp": rfc3339(now + self.delay),
            }
            file.write(json.dumps(entry) + "\n")


def list_entries(folder: Path, request: dict[str, Any], projects: frozenset[str]) -> dict[str, Any]:
    """Answer ``entries:list`` from the files in a folder, each named by its job's id.

    A page token is a place between two entries, so it stays right while new lines come.

    Raises:
        Refusal: it asks for nothing, for too much, or for another project.
    """
    if unknown := request.keys() - {"resourceNames", "filter", "orderBy", "pageSize", "pageToken"}:
        raise Refusal(
            "INVALID_ARGUMENT", f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.'
        )
    names = request.get("resourceNames", [])
    if not names:
        raise Refusal("INVALID_ARGUMENT", "At least one parent resource name is required.")
    for name in names:
        if name not in {f"projects/{project}" for project in projects}:
            raise Refusal("PERMISSION_DENIED", f"Permission denied for all log views: {name}")
    if len(request.get("filter", "")) > LONGEST_FILTER:
        raise Refusal("INVALID_ARGUMENT", f"Invalid filter: it is longer than {LONGEST_FILTER} characters.")
    order = request.get("orderBy") or "timestamp asc"
    if order not in {"timestamp", "timestamp asc", "timestamp desc"}:
        raise Refusal("INVALID_ARGUMENT", "order_by must be either `timestamp asc` or `timestamp desc`.")
    term, descending = parse(request.get("filter", "")), order.endswith("desc")
    size = request.get("pageSize", DEFAULT_PAGE)
    if not 0 < size <= LARGEST_PAGE:
        raise Refusal("INVALID_ARGUMENT", f"page_size must be between 1 and {LARGEST_PAGE}.")
    found = sorted(_matching(folder, term), key=_place, reverse=descending)
    signature = json.dumps([request.get("filter", ""), descending])
    if token := request.get("pageToken"):
        after = place_of(token, signature)
        found = [entry for entry in found if (_place(entry) < after if descending else _place(entry) > after)]
    page = found[:size]
    more = {"nextPageToken": page_token(_place(page[-1]), signature)} if len(found) > size else {}
    return {"entries": page, **more} if page else {}


def _matching(folder: Path, term: Term) -> Iterator[dict[str, Any]]:
    now, jobs = rfc3339(), _jobs_asked(term)
    for file in folder.glob("*.jsonl") if jobs is None else [folder / f"{job}.jsonl" for job in jobs]:
        if not file.exists():
            continue
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                entry = json.loads(line)
                if entry["receiveTimestamp"] <= now and matches(term, partial(_holds, entry)):
                    yield entry


def _jobs_asked(term: Term) -> set[str] | None:
    """The only jobs that a filter can match; None if it says nothing about that."""
    match term:
        case Comparison(field, "=", value) if field == _JOB:
            return {value}
        case All(terms):
            return next((jobs for jobs in map(_jobs_asked, terms) if jobs is not None), None)
        case AnyOf(terms):
            found = [_jobs_asked(inner) for inner in terms]
            return None if None in found else {job for jobs in found for job in jobs or ()}
    return None


def _holds(entry: dict[str, Any], test: Comparison) -> bool:
    value: Any = entry
    for part in test.field.split(".", 2 if test.field.startswith(("labels.", "resource.labels.")) else -1):
        value = value.get(part) if isinstance(value, dict) else None
    if test.field.startswith("labels."):
        value = entry["labels"].get(test.field.removeprefix("labels."))
    if value is None:
        return test.operator == "!="
    left, right = str(value), test.value
    if test.field == "severity":
        if right not in SEVERITIES:
            raise Refusal("INVALID_ARGUMENT", f"Unparseable filter: {right} is no severity")
        left, right = f"{SEVERITIES.index(left):02}", f"{SEVERITIES.index(right):02}"
    elif test.field in _MOMENTS:
        right = _moment(right)
    if test.operator == ":":
        return right == "*" or right.lower() in left.lower()
    return compares(test.operator, left, right)


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", f"Unparseable filter: {text} is no timestamp") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _place(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["timestamp"], entry["insertId"]
