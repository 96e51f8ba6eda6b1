"""Images that come in, each with a status of its own, and what may be asked about them afterwards."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    ImageRegionCreateEntry,
    Project,
    Tag,
)
from PIL import Image

from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.azure.custom_vision_fixtures import entry, picture, refused, region, send

NO_TAG = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def tag(custom_vision: CustomVisionClient, cv_project: Project) -> Tag:
    return custom_vision.training.create_tag(cv_project.id, "square")


def blank(width: int, height: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (width, height)).save(content, "PNG")
    return content.getvalue()


def test_images_come_with_their_regions(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    batch = ImageFileCreateBatch(images=[entry(picture(1), region(tag, (0.1, 0.2, 0.3, 0.4)))], metadata={"key": "k1"})
    summary = custom_vision.training.create_images_from_files(cv_project.id, batch)
    assert summary.is_batch_successful
    assert (summary.images[0].source_url, summary.images[0].status) == ("a.jpg", "OK")
    (image,) = custom_vision.training.get_images_by_ids(cv_project.id, [summary.images[0].image.id])
    assert (image.width, image.height, image.metadata) == (64, 48, {"key": "k1"})
    (found,) = image.regions
    assert (found.left, found.top, found.width, found.height, found.tag_name) == (0.1, 0.2, 0.3, 0.4, "square")
    assert [each.tag_name for each in image.tags] == ["square"]
    with urllib.request.urlopen(image.original_image_uri) as blob:
        assert blob.read() == picture(1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_formats_that_are_accepted(custom_vision: CustomVisionClient, cv_project: Project, kind: str) -> None:
    assert send(custom_vision, cv_project, entry(picture(1, kind))).images[0].status == "OK"


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: b"no image", "ErrorImageFormat"),
        (lambda: picture(1)[:-200], "ErrorImageFormat"),
        (lambda: picture(1, "TIFF"), "ErrorImageFormat"),
        (lambda: picture(1) + bytes(6 << 20), "ErrorImageSize"),
        (lambda: blank(10_241, 500), "ErrorImageDimensions"),
        (lambda: blank(521, 20), "ErrorImageDimensions"),
    ],
    ids=["text", "cut off", "TIFF", "6 MB", "10241 px", "26:1"],
)
def test_one_bad_image_does_not_keep_the_others_out(
    custom_vision: CustomVisionClient, cv_project: Project, make: Callable[[], bytes], status: str
) -> None:
    api = custom_vision.training
    batch = ImageFileCreateBatch(images=[entry(picture(1)), entry(make()), entry(picture(2))])
    raw = api.create_images_from_files(cv_project.id, batch, raw=True)
    assert raw.response.status_code == 207
    assert not raw.output.is_batch_successful
    assert [each.status for each in raw.output.images] == ["OK", status, "OK"]
    assert api.get_image_count(cv_project.id) == 2


def test_regions_have_their_own_limits(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    summary = send(
        custom_vision,
        cv_project,
        entry(picture(1), *[region(tag)] * 300),
        entry(picture(2), *[region(tag)] * 301),
        entry(picture(3), region(NO_TAG)),
    )
    assert [each.status for each in summary.images] == ["OK", "ErrorRegionLimitExceed", "ErrorInvalidTag"]


@pytest.mark.parametrize(
    "edges",
    [(-0.1, 0, 0.5, 0.5), (0, 0.6, 0.5, 0.5), (0.7, 0, 0.4, 0.5), (0, 0, 0, 0.5), (0, 0, 0.5, float("nan"))],
)
def test_a_region_outside_of_its_image_refuses_the_batch(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag, edges: tuple[float, ...]
) -> None:
    with pytest.raises(CustomVisionErrorException) as error:
        send(custom_vision, cv_project, entry(picture(1)), entry(picture(2), region(tag, edges)))
    assert refused(error)[:2] == (400, "BadRequestImageRegions")
    assert custom_vision.training.get_image_count(cv_project.id) == 0


def test_a_duplicate_is_the_image_that_is_there_with_more_regions(
    custom_vision: CustomVisionClient, cv_project: Project, tag: Tag
) -> None:
    first = send(custom_vision, cv_project, entry(picture(1), region(tag))).images[0]
    again = send(custom_vision, cv_project, entry(picture(1), region(tag, (0, 0, 0.5, 0.5))))
    assert not again.is_batch_successful
    assert (again.images[0].status, again.images[0].image.id) == ("OKDuplicate", first.image.id)
    assert len(again.images[0].image.regions) == 2
    assert custom_vision.training.get_tagged_image_count(cv_project.id) == 1


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (lambda: ImageFileCreateBatch(images=[entry(picture(1))] * 65), "BadRequestExceededBatchSize"),
        (lambda: ImageFileCreateBatch(images=[]), "BadRequestImageBatch"),
        (lambda: ImageFileCreateBatch(images=[entry(bytes(27 << 20))] * 2), "BadRequestImageBatch"),
        (
            lambda: ImageFileCreateBatch(
                images=[entry(picture(1))], metadata={str(number): "" for number in range(11)}
            ),
            "BadRequestImageMetadataKey",
        ),
        (
            lambda: ImageFileCreateBatch(images=[ImageFileCreateEntry(contents=picture(1), tag_ids=[NO_TAG])]),
            "BadRequestImageTags",
        ),
    ],
    ids=["65 images", "none", "54 MB", "11 keys", "tags without regions"],
)
def test_batches_that_are_refused_as_a_whole(
    custom_vision: CustomVisionClient, cv_project: Project, batch: Callable[[], ImageFileCreateBatch], code: str
) -> None:
    with pytest.raises(CustomVisionErrorException) as error:
        custom_vision.training.create_images_from_files(cv_project.id, batch())
    assert refused(error)[:2] == (400, code)


def test_one_image_as_a_form(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    summary = custom_vision.training.create_images_from_data(cv_project.id, picture(1))
    assert [each.status for each in summary.images] == ["OK"]
    assert custom_vision.training.get_untagged_image_count(cv_project.id) == 1


def test_lists_go_page_by_page(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    api = custom_vision.training
    other = api.create_tag(cv_project.id, "other")
    tagged = [entry(picture(seed), region(tag if seed else other), name=str(seed)) for seed in range(5)]
    sent = send(custom_vision, cv_project, *tagged, entry(picture(5))).images
    ids = [each.image.id for each in sent]
    oldest = api.get_images(cv_project.id, order_by="Oldest", take=4, skip=1)
    assert [image.id for image in oldest] == ids[1:5]
    assert [image.id for image in api.get_tagged_images(cv_project.id, take=2)] == [ids[4], ids[3]]
    assert [image.id for image in api.get_tagged_images(cv_project.id, tag_ids=[other.id])] == [ids[0]]
    assert [image.id for image in api.get_untagged_images(cv_project.id)] == [ids[5]]
    counts = api.get_image_count(cv_project.id), api.get_tagged_image_count(cv_project.id, tag_ids=[tag.id])
    assert counts == (6, 4)


def test_images_are_deleted_by_id_or_all(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    api = custom_vision.training
    first, *_ = send(custom_vision, cv_project, *(entry(picture(seed)) for seed in range(3))).images
    api.delete_images(cv_project.id, [first.image.id])
    assert api.get_image_count(cv_project.id) == 2
    assert send(custom_vision, cv_project, entry(picture(0))).images[0].status == "OK"  # no duplicate any more
    api.delete_images(cv_project.id, all_images=True)
    assert api.get_image_count(cv_project.id) == 0
    with pytest.raises(CustomVisionErrorException, match="either imageIds or allImages"):
        api.delete_images(cv_project.id)


def test_regions_are_drawn_and_removed_later(custom_vision: CustomVisionClient, cv_project: Project, tag: Tag) -> None:
    """As the portal does, for images that came without."""
    api = custom_vision.training
    image = send(custom_vision, cv_project, entry(picture(1))).images[0].image
    drawn = ImageRegionCreateEntry(image_id=image.id, tag_id=tag.id, left=0.1, top=0.1, width=0.5, height=0.5)
    summary = api.create_image_regions(cv_project.id, [drawn])
    assert [each.tag_name for each in summary.created] == ["square"]
    again = api.create_image_regions(cv_project.id, [drawn])
    assert (len(again.created), len(again.duplicated)) == (0, 1)
    assert api.get_tagged_image_count(cv_project.id) == 1
    api.delete_image_regions(cv_project.id, [summary.created[0].region_id])
    assert api.get_tagged_image_count(cv_project.id) == 0


def test_metadata_can_be_written_later(custom_vision: CustomVisionClient, cv_project: Project) -> None:
    api = custom_vision.training
    image = send(custom_vision, cv_project, entry(picture(1))).images[0].image
    summary = api.update_image_metadata(cv_project.id, [image.id, NO_TAG], {"reviewed": "yes"})
    assert [each.status for each in summary.images] == ["OK", "ErrorImageNotFound"]
    assert api.get_images(cv_project.id)[0].metadata == {"reviewed": "yes"}
