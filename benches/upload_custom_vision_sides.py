"""The programs that upload a dataset to Custom Vision and say what it took, ours twice: each in a process of its own.

python -m benches.upload_custom_vision_sides ours|sample URL PROJECT TAGS FOLDER DATASET
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from include.clouds.custom_vision_account import CustomVisionAccount
from include.dataset.custom_vision_images import BATCH_IMAGES, LabelledImage, custom_vision_data
from include.documents import DatasetDocument
from include.store import Store
from tests.standins.azure.custom_vision_client import TRAINING_KEY

Seconds = tuple[float, float | None]  # of the first time, and of the second


def ours(url: str, project: str, tags: dict[str, str], folder: Path, dataset: DatasetDocument) -> Seconds:
    from training_services.custom_vision.records import JobRecords
    from training_services.custom_vision.uploading import Upload

    store = Store(folder / "store")
    data = custom_vision_data(store, dataset)
    by_id = {class_id: tags[name] for class_id, name in data.names.items()}
    account = CustomVisionAccount(url, TRAINING_KEY)
    assert account.trainer  # imported and made, which is not counted

    def way() -> None:
        records = JobRecords(store, "bench-a1")
        Upload(account, project, store, dataset, data, by_id, records).bring(lambda _: None)

    return spent(way), spent(way)


def sample(url: str, project: str, tags: dict[str, str], folder: Path, dataset: DatasetDocument) -> Seconds:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from azure.cognitiveservices.vision.customvision.training.models import (
        ImageFileCreateBatch,
        ImageFileCreateEntry,
        Region,
    )
    from msrest.authentication import ApiKeyCredentials

    data = custom_vision_data(Store(folder / "store"), dataset)
    trainer = CustomVisionTrainingClient(url, ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY}))

    def entry(image: LabelledImage) -> ImageFileCreateEntry:
        regions = [
            Region(
                tag_id=tags[data.names[each.class_id]],
                left=each.left,
                top=each.top,
                width=each.width,
                height=each.height,
            )
            for each in image.regions
        ]
        with (folder / "pictures" / image.file).open("rb") as contents:
            return ImageFileCreateEntry(name=image.file, contents=bytearray(contents.read()), regions=regions)

    def way() -> None:
        for images in batched(iter(data.images.values())):
            batch = ImageFileCreateBatch(images=[entry(image) for image in images])
            if not trainer.create_images_from_files(project, batch).is_batch_successful:
                raise SystemExit("Image batch upload failed.")

    return spent(way), None


def batched(images: Iterator[LabelledImage]) -> Iterator[list[LabelledImage]]:
    while some := list(itertools.islice(images, BATCH_IMAGES)):
        yield some


def spent(way: Callable[[], None]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


SIDES = {"ours": ours, "sample": sample}


def main(side: str, url: str, project: str, tags: str, folder: str, dataset: str) -> None:
    document = Store(Path(folder, "store")).get(DatasetDocument, dataset)
    print(json.dumps(SIDES[side](url, project, json.loads(tags), Path(folder), document)))


if __name__ == "__main__":
    main(*sys.argv[1:])
