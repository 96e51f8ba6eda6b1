"""A triggerer's process in which many triggers wait for a job of SageMaker each, for ``benches.waiting_aws``.

    python -m benches.waiting_aws_sides ours|poll_per_job COUNT SECONDS ADDRESS EVENTS

What goes into EVENTS, ``benches.waiting_loop`` says. ADDRESS is not needed: the Airflow connection has it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from benches.waiting_loop import Waits, run
from benches.waiting_sagemaker import REGION, name_of


def ours(seconds: float) -> Waits:
    """The project's trigger; where to ask and how often it finds in the settings and in the connection."""
    from training_jobs.trigger import TrainingTrigger

    return lambda number: TrainingTrigger("sagemaker", name_of(number), owned=False).run()


def poll_per_job(seconds: float) -> Waits:
    """Written plainly: each asks for its own job, by the same client, and for no log."""
    from training_services.sagemaker.cloud import AwsCloud

    cloud = AwsCloud.of_connection("aws_default", REGION)

    def is_active(number: int) -> bool:
        job = cloud.call("sagemaker", "describe_training_job", TrainingJobName=name_of(number))
        return job["TrainingJobStatus"] == "InProgress"

    async def wait(number: int) -> AsyncIterator[int]:
        while await asyncio.to_thread(is_active, number):
            await asyncio.sleep(seconds)
        yield number

    return wait


SIDES: dict[str, Callable[[float], Waits]] = {"ours": ours, "poll_per_job": poll_per_job}


def main(side: str, count: str, seconds: str, address: str, events: str) -> None:
    run(lambda: SIDES[side](float(seconds)), int(count), float(seconds), Path(events))


if __name__ == "__main__":
    main(*sys.argv[1:])
