"""The next round of a batch, as the settings of its collection want it."""

from __future__ import annotations

from include.dataset.batch import check_batch
from include.dataset.batch_key import require_batch_key
from include.dataset.build import CollectionState
from include.dataset.obtain import obtain
from include.documents import BatchDocument
from include.labelling.documents import RoundDocument
from include.labelling.labeller import Labeller
from include.labelling.rounds import open_round
from include.settings import CollectionSettings, state_folder
from include.store import Store


def next_round(
    store: Store,
    settings: CollectionSettings,
    collection: str,
    batch: str,
    labeller: Labeller,
    *,
    images: int = 0,
) -> RoundDocument | None:
    """Open a round, or find the one that is open; None: no image of the batch is left to decide about.

    Args:
        images: of a round; 0: as the settings say.

    Raises:
        ValueError: this is no key of a batch, or its source names nothing that can be read.
    """
    require_batch_key(batch)
    source = settings.unlabelled_source_of(batch)
    folder = obtain(source, state_folder())
    if source == settings.source_of(batch) and store.newest(BatchDocument, collection, batch) is None:
        # Datasets of later keys wait for every batch that the source lists, and nobody might ingest this one.
        check_batch(
            folder, store=store, collection=collection, key=batch, classes=settings.classes, split=settings.split
        )
    known = CollectionState.load(store, collection).classes
    wanted = settings.labelling
    return open_round(
        store,
        folder,
        labeller,
        collection=collection,
        batch=batch,
        source=source,
        classes=settings.classes if settings.classes is not None else known,
        any_class=settings.classes is None,
        settings=wanted.model_copy(update={"images": images}) if images else wanted,
    )
