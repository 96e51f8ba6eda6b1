"""A dataset's images and boxes into a project, each once, and none of the hold-out.

The service knows an image by its pixels: sent again, it is answered "OKDuplicate", and *its regions are added once
more* to the image that is there. So nothing is sent again on suspicion. What arrived is written down batch by batch in
the store; what is in the project without being written down (its answer was lost) is deleted there and sent anew; and
nothing is trained before a whole list of the project agrees with what was written down.
https://github.com/Azure-Samples/cognitive-services-python-sdk-samples/issues/56
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from include.clouds.custom_vision_account import CustomVisionAccount
from include.dataset.custom_vision_images import CustomVisionData, LabelledImage, batches
from include.documents import DatasetDocument
from include.store import Store
from training_services.custom_vision.records import JobRecords
from training_services.custom_vision.sending import SENT_AT_MOST, Sender
from training_services.transfer import TransferDamaged

PAGE = 256  # images, the most that one list returns, and that one call deletes
PASSES = 6  # over the project, until it holds what it should
SETTLING = 10  # seconds, more or less


@dataclass(frozen=True)
class Uploaded:
    """What is in a project; ``len(stored) + len(refused)`` is what was to be brought there.

    Attributes:
        stored: the service's id of each image, by the SHA-256 of its bytes.
        refused: why the service would not take an image, by its SHA-256.
    """

    stored: Mapping[str, str]
    refused: Mapping[str, str]


class Upload:
    """The images of one dataset on their way into one project.

    Args:
        tags: the service's id of each class, by its id in the label map.
        beat: called after each batch.
    """

    def __init__(
        self,
        account: CustomVisionAccount,
        project: str,
        store: Store,
        dataset: DatasetDocument,
        data: CustomVisionData,
        tags: Mapping[int, str],
        records: JobRecords,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.account, self.project, self.store, self.dataset = account, project, store, dataset
        self.data, self.records, self.beat = data, records, beat
        self.sender = Sender(account, project, tags, records)

    def bring(self, say: Callable[[str], None] = print) -> Uploaded:
        """Send what is missing, until the project holds what it should.

        Raises:
            TransferDamaged: it does not, whatever was done.
            CallFailed: the service did not answer; what was sent so far is not sent again.
        """
        for _ in range(PASSES):
            there = self._listed()
            stored, refused = self._compared(there)
            strangers = there.keys() - stored.values()
            done = stored.keys() | refused.keys()
            missing = {sha256: image for sha256, image in self.data.images.items() if sha256 not in done}
            if not (strangers or missing):
                say(f"{len(stored)} images are in the project, {len(refused)} were refused.")
                return Uploaded(stored, refused)
            self.sender.ids = set(stored.values())
            self._delete(strangers, say)
            self._send(missing, say)
            self._settle()
        raise TransferDamaged(
            f"After {PASSES} passes the project lacks {len(missing)} images, and of the {len(there)} that it holds "
            f"{len(strangers)} are not as they were sent. Does something else write to it? Clear the task to go on."
        )

    # --- what is there

    def _listed(self) -> dict[str, int]:
        """How many regions each image of the project has, by the service's id."""
        found: dict[str, int] = {}
        for start in itertools.count(0, PAGE):
            page = self.account.call("get_images", self.project, order_by="Oldest", take=PAGE, skip=start)
            found |= {image.id: len(image.regions or ()) for image in page}
            if len(page) < PAGE:
                break
        return found

    def _compared(self, there: Mapping[str, int]) -> tuple[dict[str, str], dict[str, str]]:
        """Of the images that are wanted: the id of each that is there with its own boxes, and why others never will."""
        known, refused = self._recorded()
        stored: dict[str, str] = {}
        for sha256, ids in known.items():
            expected = len(self.data.images[sha256].regions)
            counts = {id_: there[id_] for id_ in ids if id_ in there}
            if whole := [id_ for id_, count in counts.items() if count == expected]:
                stored[sha256] = whole[0]
            elif counts:
                self.sender.failures[sha256] += 1
                if self.sender.failures[sha256] >= SENT_AT_MOST:
                    refused[sha256] = f"of its {expected} boxes the service has {max(counts.values())}"
                    self.sender.write([sha256], {}, {sha256: refused[sha256]})
        return stored, {sha256: why for sha256, why in refused.items() if sha256 not in stored}

    def _recorded(self) -> tuple[dict[str, set[str]], dict[str, str]]:
        """Of the images that are wanted: the ids that each was ever given, and why others were refused."""
        stored: dict[str, set[str]] = {}
        refused: dict[str, str] = {}
        for batch in self.records.all(f"sent/{self.project}"):
            refused |= batch["refused"]
            for sha256, id_ in batch["stored"].items():
                stored.setdefault(sha256, set()).add(id_)
        return (
            {sha256: ids for sha256, ids in stored.items() if sha256 in self.data.images},
            {sha256: why for sha256, why in refused.items() if sha256 in self.data.images},
        )

    # --- what is sent, and deleted

    def _send(self, missing: Mapping[str, LabelledImage], say: Callable[[str], None]) -> None:
        done = 0
        for count in self.sender.send_all(batches(self.store, self.dataset, missing)):
            done += count
            self.beat()
            say(f"{done} of {len(missing)} images sent")

    def _settle(self) -> None:
        """Wait, though not for ever, until the service counts the images that it says it has."""
        for _ in range(SETTLING):
            if self.account.call("get_image_count", self.project) >= len(self.sender.ids):
                return
            time.sleep(1)

    def _delete(self, ids: Iterable[str], say: Callable[[str], None]) -> None:
        """Delete images that are not ours, that arrived without our hearing of it, or whose regions are not as sent."""
        wanted = sorted(ids)
        if wanted:
            say(f"{len(wanted)} images in the project are not as they were sent; they are deleted there.")
        for start in range(0, len(wanted), PAGE):
            with contextlib.suppress(FileNotFoundError):  # another was faster; the next pass will see
                self.account.call("delete_images", self.project, image_ids=wanted[start : start + PAGE])
