"""The assets that tie the pipelines together, and the keys of their partitions.

A partition key is ``collection:batch``, and from the plan on ``collection:batch:number``. The key alone finds the
document in the store; an event's ``extra`` carries the document's path as a hint, nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.sdk import Asset

if TYPE_CHECKING:
    from include.documents import DatasetDocument, PlanDocument
    from include.store import Store

IMAGES = Asset(name="images", uri="x-lanner://images")
DATASET = Asset(name="dataset", uri="x-lanner://dataset")
PLAN = Asset(name="plan", uri="x-lanner://plan")
COMPARISON = Asset(name="comparison", uri="x-lanner://comparison")


def result_of(target: str) -> Asset:
    """The asset of one target's results."""
    return Asset(name=f"result_{target}", uri=f"x-lanner://result/{target}")


@dataclass(frozen=True)
class Partition:
    """A partition key taken apart: ``key`` is what stands after the collection (``2026-11-20``, ``2026-11-20:1``)."""

    collection: str
    key: str

    @classmethod
    def parse(cls, text: str | None) -> Partition:
        """Take a run's partition key apart; ``ValueError`` for a run that was triggered without one."""
        collection, _, key = (text or "").partition(":")
        if not collection or not key:
            raise ValueError(
                f"Got {text!r} as partition key, expected collection:batch, such as digits:all. "
                "Trigger the run with a key (the form has a field for it), or start from ingest_images."
            )
        return cls(collection, key)

    def documents(self, store: Store) -> tuple[PlanDocument, DatasetDocument]:
        """The newest plan of this key, and the dataset that it names."""
        from include.documents import DatasetDocument, PlanDocument

        found = store.newest(PlanDocument, self.collection, self.key)
        if found is None:
            raise FileNotFoundError(f"There is no plan for {self} in {store}. Run plan_training for this key first.")
        plan = found[1]
        return plan, store.get(DatasetDocument, plan.dataset)

    def __str__(self) -> str:
        return f"{self.collection}:{self.key}"
