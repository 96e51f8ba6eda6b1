"""What the store knows of the trainings on Custom Vision that the service does not, or not any more.

A project is deleted once its model is here, and Custom Vision refuses no second project of a name. So in the store,
where no collection can be of that name::

    custom-vision/results/<job without its attempt>/a<attempt>.json   how it ended; written before its project goes
    custom-vision/work/<job>/claim               who is submitting it
    custom-vision/work/<job>/uploaded.json       what was uploaded, what was set aside, which tag is which class
    custom-vision/work/<job>/sent/<project>/…    images that are in a project, a file for each batch
    custom-vision/work/<job>/exports/…           the model, as it was downloaded
    custom-vision/work/<job>/performance.json    what the service says of it
    custom-vision/work/<job>/answers/…           what it found in the hold-out, a file for each few images
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from include.clouds.failures import CallFailed
from include.documents import Reason, State
from include.store import Store
from training_services.job import JobStatus

ROOT = "custom-vision"
CLAIM_EXPIRES = timedelta(minutes=10)  # of one whose claimant says nothing any more: it died


class JobRecords:
    """The files of one job."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    def path(self, relative: str) -> str:
        return f"{ROOT}/work/{self.name}/{relative}"

    def read(self, relative: str) -> dict[str, Any] | None:
        path = self.path(relative)
        return json.loads(self.store.read(path)) if self.store.exists(path) else None

    def write(self, relative: str, content: Any) -> None:
        self.store.write(self.path(relative), json.dumps(content, sort_keys=True).encode())

    def all(self, folder: str) -> list[dict[str, Any]]:
        """The contents of every file in a folder."""
        return [json.loads(text) for text in self.store.read_many(self.store.files(self.path(folder)))]

    # --- who submits

    def claim(self, owner: str) -> None:
        """Make sure that nobody else is submitting this job now.

        Raises:
            CallFailed: somebody is.
        """
        if self.store.create(self.path("claim"), _words(owner)):
            return
        held = self.read("claim") or {}
        if held.get("owner") != owner and self.claim_is_fresh(held):
            raise CallFailed(
                f"{self.name} is being submitted by {held['owner']}, who said so at {held['at']}. This task is tried "
                "again and will find it."
            )
        self.renew(owner)

    def renew(self, owner: str) -> None:
        """Say that the claimant is still at it: an upload may take longer than a claim is good for."""
        self.store.write(self.path("claim"), _words(owner))

    def release(self) -> None:
        """Say that nobody submits it any more: another may."""
        self.store.path(self.path("claim")).unlink(missing_ok=True)

    def claim_is_fresh(self, held: dict[str, Any] | None = None) -> bool:
        held = held or self.read("claim")
        return held is not None and datetime.now(UTC) - datetime.fromisoformat(held["at"]) < CLAIM_EXPIRES


def write_result(store: Store, status: JobStatus) -> None:
    """Record how a job ended, before its project is deleted."""
    content = asdict(status) | {"progress": dict(status.progress)}
    store.write(_result(status.name), json.dumps(content, sort_keys=True).encode())


def read_results(store: Store, names: Collection[str]) -> dict[str, JobStatus]:
    """How those of some jobs ended that are known to have; one listing for all attempts of a job."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names:
        wanted[name.rpartition("-a")[0]].add(name)
    paths = {_result(name): name for name in names}
    found = [path for prefix in sorted(wanted) for path in store.files(f"{ROOT}/results/{prefix}") if path in paths]
    return {paths[path]: _status(text) for path, text in zip(found, store.read_many(found), strict=True)}


def _result(name: str) -> str:
    prefix, _, attempt = name.rpartition("-a")
    return f"{ROOT}/results/{prefix}/a{attempt}.json"


def _status(text: bytes) -> JobStatus:
    fields = json.loads(text)
    reason = Reason(fields["reason"]) if fields["reason"] else None
    return JobStatus(**{**fields, "state": State(fields["state"]), "reason": reason})


def _words(owner: str) -> bytes:
    return json.dumps({"owner": owner, "at": datetime.now(UTC).isoformat()}).encode()
