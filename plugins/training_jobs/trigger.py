"""What waits for a job in the triggerer, at no cost of a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from include.documents import Reason
from training_jobs.money import Meter
from training_jobs.poller import Poller
from training_jobs.targets import open_service

FINAL = frozenset({"failed", "success", "skipped", "removed"})


class TrainingTrigger(BaseTrigger):
    """Fires when a training job has ended. Streams its log lines to the task's log meanwhile.

    Args:
        target: whose service to ask.
        name: the job.
        owned: the run that waits submitted the job itself, so it may cancel it.
        meter: what it costs and may cost (``Meter``); None: nothing.
    """

    def __init__(self, target: str, name: str, owned: bool, meter: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.target = target
        self.name = name
        self.owned = owned
        self.meter = meter

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"target": self.target, "name": self.name, "owned": self.owned, "meter": self.meter}
        return "training_jobs.trigger.TrainingTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fires ``{"name": …}`` at the job's end, or with ``"over_budget": why`` while it still runs."""
        meter = Meter(**self.meter) if self.meter else None
        async for status, page in Poller.of(self.target).watch(self.name):
            for line in page.lines:
                self.log.info("%s", line)
            if status is None or not status.active:
                yield TriggerEvent({"name": self.name})
                return
            if meter and (over := await asyncio.to_thread(meter.read, status.seconds or 0.0)):
                yield TriggerEvent({"name": self.name, "over_budget": over})
                return

    async def on_kill(self) -> None:
        """A fast path only: the teardown cancels as well. Does nothing unless the task's state is final.

        Airflow also calls this for Clear, after the new try has begun and perhaps adopted the job, and for every
        trigger that a frozen triggerer lost to another. Such a task is not in a final state.
        """
        if self.owned and await self._is_final():
            cancel = asyncio.to_thread(open_service(self.target).cancel, self.name, Reason.USER)
            await asyncio.shield(asyncio.ensure_future(cancel))  # Airflow gives this method about a second

    async def _is_final(self) -> bool:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        instance = self.task_instance
        if instance is None:
            return False
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=instance.dag_id,
            task_ids=[instance.task_id],
            run_ids=[instance.run_id],
            map_index=instance.map_index,
        )
        return states.get(instance.run_id, {}).get(instance.task_id) in FINAL
