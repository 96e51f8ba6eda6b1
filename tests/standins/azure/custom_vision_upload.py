"""Images that come in: each has a status of its own, and one that fails does not keep the others out.

https://learn.microsoft.com/rest/api/customvision/training/images/create-images-from-files. A duplicate is answered with
the image that is there, to which its regions are added, and makes the batch no success:
https://github.com/Azure-Samples/cognitive-services-python-sdk-samples/issues/56. From memory, not verified: the answer
is then a 207, and a region that leaves its image refuses the whole batch.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.standins.azure.custom_vision_account import (
    BATCH_BYTES,
    BATCH_IMAGES,
    MOST_REGIONS,
    MOST_TAGS_OF_AN_IMAGE,
    Tier,
)
from tests.standins.azure.custom_vision_calls import Call, Reply, Route
from tests.standins.azure.custom_vision_errors import Refusal
from tests.standins.azure.custom_vision_image_check import DUPLICATE, OK, BadImage, check_region, size_of
from tests.standins.azure.custom_vision_store import Project, Projects, Row, new_id, now

MOST_METADATA = 10
View = Callable[[Project, Row, str], Row]


class Sent:
    """Copies of all that was ever sent: what was sent to a cloud cannot be called back.

    Args:
        folder: ``<project's name>/<number>@<SHA-256>``; None: no copies are kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def keep(self, project: Project, encoded: bytes, purpose: str = "images") -> None:
        if self.folder is None:
            return
        name = re.sub(r"[^\w.-]", "_", project.about["name"])
        copy = self.folder / f"{name}-{project.id[:8]}" / purpose / hashlib.sha256(encoded).hexdigest()
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(encoded)


class Uploads:
    """The calls that bring images.

    Args:
        view: an image as the API shows it.
    """

    def __init__(self, projects: Projects, tier: Tier, sent: Sent, view: View) -> None:
        self.projects, self.tier, self.sent, self._view = projects, tier, sent, view

    def routes(self) -> list[Route]:
        images = "/projects/{projectId}/images"
        return [
            Route("CreateImagesFromFiles", "POST", f"{images}/files", self._files),
            Route("CreateImagesFromData", "POST", images, self._data),
            Route("CreateImagesFromPredictions", "POST", f"{images}/predictions", self._predictions),
        ]

    def _files(self, call: Call) -> Reply:
        project, batch = self.projects.get(call.at["projectId"]), call.json()
        entries = _entries(batch)
        contents = [_decoded(entry) for entry in entries]
        if sum(map(len, contents)) > BATCH_BYTES:
            raise Refusal("BadRequestImageBatch", f"The images of a batch must not exceed {BATCH_BYTES >> 20} MB.")
        return self._create(call, project, batch, zip(entries, contents, strict=True))

    def _data(self, call: Call) -> Reply:
        """One image without regions."""
        project, entry = self.projects.get(call.at["projectId"]), {"tagIds": call.ids("tagIds", 20)}
        return self._create(call, project, {}, [(entry, call.file("imageData"))])

    def _predictions(self, call: Call) -> Reply:
        """Images that were sent for a prediction and stored."""
        project, batch = self.projects.get(call.at["projectId"]), call.json()
        entries = _entries(batch)
        for entry in entries:
            if project.predictions.get(str(entry.get("id"))) is None:
                raise Refusal("BadRequestPredictionIdsMissing", f"There is no prediction {entry.get('id')}.")
        return self._create(
            call, project, batch, ((entry, (project.files / str(entry["id"])).read_bytes()) for entry in entries)
        )

    def _create(self, call: Call, project: Project, batch: Row, given: Iterable[tuple[Row, bytes]]) -> Reply:
        metadata = _metadata(batch.get("metadata"))
        if batch.get("tagIds"):
            raise _tags_without_regions()
        tags = {tag["id"] for tag in project.tags}
        planned = []
        for entry, encoded in given:
            self.sent.keep(project, encoded)
            planned.append((entry, encoded, _checked(entry, encoded, tags)))
        with project.lock:
            results = [
                self._add(call, project, entry, encoded, checked, metadata) for entry, encoded, checked in planned
            ]
        ok = all(result["status"] == OK for result in results)
        return Reply(200 if ok else 207, {"isBatchSuccessful": ok, "images": results})

    def _add(
        self, call: Call, project: Project, entry: Row, encoded: bytes, checked: Row | str, metadata: dict[str, str]
    ) -> Row:
        """Add one image, if nothing speaks against it. Returns its result."""
        result = {"sourceUrl": entry.get("name") or entry.get("id"), "status": OK, "image": None}
        if isinstance(checked, str):
            return result | {"status": checked}
        digest = hashlib.sha256(encoded).hexdigest()
        time = now()
        if existing := project.by_hash.get(digest):
            image = project.image(existing)
            if len(image["regions"]) + len(checked["regions"]) > MOST_REGIONS:
                return result | {"status": "ErrorRegionLimitExceed"}
            image = project.images.put(with_regions(image, checked["regions"], time))
            return result | {"status": DUPLICATE, "image": self._view(project, image, call.url)}
        if len(project.images) >= self.tier.images:
            return result | {"status": "ErrorLimitExceed"}
        row: Row = {"id": new_id(), "created": time, "sha256": digest, "bytes": len(encoded), "metadata": metadata}
        row |= {"width": checked["width"], "height": checked["height"], "regions": [], "tags": []}
        row = with_regions(row, checked["regions"], time)
        (project.files / row["id"]).write_bytes(encoded)
        project.by_hash[digest] = row["id"]
        return result | {"image": self._view(project, project.images.put(row), call.url)}


