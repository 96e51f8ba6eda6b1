"""The annotated images that conversions and checks are measured on: a folder that is given, or one made here.

Those made here are no photographs, but cost as much to decode and hash: 640 x 480 JPEG of 60 to 100 KB, smooth shapes
of several sizes with a little noise, annotated by files as labelImg writes them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from include.dataset.batch import check_batch
from include.dataset.manifest import read_manifest
from include.dataset.source import list_source
from include.documents import BatchDocument
from include.store import Store

IMAGES = 300
VGA = (640, 480)
CLASSES = ("cat", "dog", "eel", "fox")

ANNOTATION = """\
<annotation>
	<folder>images</folder>
	<filename>{name}.jpg</filename>
	<path>/home/somebody/images/{name}.jpg</path>
	<source>
		<database>Unknown</database>
	</source>
	<size>
		<width>{width}</width>
		<height>{height}</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
{objects}</annotation>
"""
OBJECT = """\
	<object>
		<name>{label}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{xmin}</xmin>
			<ymin>{ymin}</ymin>
			<xmax>{xmax}</xmax>
			<ymax>{ymax}</ymax>
		</bndbox>
	</object>
"""


@dataclass(frozen=True)
class Pictures:
    """A folder with ``images/`` and ``annotations/``, each image with its VOC file; safe to write into."""

    name: str  # for the table
    folder: Path
    count: int

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def annotations(self) -> Path:
        return self.folder / "annotations"


@contextmanager
def picture_sets(given: Sequence[Path], images: int = IMAGES) -> Iterator[list[Pictures]]:
    """The generated set, then the sound images of each folder that is given (so that all ways treat the same)."""
    with tempfile.TemporaryDirectory(prefix="lanner-bench-") as scratch:
        generated = Path(scratch, "generated")
        write_pictures(generated, images)
        yield [
            described("generated", generated),
            *(described(folder.name, _copied(folder, Path(scratch, f"{n}"))) for n, folder in enumerate(given)),
        ]


def write_pictures(folder: Path, images: int, size: tuple[int, int] = VGA) -> None:
    """Make a set of annotated images of ``size``, width and height in pixels; always the same ones."""
    rng = np.random.default_rng(1)
    width, height = size
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True)
    for number in range(images):
        name = f"picture{number:05}"
        _picture(rng, width, height).save(folder / "images" / f"{name}.jpg", quality=92)
        objects = "".join(_object(rng, width, height) for _ in range(rng.integers(1, 6)))
        (folder / "annotations" / f"{name}.xml").write_text(
            ANNOTATION.format(name=name, width=width, height=height, objects=objects)
        )


def _picture(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    pixels = rng.normal(0, 4, (height, width, 3)).astype(np.float32)
    for cells, contrast in ((4, 60), (16, 30), (64, 15)):
        grid = rng.normal(0, 1, (cells * 3 // 4, cells, 3)) * 50 + 128
        shapes = Image.fromarray(grid.clip(0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        pixels += (np.asarray(shapes, np.float32) - 128) / 50 * contrast
    return Image.fromarray((pixels + 128).clip(0, 255).astype(np.uint8))


def _object(rng: np.random.Generator, width: int, height: int) -> str:
    xmin, ymin = rng.integers(1, width // 2), rng.integers(1, height // 2)
    xmax, ymax = rng.integers(xmin + 20, width), rng.integers(ymin + 20, height)
    return OBJECT.format(label=rng.choice(CLASSES), xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax)


def _copied(source: Path, target: Path) -> Path:
    """The images of a folder that pass all checks, with their VOC files, in the two subfolders."""
    for kind in ("images", "annotations"):
        (target / kind).mkdir(parents=True)
    annotations = {Path(xml).stem: source / xml for xml in list_source(source).xml}
    with tempfile.TemporaryDirectory(prefix="lanner-bench-") as scratch:
        store = Store(scratch)
        batch = store.get(BatchDocument, check_batch(source, store=store, collection="bench", key="all"))
        sound = [source / image.file for image in read_manifest(store, batch.manifest)]
    for image in sound:
        shutil.copyfile(image, target / "images" / image.name)
        shutil.copyfile(annotations[image.stem], target / "annotations" / f"{image.stem}.xml")
    return target


def described(name: str, folder: Path) -> Pictures:
    files = sorted((folder / "images").iterdir())
    kilobytes = sum(file.stat().st_size for file in files) / len(files) / 1000
    with Image.open(files[len(files) // 2]) as middle:
        width, height = middle.size
    return Pictures(f"{name}: {len(files)} images, {kilobytes:.0f} KB, such as {width} × {height}", folder, len(files))
