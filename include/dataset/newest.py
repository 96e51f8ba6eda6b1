"""The newest dataset of a collection, whatever its key."""

from __future__ import annotations

from include.documents import DatasetDocument
from include.store import Store


def newest_dataset(store: Store, collection: str) -> DatasetDocument | None:
    """The dataset of the last key that has one, which holds the batches of all keys before; None: there is none."""
    folder = DatasetDocument.pointer_for(collection, "any").rpartition("/")[0]
    keys = sorted(pointer.rpartition("/")[2] for pointer in store.files(folder))
    found = store.newest(DatasetDocument, collection, keys[-1]) if keys else None
    return found[1] if found else None