def with_regions(image: Row, regions: Iterable[Row], time: str) -> Row:
    """An image with more regions; it has the tags of its regions."""
    added = [{"regionId": new_id(), "created": time, **region} for region in regions]
    tags = dict.fromkeys([*(each["tagId"] for each in image["tags"]), *(region["tagId"] for region in added)])
    since = {each["tagId"]: each["created"] for each in image["tags"]}
    listed = [{"tagId": tag, "created": since.get(tag, time)} for tag in tags]
    return image | {"regions": [*image["regions"], *added], "tags": listed}


def _entries(batch: Row) -> list[Row]:
    entries = batch.get("images")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Refusal("BadRequestImageBatch", "The batch must have images.")
    if len(entries) > BATCH_IMAGES:
        raise Refusal(
            "BadRequestExceededBatchSize", f"The batch has {len(entries)} images; at most {BATCH_IMAGES} are allowed."
        )
    return entries


def _decoded(entry: Row) -> bytes:
    try:
        return base64.b64decode(entry["contents"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise Refusal("BadRequestImageBatch", f"{entry.get('name')}: contents must be base64.") from error


def _checked(entry: Row, encoded: bytes, tags: set[str]) -> Row | str:
    """Size and regions of an image, or the status that it must have."""
    if entry.get("tagIds"):
        raise _tags_without_regions()
    regions = entry.get("regions") or []
    try:
        found = [check_region(region, tags) for region in regions]
        width, height = size_of(encoded)
    except BadImage as why:
        return str(why)
    if len(found) > MOST_REGIONS:
        return "ErrorRegionLimitExceed"
    if len({region["tagId"] for region in found}) > MOST_TAGS_OF_AN_IMAGE:
        return "ErrorTagLimitExceed"
    return {"width": width, "height": height, "regions": found}


def _metadata(given: Any) -> dict[str, str]:
    """Names and values that a batch gives to its images."""
    found = {} if given is None else given
    if not isinstance(found, dict) or len(found) > MOST_METADATA or any(len(key) > 128 for key in found):
        raise Refusal("BadRequestImageMetadataKey", f"At most {MOST_METADATA} keys of at most 128 characters.")
    if not all(isinstance(value, str) and len(value) <= 256 for value in found.values()):
        raise Refusal("BadRequestImageMetadataValue", "Values are texts of at most 256 characters.")
    return found


def _tags_without_regions() -> Refusal:
    """From memory, not verified."""
    return Refusal("BadRequestImageTags", "Images of an object detection project are tagged by regions, not by tagIds.")
