"""One batch of images: check it, and refuse it when too much of it is bad."""

from __future__ import annotations

import re
from itertools import islice

import fsspec

from include.dataset.batch import check_batch
from include.dataset.batch_key import BATCH_KEY, require_batch_key
from include.dataset.obtain import obtain
from include.documents import BatchDocument
from include.labelling.labelled_batch import fetch_labelled_batch
from include.settings import CollectionSettings, state_folder
from include.store import Store


class TooMuchQuarantined(ValueError):
    """More of a batch was set aside than the collection's threshold allows."""


def ingest_batch(store: Store, settings: CollectionSettings, collection: str, batch: str) -> tuple[str, BatchDocument]:
    """Check the images and annotations of one batch, fetched and unpacked first where need be.

    A batch that came of labelling lies in the store already, whatever the collection's source is.

    Returns its document and where that lies.

    Raises:
        TooMuchQuarantined: the document is written all the same, so that a person can read what was wrong.
    """
    require_batch_key(batch)
    path = check_batch(
        fetch_labelled_batch(store, collection, batch) or obtain(settings.source_of(batch), state_folder()),
        store=store,
        collection=collection,
        key=batch,
        classes=settings.classes,
        split=settings.split,
    )
    document = store.get(BatchDocument, path)
    found, quarantined = document.images.found, document.images.quarantined
    if found and quarantined / found > settings.thresholds.quarantined:
        faults = ", ".join(f"{count} × {code}" for code, count in sorted(document.faults.items()))
        raise TooMuchQuarantined(
            f"{quarantined} of {found} images of {collection}:{batch} were set aside ({faults}); the threshold is "
            f"{settings.thresholds.quarantined:.0%} (thresholds.quarantined in lanner.yaml). Each one with its reason: "
            f"{store.path(document.quarantine)}. Mend the source and run this again."
        )
    return path, document


def earlier_batches(settings: CollectionSettings, batch: str, most: int = 10_000) -> list[str]:
    """Keys of the batches that the collection's source lists before this one, sorted. HTTP cannot list: none."""
    if "{batch}" not in settings.source or settings.source.startswith(("http://", "https://")):
        return []
    files, pattern = fsspec.core.url_to_fs(settings.source_of("*"))
    shape = re.compile(re.escape(pattern).replace(r"\*", "([^/]+)", 1).replace(r"\*", "[^/]+"))
    found = islice(files.glob(pattern), most)
    keys = {match.group(1) for path in found if (match := shape.fullmatch(str(path)))}
    return sorted(key for key in keys if key < batch and BATCH_KEY.fullmatch(key))
