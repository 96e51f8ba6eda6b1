"""Is this file an image that every later step can decode, and which?"""

from __future__ import annotations

import hashlib
import io
from typing import Literal, NamedTuple

from google_crc32c import value as crc32c
from PIL import Image

from include.dataset.quarantine import Refused

MAX_BYTES = 64 << 20
MAX_PIXELS = 64_000_000
PNG_END = b"IEND\xaeB`\x82"  # the last chunk, with its checksum
EXIF_ORIENTATION = 0x0112
TURNED = range(5, 9)  # EXIF orientations whose width and height are exchanged
THUMBNAIL = (64, 64)  # pixels; a JPEG is decoded no larger than it must be to have at least so many
FORMATS: dict[str | None, Literal["jpeg", "png"]] = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}


class ImageFacts(NamedTuple):
    """What the bytes of an image say, whatever its name or annotation say."""

    sha256: str  # hex
    bytes: int
    width: int  # pixels, as stored (EXIF orientation not applied, as TensorFlow does not apply it either)
    height: int
    format: Literal["jpeg", "png"]
    dhash: int  # 64 bits
    orientation: int  # EXIF, 1 = upright
    frames: int  # more than 1 in an animated PNG
    crc32c: int


def inspect_image(data: bytes, file: str) -> ImageFacts:
    """Decode an image once, to its end, and describe it.

    A JPEG is decoded at the smallest scale that libjpeg offers: all of its entropy-coded data is still read, so a
    truncated file is found, at about half the cost.

    Raises:
        Refused: ``unsupported_format``, ``too_many_pixels``, ``truncated_image`` or ``exif_rotated``.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Refused("too_many_pixels", file, value=f"{width} x {height}, limit {MAX_PIXELS}")
        image.draft("L", THUMBNAIL)
        image.load()
        dhash = difference_hash(image)
    except Refused:
        raise
    except Image.UnidentifiedImageError as error:
        raise Refused("unsupported_format", file, value=data[:16]) from error
    except Image.DecompressionBombError as error:
        raise Refused("too_many_pixels", file, value=error) from error
    except Exception as error:  # whatever a decoder makes of hostile bytes, the file is unusable
        raise Refused("truncated_image", file, value=error) from error
    if image.format == "PNG" and data.rfind(PNG_END) < 0:  # Pillow lets that pass, TensorFlow does not
        raise Refused("truncated_image", file, value="no IEND chunk")
    orientation = exif_orientation(image)
    if orientation in TURNED:
        raise Refused("exif_rotated", file, "EXIF Orientation", orientation)
    return ImageFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=width,
        height=height,
        format=FORMATS[image.format],
        dhash=dhash,
        orientation=orientation,
        frames=getattr(image, "n_frames", 1) if image.format == "PNG" else 1,
        crc32c=crc32c(data),
    )


def exif_orientation(image: Image.Image) -> int:
    """How the image is meant to be turned, 1 (upright) where that is not said or not readable."""
    if "exif" not in image.info:
        return 1
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION)
    except Exception:  # Pillow's EXIF parser raises many; broken metadata makes no image unusable
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def difference_hash(image: Image.Image) -> int:
    """64 bits, one for each pair of neighbours on a 9 x 8 thumbnail: is the left one brighter?

    Survives scaling, re-encoding and brightness; http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    grey = image.convert("L").resize((9, 8), Image.Resampling.BILINEAR).tobytes()
    bits = 0
    for row in range(0, 72, 9):
        for left in range(row, row + 8):
            bits = bits << 1 | (grey[left] > grey[left + 1])
    return bits
