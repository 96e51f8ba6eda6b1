"""The sample collection: real handwriting on made-up pages, so that `make run` needs neither data nor network.

The handwriting is scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" set (1,797 digits
of 8 x 8 grey values, 13 writers; https://archive.ics.uci.edu/dataset/80). Each digit is enlarged smoothly,
tilted and inked on a textured, unevenly lit page. No handwritten digit is used on two pages, though it may be
written twice on the same one; so none is on both sides of a split (from 799 pages on, digits repeat).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from include.dataset.annotation import Annotation, Box
from include.dataset.voc import write_annotation

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

PAGE_SIDE = (160, 201)  # pixels, [from, to)
DIGIT_HEIGHT = (34.0, 66.0)  # pixels, before tilting
TILT = 18.0  # degrees to either side
GAP = 3  # pixels between two digits' boxes
PLACING_ATTEMPTS = 40
CLOUDS = ((3, 26), (12, 14), (60, 10))  # cells across the page, grey levels up or down
INK_EDGE = 0.5  # opacity from which a pixel counts as ink, and belongs into the box

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Page:
    """One drawn page: (height, width, 3) uint8 pixels and the boxes of its digits."""

    pixels: Array
    boxes: tuple[Box, ...]


def write_sample(folder: Path, *, seed: int = 20, images: int = 780) -> None:
    """Write the collection as ``images/page-0001.jpg`` and ``annotations/page-0001.xml``.

    The same seed gives the same bytes (within one version of NumPy, Pillow and scikit-learn). The folder appears
    when it is complete, never half-written.

    Raises:
        FileExistsError: the folder is there already.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already. Remove it, or choose another folder for the sample.")
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "images").mkdir(parents=True)
    (staging / "annotations").mkdir()
    for number, page in enumerate(draw_pages(seed, images), start=1):
        name = f"page-{number:04d}"
        height, width, _ = page.pixels.shape
        annotation = Annotation(f"annotations/{name}.xml", f"{name}.jpg", width, height, page.boxes)
        Image.fromarray(page.pixels).save(staging / "images" / f"{name}.jpg", quality=90, subsampling=0)
        (staging / annotation.file).write_bytes(write_annotation(annotation))
    staging.rename(folder)


def draw_pages(seed: int, count: int) -> Iterator[Page]:
    """Draw pages one by one; the first pages are the same whatever ``count`` is."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.images))
    used = 0
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        mine = order[np.arange(used, used + 2 + number % 4 // 3) % len(order)]  # 2, 2, 2, 3, 2, 2, 2, 3 …
        used += len(mine)
        written = [index for index in mine for _ in range(rng.integers(1, 3))]
        yield draw_page(rng, [(digits.images[i] / 16.0, CLASSES[digits.target[i]]) for i in written])


def draw_page(rng: np.random.Generator, digits: list[tuple[Array, str]]) -> Page:
    """Write each digit, an 8 x 8 array in [0, 1] with its class, where there is room for it on a fresh page."""
    width, height = (int(side) for side in rng.integers(*PAGE_SIDE, size=2))
    page = paper(rng, height, width)
    ink = page.mean((0, 1)) * rng.uniform(0.08, 0.4) + rng.uniform(0, 22, size=3)
    boxes: list[Box] = []
    for values, label in digits:
        opacity = enlarge(values, rng.uniform(*DIGIT_HEIGHT), rng.uniform(-TILT, TILT))
        box = place(rng, opacity.shape, (height, width), boxes, label)
        if box is None:
            continue
        boxes.append(box)
        region = page[int(box.ymin) : int(box.ymax), int(box.xmin) : int(box.xmax)]
        region += (ink - region) * opacity[:, :, None] * rng.uniform(0.8, 1.0)
    page *= lighting(rng, height, width)[:, :, None]
    page += rng.uniform(-7, 7, size=page.shape)  # the camera's noise
    return Page(np.clip(page, 0, 255).astype(np.uint8), tuple(boxes))


def enlarge(values: Array, height: float, tilt: float) -> Array:
    """An 8 x 8 digit as opacity in [0, 1], ``height`` pixels high before it is tilted, cropped to its ink."""
    scale = height / 8
    margin = np.pad(values, 1).astype(np.float32)
    side = round(scale * margin.shape[0])
    smooth = Image.fromarray(margin).resize((side, side), Image.Resampling.BICUBIC)
    tilted = np.asarray(smooth.rotate(tilt, Image.Resampling.BICUBIC, expand=True))
    edge = np.clip((tilted - 0.3) / 0.3, 0, 1)
    opacity = edge * edge * (3 - 2 * edge)  # smoothstep: soft strokes become ink with a narrow, soft edge
    rows, columns = np.nonzero(opacity >= INK_EDGE)
    return opacity[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def place(
    rng: np.random.Generator, shape: tuple[int, ...], page: tuple[int, int], others: list[Box], label: str
) -> Box | None:
    """A box for a digit of ``shape`` (rows, columns) that touches no other on the page; None if none was found."""
    rows, columns = shape
    for _ in range(PLACING_ATTEMPTS):
        top = int(rng.integers(2, page[0] - rows - 1))
        left = int(rng.integers(2, page[1] - columns - 1))
        box = Box(label, left, top, left + columns, top + rows)
        if not any(
            box.xmin < other.xmax + GAP
            and other.xmin < box.xmax + GAP
            and box.ymin < other.ymax + GAP
            and other.ymin < box.ymax + GAP
            for other in others
        ):
            return box
    return None


def paper(rng: np.random.Generator, height: int, width: int) -> Array:
    """(height, width, 3) float32 in 0..255: tinted paper, cloudy at several scales, half of it ruled."""
    tint = rng.uniform(150, 245) + rng.uniform(-25, 25, size=3)
    clouds = np.sum([strength * noise(rng, height, width, cells) for cells, strength in CLOUDS], axis=0)
    page = (tint + clouds[:, :, None]).astype(np.float32)
    if rng.random() < 0.5:
        distance, thickness = int(rng.integers(14, 30)), int(rng.integers(1, 3))
        line = rng.uniform(0.65, 0.9)
        for row in range(int(rng.integers(0, distance)), height, distance):
            page[row : row + thickness] *= line
        if rng.random() < 0.4:
            for column in range(int(rng.integers(0, distance)), width, distance):
                page[:, column : column + thickness] *= line
    return page


def noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Array:
    """(height, width) float32 in about [-1, 1]: random values on a grid of ``cells`` x ``cells``, smoothed."""
    grid = rng.uniform(-1, 1, size=(cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def lighting(rng: np.random.Generator, height: int, width: int) -> Array:
    """(height, width) factors around 1: light from one side, and a soft shadow across."""
    down, across = rng.uniform(-0.22, 0.22, size=2)
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    return (1 + down * rows + across * columns + 0.12 * noise(rng, height, width, 3)).astype(np.float32)
