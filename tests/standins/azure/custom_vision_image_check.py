"""What the service looks at in an image that is sent, and in its regions."""

from __future__ import annotations

import io
import math
from collections.abc import Collection
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.standins.azure.custom_vision_account import MAX_ASPECT, MAX_IMAGE_BYTES, MAX_SIDE
from tests.standins.azure.custom_vision_errors import Refusal

FORMATS = ("JPEG", "PNG", "BMP", "GIF")
OK, DUPLICATE = "OK", "OKDuplicate"
EDGES = ("left", "top", "width", "height")
ROUNDING = 1e-6  # by which a region's far side may pass 1, for JSON has what a client computed in floats


class BadImage(Exception):
    """Not an image that may be uploaded; the message is an ``ImageCreateStatus``."""


def size_of(encoded: bytes, most_bytes: int = MAX_IMAGE_BYTES) -> tuple[int, int]:
    """Width and height of an image in pixels; it is decoded to its end, at low resolution where its format can.

    Raises:
        BadImage: too many bytes, no image of a known format, too many pixels.
    """
    if len(encoded) > most_bytes:
        raise BadImage("ErrorImageSize")
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
            if max(width, height) > MAX_SIDE or max(width, height) > MAX_ASPECT * min(width, height):
                raise BadImage("ErrorImageDimensions")
            image.draft("RGB", (1, 1))
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadImage("ErrorImageFormat") from error
    return width, height


def check_region(region: Any, tags: Collection[str]) -> dict[str, Any]:
    """A region with its four edges as floats.

    Raises:
        Refusal: it does not lie within the image, or is none at all. The message is from memory, not verified.
        BadImage: its tag is not one of ``tags``.
    """
    try:
        tag = str(region["tagId"])
        left, top, width, height = edges = [float(region[edge]) for edge in EDGES]
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal("BadRequestImageRegions", f"A region needs a tagId and {', '.join(EDGES)}.") from error
    inside = left >= 0 and top >= 0 and left + width <= 1 + ROUNDING and top + height <= 1 + ROUNDING
    if not all(map(math.isfinite, edges)) or not inside or width <= 0 or height <= 0:
        raise Refusal(
            "BadRequestImageRegions",
            f"Invalid region (left {left:g}, top {top:g}, width {width:g}, height {height:g}): it must have an area "
            "and lie within the image, all sides between 0 and 1.",
        )
    if tag not in tags:
        raise BadImage("ErrorInvalidTag")
    return {"tagId": tag, **dict(zip(EDGES, edges, strict=True))}
