"""Lays out what the hosts of a training job find when they start: folders, channels, checkpoints, code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.standins.aws.sagemaker_container import Container
from tests.standins.aws.sagemaker_programs import Program
from tests.standins.aws.sagemaker_storage import Storage, link_tree
from tests.standins.processes import free_addresses
from tests.standins.synced_folder import SyncedFolder


@dataclass(frozen=True)
class Layout:
    """What has been laid out."""

    containers: list[Container]
    checkpoints: list[SyncedFolder]


def lay_out(
    job: dict[str, Any], folder: Path, region: str, storage: Storage, program: Program, heed: Callable[[], None]
) -> Layout:
    """Begin anew in a job's folder.

    Args:
        heed: called now and then; raises if the job is to end.

    Raises:
        Denied: S3 lacks something.
    """
    clear(folder)
    hosts = [f"algo-{number}" for number in range(1, job["ResourceConfig"]["InstanceCount"] + 1)]
    addresses = free_addresses(hosts)
    containers = [Container(job, host, folder / "hosts" / host, addresses, region) for host in hosts]
    for container in containers:
        container.prepare()
    for channel in job.get("InputDataConfig", []):
        heed()
        _fetch(channel, folder / "input" / channel["ChannelName"], containers, storage)
    checkpoints = []
    for container in containers:
        if container.checkpoints is not None:
            checkpoints.append(SyncedFolder(storage, container.checkpoints, job["CheckpointConfig"]["S3Uri"]))
            checkpoints[-1].restore()
        program.fetch(container, storage)
    return Layout(containers, checkpoints)


def clear(folder: Path) -> None:
    """Remove what was laid out in a job's folder."""
    for name in ("hosts", "input"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _fetch(channel: dict[str, Any], folder: Path, containers: list[Container], storage: Storage) -> None:
    """Download a channel once, for all hosts, or for each its share."""
    files = storage.fetch_channel(channel, folder)
    sharded = channel["DataSource"]["S3DataSource"].get("S3DataDistributionType") == "ShardedByS3Key"
    for number, container in enumerate(containers):
        own = files[number :: len(containers)] if sharded else files
        container.channel(channel["ChannelName"]).mkdir(parents=True)
        link_tree(folder, container.channel(channel["ChannelName"]), own)
