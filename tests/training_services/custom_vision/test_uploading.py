"""Images on their way into a project: each once, all of them accounted for, whatever breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from include.clouds.failures import CallFailed
from include.custom_vision_training import DOMAINS
from include.dataset import custom_vision_images
from include.dataset.custom_vision_images import custom_vision_data
from include.documents import DatasetDocument
from include.store import Store
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.proxy_client import control, proxy_standin, rule
from tests.toy_collection import make_images
from tests.training_services.custom_vision.conftest import account
from training_services.custom_vision.records import JobRecords
from training_services.custom_vision.sending import Sender
from training_services.custom_vision.uploading import Upload, Uploaded
from training_services.transfer import TransferDamaged

FILES = "/images/files"


class Uploading:
    """A project of the test's own, and uploads into it."""

    def __init__(self, url: str, standin: CustomVisionClient, store: Store, dataset: DatasetDocument) -> None:
        self.url, self.standin, self.store, self.dataset = url, standin, store, dataset
        domain = DOMAINS["General (compact) [S1]"]
        self.project: str = standin.training.create_project("uploading", domain_id=domain).id
        self.data = custom_vision_data(store, dataset)
        self.tags: dict[int, str] = {
            class_id: standin.training.create_tag(self.project, name).id for class_id, name in self.data.names.items()
        }
        self.records = JobRecords(store, "an-uploading-job-a1")
        self.beats = 0

    def bring(self, url: str = "", **others: Any) -> Uploaded:
        def beat() -> None:
            self.beats += 1

        asked = account(url or self.url)
        data = others.get("data", self.data)
        upload = Upload(asked, self.project, self.store, self.dataset, data, self.tags, self.records, beat)
        return upload.bring(lambda _: None)

    def there(self) -> list[Any]:
        return self.standin.training.get_images(self.project, take=256)

    def regions(self) -> dict[str, int]:
        """By the service's id, how many regions an image has."""
        return {image.id: len(image.regions or ()) for image in self.there()}


@pytest.fixture
def uploading(
    url: str, standin: CustomVisionClient, store: Store, dataset: DatasetDocument, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Uploading]:
    monkeypatch.setattr(custom_vision_images, "BATCH_IMAGES", 10)
    made = Uploading(url, standin, store, dataset)
    yield made
    standin.training.delete_project(made.project)


