"""Draw an image's truth and detections, for people."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from include.scoring.misses import Verdict

LONGEST_SIDE = 480  # pixels
ENLARGE_AT_MOST = 3.0
JPEG_QUALITY = 82
FONT_SIZE = 17
LINE = 3

FOUND = "#16a34a"  # truth that was found, and the detection that found it
MISSED = "#d946ef"  # truth without a detection
FALSE = "#f97316"  # a detection without truth


def draw(verdict: Verdict, label_map: Mapping[int, str]) -> bytes:
    """A JPEG with the truth in dashes and the confident detections in lines with class and score."""
    from PIL import Image, ImageDraw, ImageFont

    image = verdict.image
    scale = min(LONGEST_SIDE / max(image.width, image.height), ENLARGE_AT_MOST)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    picture = Image.open(io.BytesIO(image.encoded)).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    canvas = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT_SIZE)

    for box, missed in zip(image.boxes * scale, verdict.missed, strict=True):
        _dashed_rectangle(canvas, _corners(box), MISSED if missed else FOUND)
    for box, class_id, missed in zip(image.boxes * scale, image.classes, verdict.missed, strict=True):
        if missed:
            _label(canvas, _corners(box), f"{label_map[int(class_id)]} missed", MISSED, font, below=True)
    found = verdict.detections
    for box, class_id, score, false in zip(found.xywh(*size), found.classes, found.scores, verdict.false, strict=True):
        colour = FALSE if false else FOUND
        canvas.rectangle(_corners(box), outline=colour, width=LINE)
        _label(canvas, _corners(box), f"{label_map[int(class_id)]} {score:.2f}", colour, font)

    jpeg = io.BytesIO()
    picture.save(jpeg, "jpeg", quality=JPEG_QUALITY, optimize=True)
    return jpeg.getvalue()


Corners = tuple[float, float, float, float]  # left, top, right, bottom


def _corners(xywh: np.ndarray) -> Corners:
    left, top, width, height = (float(value) for value in xywh)
    return left, top, left + width, top + height


def _dashed_rectangle(canvas, corners: Corners, colour: str, dash: int = 8) -> None:
    left, top, right, bottom = corners
    for start in np.arange(left, right, 2 * dash):
        for y in (top, bottom):
            canvas.line((start, y, min(start + dash, right), y), fill=colour, width=LINE)
    for start in np.arange(top, bottom, 2 * dash):
        for x in (left, right):
            canvas.line((x, start, x, min(start + dash, bottom)), fill=colour, width=LINE)


def _label(canvas, corners: Corners, text: str, colour: str, font, *, below: bool = False) -> None:
    """Text on a patch of colour at the box's upper edge, or under its lower one, kept inside the picture."""
    width, height = canvas.im.size
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    text_width, text_height = right - left + 6, bottom - top + 4
    x = min(max(corners[0], 0), max(width - text_width, 0))
    y = corners[3] if below else corners[1] - text_height
    y = min(max(y, 0), max(height - text_height, 0))
    canvas.rectangle((x, y, x + text_width, y + text_height), fill=colour)
    canvas.text((x + 3 - left, y + 2 - top), text, fill="white", font=font)
