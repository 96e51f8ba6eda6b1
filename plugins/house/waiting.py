"""Wait, deferred, for documents in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from include import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow.sdk import Context


class DocumentTrigger(BaseTrigger):
    """Fires when all of some paths are in the store, or at a deadline, whichever comes first.

    Args:
        paths: relative to the store.
        deadline: seconds since the epoch.
    """

    INTERVAL = 2.0  # seconds

    def __init__(self, paths: list[str], deadline: float) -> None:
        super().__init__()
        self.paths = paths
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "house.waiting.DocumentTrigger", {"paths": self.paths, "deadline": self.deadline}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import asyncio

        store = settings.load().open_store()
        while time.time() < self.deadline:
            if all([await asyncio.to_thread(store.exists, path) for path in self.paths]):
                break
            await asyncio.sleep(self.INTERVAL)
        yield TriggerEvent({})


class WaitForDocuments(BaseSensorOperator):
    """Wait until all of some paths are in the store; costs no worker slot.

    Args:
        paths: relative to the store; may come from another task.
        hours: how long at most; may come from another task.
        fail: at the deadline fail and name what is missing; False: go on with what there is.
    """

    template_fields = ("paths", "hours")

    def __init__(self, *, paths: Any, hours: Any, fail: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.paths = paths
        self.hours = hours
        self.fail = fail

    def execute(self, context: Context) -> None:
        if self._missing():
            self.defer(
                trigger=DocumentTrigger(list(self.paths), time.time() + float(self.hours) * 3600),
                method_name="resume",
            )

    def resume(self, context: Context, event: dict[str, Any]) -> None:
        missing = self._missing()
        if missing and self.fail:
            raise AirflowFailException(
                f"After {self.hours} h these are still not in the store: {', '.join(missing)}. Run what writes them "
                "(for a batch: ingest_images), then clear this task."
            )
        for path in missing:
            self.log.warning("%s did not come in time; going on without it.", path)

    def _missing(self) -> list[str]:
        store = settings.load().open_store()
        return [path for path in self.paths if not store.exists(path)]