@pytest.fixture(scope="module")
def proxy(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with proxy_standin(tmp_path_factory.mktemp("proxy"), url) as server:
        yield server.url


@pytest.fixture
def broken(proxy: str) -> Iterator[str]:
    """A proxy whose rules are the test's own."""
    yield proxy
    control(proxy, "rules", method="DELETE")


def as_expected(uploading: Uploading, uploaded: Uploaded) -> None:
    """Every image is there once, with its own boxes."""
    assert uploaded.stored.keys() | uploaded.refused.keys() == uploading.data.images.keys()
    regions = uploading.regions()
    assert regions.keys() == set(uploaded.stored.values())
    sent = {sha256: len(uploading.data.images[sha256].regions) for sha256 in uploaded.stored}
    assert {sha256: regions[id_] for sha256, id_ in uploaded.stored.items()} == sent


def counted(proxy: str) -> int:
    """Batches that were sent through the proxy."""
    return sum(count for call, count in control(proxy, "counts").items() if FILES in call)


def test_all_images_with_their_boxes_and_none_of_the_holdout(uploading: Uploading, sent: Path) -> None:
    uploaded = uploading.bring()
    as_expected(uploading, uploaded)
    assert (len(uploaded.stored), uploaded.refused) == (48, {})
    assert uploading.beats >= 5, "each batch says that the claimant is still at it"
    seen = {file.name for file in sent.rglob("images/*")}
    assert {image.sha256 for image in make_images(36, seed=1)} <= seen
    assert not {image.sha256 for image in make_images(6, seed=4)} & seen
    image = make_images(36, seed=1)[0]
    there = {each.id: each for each in uploading.there()}[uploaded.stored[image.sha256]]
    expected = uploading.data.images[image.sha256].regions[0]
    assert there.regions[0].tag_id == uploading.tags[expected.class_id]
    found = [getattr(there.regions[0], side) for side in ("left", "top", "width", "height")]
    assert found == pytest.approx(list(expected[1:]), abs=1e-6)


def test_what_is_there_is_not_sent_again(uploading: Uploading, broken: str) -> None:
    first = uploading.bring()
    before = counted(broken)
    assert uploading.bring(broken) == first
    assert counted(broken) == before


def test_one_that_was_deleted_there_is_sent_again_alone(uploading: Uploading, broken: str) -> None:
    first = uploading.bring()
    gone = next(iter(first.stored.values()))
    uploading.standin.training.delete_images(uploading.project, image_ids=[gone])
    before = counted(broken)
    again = uploading.bring(broken)
    as_expected(uploading, again)
    assert counted(broken) == before + 1


def test_what_is_not_ours_is_deleted(uploading: Uploading) -> None:
    stray = make_images(1, seed=9)[0].encoded
    uploading.standin.training.create_images_from_data(uploading.project, stray)
    as_expected(uploading, uploading.bring())
    assert len(uploading.there()) == 48


def test_a_batch_whose_answer_was_lost_has_its_boxes_once(uploading: Uploading, broken: str) -> None:
    """The service would add them a second time, were it simply sent again."""
    rule(broken, fault="lost", path=FILES, count=2)
    as_expected(uploading, uploading.bring(broken))
    assert control(broken, "rules")[0]["struck"] == 2


def test_a_429_on_a_batch_is_waited_for(uploading: Uploading, broken: str) -> None:
    rule(broken, fault="status", status=429, retry_after=0.1, path=FILES, count=3)
    as_expected(uploading, uploading.bring(broken))
    assert control(broken, "rules")[0]["struck"] == 3


def test_interrupted_it_goes_on_where_it_was(
    uploading: Uploading, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service goes away in the middle, and its lists with it; what had been written down is not sent again."""
    monkeypatch.setattr("training_services.custom_vision.sending.AT_ONCE", 1)
    monkeypatch.setattr("include.clouds.custom_vision_account.PAUSE", 0.01)
    sent_before = counted(broken)

    def away(self: JobRecords, relative: str, content: Any) -> None:
        write(self, relative, content)
        if len(list(self.store.files(self.path("sent")))) == 3:
            rule(broken, fault="status", status=503)

    write = JobRecords.write
    monkeypatch.setattr(JobRecords, "write", away)
    with pytest.raises(CallFailed):
        uploading.bring(broken)
    control(broken, "rules", method="DELETE")
    monkeypatch.setattr(JobRecords, "write", write)
    there = len(uploading.there())
    assert there == 30
    began_again = counted(broken)
    as_expected(uploading, uploading.bring(broken))
    assert counted(broken) - began_again == 2, "of five batches, three were there"
    assert began_again > sent_before


def test_two_at_the_same_time_leave_each_image_once(uploading: Uploading) -> None:
    """As when a killed worker's orphan goes on beside its successor."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(uploading.bring) for _ in range(2)]
        for future in futures:
            if (error := future.exception()) is not None:
                assert isinstance(error, TransferDamaged | CallFailed), error
    as_expected(uploading, uploading.bring())


# --- images that the service does not take


def spoiled(uploading: Uploading, monkeypatch: pytest.MonkeyPatch, sha256: str, encoded: bytes) -> None:
    """Let one image arrive as something else."""
    original = custom_vision_images.within_limits

    def spoil(given: bytes, *limits: int) -> bytes:
        import hashlib

        return encoded if hashlib.sha256(given).hexdigest() == sha256 else original(given, *limits)

    monkeypatch.setattr(custom_vision_images, "within_limits", spoil)


def test_what_it_refuses_is_set_aside_with_its_reason_and_counted(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = sorted(uploading.data.images)[3]
    spoiled(uploading, monkeypatch, bad, b"no image")
    uploaded = uploading.bring()
    assert uploaded.refused == {bad: "the service says ErrorImageFormat"}
    assert len(uploaded.stored) == 47
    as_expected(uploading, uploaded)


def test_the_same_pixels_twice_are_one_image(uploading: Uploading, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin is set aside, and the other keeps its own boxes alone."""
    one, other = list(uploading.data.images)[:2]
    image = next(each for each in make_images(36, seed=1) if each.sha256 == one)
    spoiled(uploading, monkeypatch, other, image.encoded)
    uploaded = uploading.bring()
    assert list(uploaded.refused.values()) == ["the service finds the same pixels in another image of the dataset"]
    as_expected(uploading, uploaded)


def test_one_bad_box_keeps_no_others_out(uploading: Uploading) -> None:
    """The service refuses a whole batch for it, and does not say which."""
    images = dict(uploading.data.images)
    bad = sorted(images)[7]
    region = images[bad].regions[0]._replace(left=0.9, width=0.5)
    images[bad] = images[bad]._replace(regions=(region,))
    data = custom_vision_images.CustomVisionData(images, (), 0, uploading.data.names)
    uploaded = uploading.bring(data=data)
    assert uploaded.refused.keys() == {bad}
    assert "BadRequestImageRegions" in uploaded.refused[bad]
    assert len(uploaded.stored) == 47


def test_boxes_that_the_service_loses_cost_the_image(uploading: Uploading) -> None:
    """An image is used with all of its boxes or not at all; a copy of a box stands for one that it would not keep."""
    images = dict(uploading.data.images)
    bad = sorted(images)[5]
    images[bad] = images[bad]._replace(regions=images[bad].regions * 2)
    data = custom_vision_images.CustomVisionData(images, (), 0, uploading.data.names)
    original = Sender._entry

    def entry(self: Sender, image: Any, encoded: bytes) -> Any:
        kept = image._replace(regions=image.regions[:1]) if image.sha256 == bad else image
        return original(self, kept, encoded)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sender, "_entry", entry)
        uploaded = uploading.bring(data=data)
    assert uploaded.refused.keys() == {bad}
    assert "boxes the service has 1" in uploaded.refused[bad]
    assert len(uploaded.stored) == len(uploading.there()) == 47


def answering(monkeypatch: pytest.MonkeyPatch, statuses: Mapping[str, list[str]]) -> None:
    """Let the service fail with some images, in turn, by these statuses: its own does not fail so."""
    original = Sender._judged

    def judged(self: Sender, batch: Any, results: dict[str, Any]) -> Any:
        for sha256, left in statuses.items():
            if sha256 in results and left:
                status = left.pop(0)
                if results[sha256].image is not None:
                    self.account.call("delete_images", self.project, image_ids=[results[sha256].image.id])
                results[sha256].status, results[sha256].image = status, None
        return original(self, batch, results)

    monkeypatch.setattr(Sender, "_judged", judged)


def test_a_failure_of_the_service_is_tried_again_and_not_for_ever(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing, lasting = sorted(uploading.data.images)[:2]
    answering(monkeypatch, {passing: ["ErrorStorage"], lasting: ["ErrorUnknown"] * 9})
    uploaded = uploading.bring()
    assert passing in uploaded.stored
    assert uploaded.refused == {lasting: "the service says ErrorUnknown"}
    as_expected(uploading, uploaded)
