"""Ingest a batch and announce it: what ``ingest_images`` does, and whoever else has made a batch."""

from __future__ import annotations

from typing import Any

from house.assets import IMAGES, Partition
from include import settings


def ingest(partition: Partition) -> str:
    """Check one batch and say what came of it. Returns the path of its document."""
    from include.ingest import ingest_batch

    current = settings.load()
    collection = current.collection(partition.collection)
    path, batch = ingest_batch(current.open_store(), collection, partition.collection, partition.key)
    images = batch.images
    print(f"{partition}: {images.found} images found, {images.used} sound, {images.quarantined} set aside")
    for code, count in sorted(batch.faults.items()):
        print(f"  {count} × {code}")
    return path


def ingest_and_announce(partition: Partition, outlet_events: Any) -> None:
    """The same for a batch whose key is not the run's own: the event carries it."""
    path = ingest(partition)
    outlet_events[IMAGES].add_partitions([str(partition)])
    outlet_events[IMAGES].extra = {"document": path}
