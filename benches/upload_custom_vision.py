"""Uploading images with their boxes to Custom Vision, and uploading them again, against the loop of Microsoft's sample.

2,000 images as of a camera phone's smallest setting, to the stand-in on this machine (a new one for each timing), which
refuses what the tier S0 refuses: above all an eleventh call in a second. Ours is what a submission does: list the
project, send what is missing, 64 images in a call and three calls at a time, write down what came of each, and compare
a list of the project with that; the images come out of the dataset's shards. The second time nothing is to be sent.
Against it the loop of the quickstart: it reads each file, and sends one call after the other with as many images as the
service takes. It looks at no rate, and ends at the first batch that is not whole; so there is no second time, which
would add each box once more.
https://github.com/MicrosoftDocs/azure-docs, …/Custom-Vision-Service/includes/quickstarts/python-tutorial-od.md

On this machine an answer is there when the stand-in has done its work, and that is one process, in Python, which
decodes each image. So a second row has each call a second longer on its way, as over a line that is far. Each side is a
process of its own; what it imports is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.datasets import build
from benches.measure import Asked, Goal, Row, Timing, main
from benches.pictures import write_pictures
from include.custom_vision_training import DOMAINS
from include.dataset.custom_vision_images import custom_vision_data
from include.documents import DatasetDocument
from include.settings import PROJECT
from include.store import Store
from tests.standins.azure.custom_vision_client import CustomVisionClient, custom_vision_standin
from tests.standins.proxy_client import proxy_standin, rule

IMAGES = 2000
REPETITIONS = 3
SIDES = ("ours", "sample")
FAR = 1.0  # seconds
SHARES = (0.85, 0.15, 0.0)  # nothing for a hold-out, which is not sent


@dataclass(frozen=True)
class Uploaded:
    """One upload to a new project.

    Attributes:
        first, again: elapsed seconds; of the sample's loop there is no second time.
        refused: calls that were too many for their second.
        regions: by the image's name, how many boxes the service has.
    """

    first: float
    again: float | None
    refused: int
    regions: tuple[int, ...]


def bench(asked: Asked) -> list[Row]:
    with TemporaryDirectory(prefix="lanner-bench-") as scratch:
        write_pictures(Path(scratch, "pictures"), IMAGES)
        dataset = build(Path(scratch, "pictures"), Store(Path(scratch, "store")), shares=SHARES)
        return [row for seconds in (0.0, FAR) for row in compare(Path(scratch), dataset, seconds)]


def compare(folder: Path, dataset: DatasetDocument, seconds: float) -> list[Row]:
    """Rows of uploads in turns.

    Args:
        seconds: that each call is longer on its way.
    """
    done: dict[str, list[Uploaded]] = {side: [] for side in SIDES}
    for _ in range(REPETITIONS):
        for side in SIDES:
            done[side].append(upload(folder, dataset, side, seconds))
    refused = sum(each.refused for uploads in done.values() for each in uploads)
    far = f", each call {seconds:g} s longer" if seconds else ""
    on = f"{IMAGES:,} images of 640 × 480 with their boxes{far}; 10 calls/s allowed, {refused or 'none'} refused"
    ours, sample = (Timing(tuple(each.first for each in done[side])) for side in SIDES)
    again = Timing(tuple(each.again or 0.0 for each in done["ours"]))
    mine, its = (each.rate(IMAGES, "images", "s") for each in (ours, sample))
    return [
        Row("upload to Custom Vision", "the quickstart's loop", on, mine, its, sample.times(ours), Goal("≥", 1)),
        Row(
            "upload to Custom Vision again, elapsed",
            "ours, the first time",
            on,
            f"{again.median:.2f} s",
            f"{ours.median:.2f} s",
            again.times(ours),
            Goal("≤", 1 / 5),
        ),
    ]


def upload(folder: Path, dataset: DatasetDocument, side: str, seconds: float = 0.0) -> Uploaded:
    """By one side, to a new stand-in.

    Args:
        folder: with the folders ``pictures`` and ``store``.
    """
    with TemporaryDirectory(prefix="lanner-bench-") as state, ExitStack() as stack:
        server = stack.enter_context(custom_vision_standin(Path(state, "standin")))
        url = server.url
        if seconds:
            url = stack.enter_context(proxy_standin(Path(state, "proxy"), server.url)).url
            rule(url, fault="delay", seconds=seconds)
        client = CustomVisionClient(server.url)
        project = client.training.create_project("bench", domain_id=DOMAINS["General (compact) [S1]"])
        tags = tags_of(client, project.id, folder, dataset)
        command = [sys.executable, "-m", "benches.upload_custom_vision_sides", side, url, project.id, json.dumps(tags)]
        done = subprocess.run([*command, str(folder), dataset.path], cwd=PROJECT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{side} did not upload:\n{done.stderr[-3000:]}")
        first, again = json.loads(done.stdout.splitlines()[-1])
        refused = sum(call["status"] == 429 for call in client.control("history")["calls"])
        client.control("settings", {"calls_per_second": 0})
        return Uploaded(first, again, refused, regions(client, project.id))


def tags_of(client: CustomVisionClient, project: str, folder: Path, dataset: DatasetDocument) -> dict[str, str]:
    """The service's ids of the classes, by their names."""
    names = custom_vision_data(Store(folder / "store"), dataset).names.values()
    return {name: client.training.create_tag(project, name).id for name in names}


def regions(client: CustomVisionClient, project: str) -> tuple[int, ...]:
    """How many boxes the service has in each image, sorted: the same, whoever uploaded them."""
    counts: list[int] = []
    while page := client.training.get_images(project, take=256, skip=len(counts)):
        counts += [len(image.regions or ()) for image in page]
    return tuple(sorted(counts))


if __name__ == "__main__":
    main(__doc__, bench)
