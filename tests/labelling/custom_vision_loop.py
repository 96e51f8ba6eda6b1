"""The labelling loop over generated digits, with suggestions of Custom Vision's stand-in, and a simulated reviewer."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from include.dataset.annotation import Box
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.dataset.newest import newest_dataset
from include.dataset.sample import write_sample
from include.dataset.voc import read_annotation
from include.documents import DatasetDocument
from include.ingest import ingest_batch
from include.labelling.closing import close_round
from include.labelling.documents import ReviewDocument, RoundDocument
from include.labelling.next_round import next_round
from include.labelling.simulated import review_round
from include.settings import Settings, load
from labelling_jobs.custom_vision_labeller import CustomVisionLabeller
from labelling_jobs.labellers import open_labeller
from tests.standins.azure.custom_vision_client import (
    PREDICTION_KEY,
    PREDICTION_RESOURCE,
    TRAINING_KEY,
    CustomVisionClient,
    custom_vision_standin,
)

COLLECTION, BATCH = "digits", "all"
RARE = "nine"  # a class of its own, in too few images; all other digits are one class
PROJECT = "loop-labelling-digits"
DETECTOR = ("--detector", '{"input_size": 64, "width": 0.25, "steps": 12}')


def standin(folder: Path) -> Any:
    """A stand-in whose trainings take seconds; copies of all that it is sent are in the folder ``sent``."""
    options = ("--queued", "0", "--calls", "0", "--sent", str(folder / "sent"), *DETECTOR)
    return custom_vision_standin(folder / "standin", *options)


def connection(url: str) -> str:
    extra = {"prediction_api_key": PREDICTION_KEY, "prediction_resource_id": PREDICTION_RESOURCE}
    return json.dumps({"conn_type": "generic", "host": url, "password": TRAINING_KEY, "extra": extra})


class Loop:
    """A deployment whose one collection has images without annotations.

    Attributes:
        truth: the boxes of each image, by SHA-256.
    """

    def __init__(self, folder: Path, url: str, images: int = 50) -> None:
        self.folder, self.client = folder, CustomVisionClient(url)
        truth = bare_digits(folder / "pages", images, keep=RARE)
        self.truth = {_sha256(folder / "pages" / file): boxes for file, boxes in truth.items()}
        self.set()

    def set(self, **others: Any) -> None:
        """Write lanner.yaml; ``others`` are fields of the collection."""
        labelling = {"labeller": "custom_vision", "images": 26, "threshold": 0}
        collection = {"source": str(self.folder / "pages"), "classes": ["digit", RARE], "labelling": labelling}
        about = {"namespace": "loop", "custom_vision": {"poll_seconds": 0.3, "calls_per_second": 100}}
        content = about | {"collections": {COLLECTION: collection | others}}
        (self.folder / "lanner.yaml").write_text(json.dumps(content))

    @property
    def settings(self) -> Settings:
        return load(self.folder / "lanner.yaml")

    @property
    def store(self) -> Any:
        return self.settings.open_store()

    def labeller(self) -> CustomVisionLabeller:
        with open_labeller(self.settings, COLLECTION, BATCH) as labeller:
            assert isinstance(labeller, CustomVisionLabeller)
            return labeller

    def choose(self) -> RoundDocument:
        opened = next_round(
            self.store, self.settings.collection(COLLECTION), COLLECTION, BATCH, self.labeller(), images=0
        )
        assert opened is not None
        return opened

    def review(self, opened: RoundDocument) -> ReviewDocument:
        """What a person, ingest and build_dataset make of a round."""
        settings = self.settings.collection(COLLECTION)
        review_round(self.store, opened, self.truth)
        review = close_round(self.store, opened, by="ada", stop=False)
        assert review.batch is not None
        ingest_batch(self.store, settings, COLLECTION, review.batch)
        plan = plan_shards(self.store, collection=COLLECTION, key=review.batch, classes=settings.classes)
        convert_missing(self.store, plan)
        publish_dataset(self.store, plan)
        return review

    # --- what the service knows

    @property
    def dataset(self) -> DatasetDocument:
        found = newest_dataset(self.store, COLLECTION)
        assert found is not None
        return found

    def side(self, *sides: str) -> set[str]:
        """SHA-256 of the images with boxes on some sides."""
        found: set[str] = set()
        for side in sides:
            content = json.loads(self.store.read(self.dataset.sides[side].coco))
            boxes = {each["image_id"] for each in content["annotations"]}
            found |= {image["sha256"] for image in content["images"] if image["id"] in boxes}
        return found

    def project(self) -> Any:
        (found,) = [each for each in self.client.training.get_projects() if each.name == PROJECT]
        return found

    def stored(self) -> set[str]:
        """SHA-256 of the images that the service was ever sent to keep."""
        return stored_in(self.folder.parent)

    def shown(self) -> set[str]:
        """SHA-256 of the images that the service was shown, and did not keep."""
        return {file.name for file in self.folder.parent.glob("sent/*/predictions/*")}

    def calls(self) -> Counter[str]:
        """How often each call was done."""
        history = self.client.control("history")["calls"]
        return Counter(call["operation"] for call in history if call["status"] < 300)


def bare_digits(folder: Path, images: int, keep: str = "") -> dict[str, tuple[Box, ...]]:
    """Write the sample without its annotations. Returns them, by file; all digits but one are one class."""
    write_sample(folder, images=images)
    truth = {str(file.relative_to(folder)): _boxes(file, keep) for file in sorted((folder / "images").iterdir())}
    shutil.rmtree(folder / "annotations")
    return truth


def stored_in(folder: Path) -> set[str]:
    """SHA-256 of the images that the stand-in of a folder was ever sent to keep."""
    return {file.name for file in folder.glob("sent/*/images/*")}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _boxes(image: Path, keep: str) -> tuple[Box, ...]:
    annotation = image.parents[1] / "annotations" / f"{image.stem}.xml"
    boxes = read_annotation(annotation.read_bytes(), annotation.name).boxes
    return tuple(Box(box.label if box.label == keep else "digit", *box[1:5]) for box in boxes)
