"""A dataset's images and boxes into a project, each once, and none of the hold-out.

The service knows an image by its pixels: sent again, it is answered "OKDuplicate", and *its regions are added once
more* to the image that is there. So nothing is sent again on suspicion. What arrived is written down batch by batch in
the store; what is in the project without being written down (its answer was lost) is deleted there and sent anew; and
nothing is trained before a whole list of the project agrees with what was written down.
https://github.com/Azure-Samples/cognitive-services-python-sdk-samples/issues/56
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Any

from include.custom_vision_account import (
    CustomVisionAccount,
    CustomVisionCallFailed,
    CustomVisionRefused,
    QuotaExceeded,
)
from include.dataset.custom_vision_images import CustomVisionData, LabelledImage, batches
from include.documents import DatasetDocument
from include.store import Store
from training_services.custom_vision.records import JobRecords
from training_services.transfer import TransferDamaged

AT_ONCE = 3  # batches
PAGE = 256  # images, the most that one list returns, and that one call deletes
PASSES = 6  # over the project, until it holds what it should
ARRIVED, DUPLICATE, FULL = "OK", "OKDuplicate", "ErrorLimitExceed"
PASSING = frozenset({"ErrorSource", "ErrorStorage", "ErrorUnknown"})  # that may go better another time…
SENT_AT_MOST = 3  # …up to so many times

Batch = Sequence[tuple[LabelledImage, bytes]]


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
        self.data, self.tags, self.records, self.beat = data, tags, records, beat
        self._failures: Counter[str] = Counter()  # of the service with an image, by its SHA-256
        self._ids: set[str] = set()  # of images that are there for sure
        self._lock = Lock()

    def bring(self, say: Callable[[str], None] = print) -> Uploaded:
        """Send what is missing, until the project holds what it should.

        Raises:
            TransferDamaged: it does not, whatever was done.
            CustomVisionCallFailed: the service did not answer; what was sent so far is not sent again.
        """
        for _ in range(PASSES):
            there = self._listed()
            known, refused = self._recorded()
            stored = {
                sha256: id_
                for sha256, ids in known.items()
                for id_ in ids
                if there.get(id_) == len(self.data.images[sha256].regions)
            }
            strangers = there.keys() - stored.values()
            missing = {
                sha256: image
                for sha256, image in self.data.images.items()
                if sha256 not in stored and sha256 not in refused
            }
            if not (strangers or missing):
                say(f"{len(stored)} images are in the project, {len(refused)} were refused.")
                return Uploaded(stored, refused)
            self._ids = set(stored.values())
            self._delete(strangers, say)
            self._send(missing, say)
        raise TransferDamaged(
            f"After {PASSES} passes the project lacks {len(missing)} images, and of the {len(there)} that it holds "
            f"{len(strangers)} are not as they were sent. Does something else write to it? Clear the task to go on."
        )

    # --- what is there

    def _listed(self) -> dict[str, int]:
        """How many regions each image of the project has, by the service's id."""
        found: dict[str, int] = {}
        while True:
            page = self.account.call("get_images", self.project, order_by="Oldest", take=PAGE, skip=len(found))
            found |= {image.id: len(image.regions or ()) for image in page}
            if len(page) < PAGE:
                return found

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

    # --- what is sent

    def _send(self, missing: Mapping[str, LabelledImage], say: Callable[[str], None]) -> None:
        done = 0
        for count in _at_once(self._send_batch, batches(self.store, self.dataset, missing)):
            done += count
            self.beat()
            say(f"{done} of {len(missing)} images sent")

    def _send_batch(self, batch: Batch) -> int:
        """Send a batch and write down what came of it. Returns of how many images the service said anything."""
        from azure.cognitiveservices.vision.customvision.training.models import ImageFileCreateBatch

        content = ImageFileCreateBatch(images=[self._entry(image, encoded) for image, encoded in batch])
        try:
            answer = self.account.call("create_images_from_files", self.project, content, repeatable=False)
        except QuotaExceeded:
            raise
        except CustomVisionCallFailed as unheard:  # whether it arrived the next pass will see
            print(f"A batch of {len(batch)} images had no answer: {unheard}")
            return 0
        except CustomVisionRefused as refusal:
            if len(batch) > 1:  # one of them spoils all, and which, it does not say
                middle = len(batch) // 2
                return self._send_batch(batch[:middle]) + self._send_batch(batch[middle:])
            self._write(batch, {}, {batch[0][0].sha256: str(refusal)})
            return 1
        results = {result.source_url: result for result in answer.images or ()}
        self._write(batch, *self._judged(batch, results))
        if any(result.status == FULL for result in results.values()):
            raise QuotaExceeded(FULL, f"The project takes no more images ({FULL}): its tier's limit is reached.")
        return len(batch)

    def _entry(self, image: LabelledImage, encoded: bytes) -> Any:
        from azure.cognitiveservices.vision.customvision.training.models import ImageFileCreateEntry, Region

        regions = [
            Region(tag_id=self.tags[each.class_id], left=each.left, top=each.top, width=each.width, height=each.height)
            for each in image.regions
        ]
        return ImageFileCreateEntry(name=image.sha256, contents=bytearray(encoded), regions=regions)

    def _judged(self, batch: Batch, results: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """The ids of images that arrived, and why others never will; of the rest nothing, so they are sent again."""
        stored: dict[str, str] = {}
        refused: dict[str, str] = {}
        for image, _ in batch:
            result = results.get(image.sha256)
            if result and result.status in {ARRIVED, DUPLICATE} and result.image:
                if self._is_new(result.image.id):
                    stored[image.sha256] = result.image.id
                else:
                    refused[image.sha256] = "the service finds the same pixels in another image of the dataset"
                continue
            status = result.status if result else "nothing of it"
            self._failures[image.sha256] += 1
            passing = status in PASSING or result is None
            if status != FULL and not (passing and self._failures[image.sha256] < SENT_AT_MOST):
                refused[image.sha256] = f"the service says {status}"
        return stored, refused

    def _is_new(self, id_: str) -> bool:
        with self._lock:
            if id_ in self._ids:
                return False
            self._ids.add(id_)
            return True

    def _write(self, batch: Batch, stored: Mapping[str, str], refused: Mapping[str, str]) -> None:
        digest = hashlib.sha256("".join(image.sha256 for image, _ in batch).encode())
        digest.update(str(sorted(stored.items())).encode())  # sent anew it has other ids
        name = f"sent/{self.project}/{digest.hexdigest()[:32]}.json"
        self.records.write(name, {"stored": dict(stored), "refused": dict(refused)})

    def _delete(self, ids: Iterable[str], say: Callable[[str], None]) -> None:
        """Delete images that are not ours, that arrived without our hearing of it, or whose regions are not as sent."""
        wanted = sorted(ids)
        if wanted:
            say(f"{len(wanted)} images in the project are not as they were sent; they are deleted there.")
        for start in range(0, len(wanted), PAGE):
            with contextlib.suppress(FileNotFoundError):  # another was faster; the next pass will see
                self.account.call("delete_images", self.project, image_ids=wanted[start : start + PAGE])


def _at_once(work: Callable[[Batch], int], all_batches: Iterable[Batch]) -> Iterator[int]:
    """Results as they come, with no more batches in memory than are being sent."""
    pending: set[Future[int]] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for batch in all_batches:
            if len(pending) >= AT_ONCE:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
            pending.add(pool.submit(work, batch))
        yield from (each.result() for each in pending)
