"""One Custom Vision stand-in for all tests here, and pictures to send; imported by ``conftest``."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageCreateSummary,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Project,
    Region,
    Tag,
)
from PIL import Image, ImageDraw

from tests.standins.azure.custom_vision_account import COMPACT_S1
from tests.standins.azure.custom_vision_client import CustomVisionClient, custom_vision_standin

DETECTOR = json.dumps({"input_size": 64, "width": 0.25, "steps": 12})
QUICK = ("--queued", "0", "--exporting", "0", "--calls", "0", "--detector", DETECTOR)


@pytest.fixture(scope="session")
def custom_vision_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("custom-vision")


@pytest.fixture(scope="session")
def custom_vision_url(custom_vision_state: Path) -> Iterator[str]:
    with custom_vision_standin(custom_vision_state, *QUICK) as server:
        yield server.url


@pytest.fixture
def custom_vision_bill(custom_vision_state: Path) -> Path:
    """Every training that was ever begun, a line of JSON each."""
    return custom_vision_state / "trainings.jsonl"


@pytest.fixture(scope="session")
def custom_vision_client(custom_vision_url: str) -> CustomVisionClient:
    return CustomVisionClient(custom_vision_url)


@pytest.fixture
def custom_vision(custom_vision_client: CustomVisionClient) -> Iterator[CustomVisionClient]:
    """A client of the stand-in; what a test wished for and did not use up is forgotten after it."""
    yield custom_vision_client
    custom_vision_client.control("next", method="DELETE")
    custom_vision_client.control("release", {})


@pytest.fixture
def cv_project(custom_vision: CustomVisionClient) -> Iterator[Project]:
    """An empty project for object detection; a test's trainings end with it."""
    project = custom_vision.training.create_project("test", domain_id=COMPACT_S1)
    yield project
    custom_vision.training.delete_project(project.id)


def picture(seed: int, kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture with one bright square, whose place depends on the seed."""
    return drawn(seed, kind, size)[0]


def drawn(seed: int, kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> tuple[bytes, tuple[float, ...]]:
    """A picture, and where its square is: left, top, width, height as shares."""
    draw = random.Random(seed)
    image = Image.new("RGB", size, (draw.randrange(80), draw.randrange(80), draw.randrange(80)))
    side = min(size) // 2
    left, top = draw.randrange(size[0] - side), draw.randrange(size[1] - side)
    ImageDraw.Draw(image).rectangle((left, top, left + side - 1, top + side - 1), fill=(255, 220, 0))
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue(), (left / size[0], top / size[1], side / size[0], side / size[1])


def entry(contents: bytes, *regions: Region, name: str = "a.jpg") -> ImageFileCreateEntry:
    return ImageFileCreateEntry(name=name, contents=bytearray(contents), regions=list(regions) or None)


def region(tag: Tag | str, edges: Sequence[float] = (0.25, 0.25, 0.5, 0.5)) -> Region:
    left, top, width, height = edges
    tag_id = tag if isinstance(tag, str) else str(tag.id)
    return Region(tag_id=tag_id, left=left, top=top, width=width, height=height)


def send(client: CustomVisionClient, project: Project, *entries: ImageFileCreateEntry) -> ImageCreateSummary:
    return client.training.create_images_from_files(project.id, ImageFileCreateBatch(images=list(entries)))


def send_pictures(client: CustomVisionClient, project: Project, tag: Tag, count: int, first: int = 0) -> None:
    """Send pictures with their squares."""
    entries = []
    for seed in range(first, first + count):
        contents, edges = drawn(seed)
        entries.append(entry(contents, region(tag, edges), name=f"{seed}.jpg"))
    assert send(client, project, *entries).is_batch_successful


def refused(error: pytest.ExceptionInfo[CustomVisionErrorException]) -> tuple[int, str, str]:
    """HTTP's status, code and message of a refusal."""
    body = error.value.response.json()
    body = body.get("error", body)
    return error.value.response.status_code, body["code"], body["message"]
