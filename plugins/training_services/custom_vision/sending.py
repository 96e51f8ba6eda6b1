"""Batches of images with their boxes, on their way into a project; what came of each is written down in the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Any

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.clouds.failures import CallFailed, QuotaExceeded
from include.dataset.custom_vision_images import LabelledImage
from training_services.custom_vision.records import JobRecords

AT_ONCE = 3  # batches
ARRIVED, DUPLICATE, FULL = "OK", "OKDuplicate", "ErrorLimitExceed"
PASSING = frozenset({"ErrorSource", "ErrorStorage", "ErrorUnknown"})  # that may go better another time…
SENT_AT_MOST = 3  # …up to so many times

Batch = Sequence[tuple[LabelledImage, bytes]]


class Sender:
    """Sends images into one project.

    Args:
        tags: the service's id of each class, by its id in the label map.

    Attributes:
        ids: of images that are there for sure.
        failures: with each image, by its SHA-256.
    """

    def __init__(
        self, account: CustomVisionAccount, project: str, tags: Mapping[int, str], records: JobRecords
    ) -> None:
        self.account, self.project, self.tags, self.records = account, project, tags, records
        self.ids: set[str] = set()
        self.failures: Counter[str] = Counter()
        self._lock = Lock()

    def send_all(self, batches: Iterable[Batch]) -> Iterator[int]:
        """Send several at once. After each: of how many of its images the service said anything.

        Raises:
            QuotaExceeded: the project takes no more images.
        """
        pending: set[Future[int]] = set()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for batch in batches:  # no more of them in memory than are being sent
                if len(pending) >= AT_ONCE:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
                pending.add(pool.submit(self._send, batch))
            yield from (each.result() for each in pending)

    def write(self, names: Sequence[str], stored: Mapping[str, str], refused: Mapping[str, str]) -> None:
        """Write down what became of some images; sent anew, they have other ids, and another file.

        Args:
            names: their SHA-256.
            stored: the service's ids of those that are there.
            refused: why others never will be.
        """
        content = {"stored": dict(stored), "refused": dict(refused)}
        digest = hashlib.sha256(repr((sorted(names), sorted(stored.items()), sorted(refused.items()))).encode())
        self.records.write(f"sent/{self.project}/{digest.hexdigest()[:32]}.json", content)

    def _send(self, batch: Batch) -> int:
        """Send a batch and write down what came of it. Returns of how many images the service said anything."""
        from azure.cognitiveservices.vision.customvision.training.models import ImageFileCreateBatch

        content = ImageFileCreateBatch(images=[self._entry(image, encoded) for image, encoded in batch])
        try:
            answer = self.account.call("create_images_from_files", self.project, content, repeatable=False)
        except QuotaExceeded:
            raise
        except CallFailed as unheard:  # whether it arrived the next pass will see
            print(f"A batch of {len(batch)} images had no answer: {unheard}")
            return 0
        except CustomVisionRefused as refusal:
            if len(batch) > 1:  # one of them spoils all, and which, it does not say
                middle = len(batch) // 2
                return self._send(batch[:middle]) + self._send(batch[middle:])
            self.write([batch[0][0].sha256], {}, {batch[0][0].sha256: str(refusal)})
            return 1
        results = {result.source_url: result for result in answer.images or ()}
        self.write([image.sha256 for image, _ in batch], *self._judged(batch, results))
        if any(result.status == FULL for result in results.values()):
            raise QuotaExceeded(f"The project takes no more images ({FULL}): its tier's limit is reached.", FULL)
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
            self.failures[image.sha256] += 1
            passing = status in PASSING or result is None
            if status != FULL and not (passing and self.failures[image.sha256] < SENT_AT_MOST):
                refused[image.sha256] = f"the service says {status}"
        return stored, refused

    def _is_new(self, id_: str) -> bool:
        with self._lock:
            if id_ in self.ids:
                return False
            self.ids.add(id_)
            return True
