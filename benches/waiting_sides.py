"""A triggerer's process in which many triggers wait for a job each, in one of three ways, for ``benches.waiting``.

    python -m benches.waiting_sides ours|poll_per_job|provider COUNT SECONDS ADDRESS EVENTS

What goes into EVENTS, ``benches.waiting_loop`` says.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from benches.waiting_loop import Waits, run
from benches.waiting_service import ACTIVE, PROJECT, REGION, name_of, resource_of


def ours(seconds: float, address: str) -> Waits:
    """The project's trigger; where to ask and how often it finds in the settings and in the connection."""
    from training_jobs.trigger import TrainingTrigger

    return lambda number: TrainingTrigger("vertex", name_of(number), owned=False).run()


def poll_per_job(seconds: float, address: str) -> Waits:
    """Written plainly: each asks for its own job, by the same client, and for no log."""
    from training_services.vertex.cloud import GoogleCloud

    cloud = GoogleCloud.of_connection("google_cloud_default", PROJECT)
    jobs = cloud.custom_jobs(REGION)

    async def wait(number: int) -> AsyncIterator[Any]:
        while (await asyncio.to_thread(cloud.call, jobs.get(name=resource_of(number))))["state"] == ACTIVE:
            await asyncio.sleep(seconds)
        yield number

    return wait


def provider(seconds: float, address: str) -> Waits:
    """The trigger of the Google provider's CreateCustomJobOperator; only where its client asks is another place."""
    import grpc
    from airflow.providers.google.cloud.hooks.vertex_ai.custom_job import CustomJobAsyncHook
    from airflow.providers.google.cloud.triggers.vertex_ai import CustomJobTrigger
    from airflow.providers.google.common.consts import CLIENT_INFO
    from google.cloud.aiplatform_v1 import JobServiceAsyncClient
    from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceGrpcAsyncIOTransport

    class Hook(CustomJobAsyncHook):
        async def get_job_service_client(self, region: str | None = None) -> JobServiceAsyncClient:
            (await self.get_sync_hook()).get_credentials()
            transport = JobServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address))
            return JobServiceAsyncClient(transport=transport, client_info=CLIENT_INFO)

    class Trigger(CustomJobTrigger):
        @property
        def async_hook(self) -> CustomJobAsyncHook:
            return Hook(gcp_conn_id=self.gcp_conn_id)

    async def wait(number: int) -> AsyncIterator[Any]:
        trigger = Trigger(
            project_id=PROJECT,
            location=REGION,
            custom_job_id=resource_of(number).rpartition("/")[2],
            gcp_conn_id="google_cloud_default",
            poll_interval=int(seconds),
        )
        async for event in trigger.run():
            if event.payload["status"] != "success":
                raise RuntimeError(event.payload["message"])
            yield number

    return wait


SIDES: dict[str, Callable[[float, str], Waits]] = {"ours": ours, "poll_per_job": poll_per_job, "provider": provider}


def main(side: str, count: str, seconds: str, address: str, events: str) -> None:
    run(lambda: SIDES[side](float(seconds), address), int(count), float(seconds), Path(events))


if __name__ == "__main__":
    main(*sys.argv[1:])
