"""The batch that comes of a round: Pascal VOC files and their images in the store, for ingest to take as any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from include.dataset.annotation import Annotation
from include.dataset.voc import write_annotation
from include.labelling.documents import ReviewDocument, ReviewedBox, RoundDocument, RoundImage
from include.settings import state_folder
from include.store import Store


def folder_of_batch(collection: str, batch: str) -> str:
    """Where a labelled batch lies in the store."""
    return f"{_folder(collection)}/{batch}"


def _folder(collection: str) -> str:
    return f"{collection}/labelled"


def write_labelled_batch(store: Store, round_: RoundDocument, review: ReviewDocument) -> str | None:
    """Write the labelled images of a review with their annotations. Returns the batch's key; None: there is none.

    Can be run again, and by two at once: the same review gives the same files.
    """
    if review.batch is None:
        return None
    folder = folder_of_batch(round_.collection, review.batch)
    for image, reviewed in zip(round_.images, review.images, strict=True):
        if reviewed.decision == "labelled":
            store.write(f"{folder}/{image.name}", store.read(image.stored(round_.collection)))
            annotation = annotation_of(image, reviewed.boxes)
            store.write(f"{folder}/{image.name.rpartition('.')[0]}.xml", write_annotation(annotation))
    return review.batch


def annotation_of(image: RoundImage, boxes: Sequence[ReviewedBox]) -> Annotation:
    """An image's boxes as a VOC file says them."""
    where = tuple(f"boxes[{index}]" for index in range(len(boxes)))
    return Annotation(image.file, image.name, image.width, image.height, tuple(box.box for box in boxes), where)


def fetch_labelled_batch(store: Store, collection: str, batch: str) -> Path | None:
    """A labelled batch as a folder of this machine; None: no batch of this key came of labelling."""
    folder = folder_of_batch(collection, batch)
    if not store.files(folder):
        return None
    if store.is_local:
        return Path(str(store.path(folder)))
    return store.copy_out(folder, state_folder() / "downloads" / "labelled" / collection / batch)


def labelled_before(store: Store, collection: str, batch: str) -> list[str]:
    """Keys of the collection's labelled batches before one, sorted."""
    folder = _folder(collection)
    keys = {path.removeprefix(f"{folder}/").partition("/")[0] for path in store.files(folder)}
    return sorted(key for key in keys if key < batch)
