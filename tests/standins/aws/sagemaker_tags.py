"""Tags that were added to what there is already; those of its creation stay with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.standins.aws.errors import invalid, not_found
from training_services.local_runner import write

MOST = 50  # of one resource

Tag = dict[str, str]


class Tags:
    """All tags of an account.

    Args:
        file: keeps what was added, by ARN.
        owners: each returns the tags that an ARN was created with, or None: it is not one of theirs.
    """

    def __init__(self, file: Path, owners: Sequence[Callable[[str], list[Tag] | None]]) -> None:
        self.file, self.owners = file, owners
        self._lock = threading.Lock()

    def of(self, arn: str) -> list[Tag]:
        """A resource's tags.

        Raises:
            Refusal: there is no such resource.
        """
        created = next((tags for tags in (owner(arn) for owner in self.owners) if tags is not None), None)
        if created is None:
            raise not_found()
        return _merged(created, self._added().get(arn, []))

    def add(self, arn: str, tags: list[Tag]) -> list[Tag]:
        """Set some tags of a resource. Returns all that it has then."""
        with self._lock:
            merged = _merged(self.of(arn), tags)
            if len(merged) > MOST:
                raise invalid(f"The number of tags exceeds the limit of {MOST}.")
            write(self.file, json.dumps(self._added() | {arn: merged}))
            return merged

    def _added(self) -> dict[str, list[Tag]]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}


def _merged(tags: list[Tag], newer: list[Tag]) -> list[Tag]:
    merged = {tag["Key"]: tag["Value"] for tag in [*tags, *newer]}
    return [{"Key": key, "Value": value} for key, value in merged.items()]
