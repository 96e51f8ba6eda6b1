"""Is each image whole, and no bomb? Per CPU second, against Pillow's full decode.

Both read each file, hash it, refuse what has too many pixels before decoding it, and decode the rest to its end, which
is how a truncated file is found. Ours decodes a JPEG at the smallest scale (all of its data is still read) and also
computes the hash by which near-duplicates are found, and reads EXIF's orientation. Among the images are broken ones;
both must find the same.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib

from PIL import Image

from benches.measure import Asked, Goal, Row, main, side_by_side
from benches.pictures import Pictures, picture_sets
from include.dataset.image_check import MAX_BYTES, MAX_PIXELS, inspect_image
from include.dataset.quarantine import Refused
from include.dataset.source import read_inside

ONE_BROKEN_IN = 20
Findings = dict[str, tuple[str, int, int] | str]  # of each file: hash, width, height; or why it is refused


def bench(asked: Asked) -> list[Row]:
    with picture_sets(asked.data) as sets:
        return [compare(pictures) for pictures in sets]


def compare(pictures: Pictures) -> Row:
    broken = add_broken(pictures)
    if (mine := check(pictures)) != (plain := check_plainly(pictures)):
        different = [name for name in mine if mine[name] != plain[name]]
        raise AssertionError(f"The two ways do not find the same in {different}.")
    ours, theirs = side_by_side(lambda: check(pictures), lambda: check_plainly(pictures))
    return Row(
        work="image checks",
        against="read, hash, Pillow's full decode",
        on=f"{pictures.name}, and {broken} broken ones: same findings",
        ours=ours.rate(len(mine), "images"),
        theirs=theirs.rate(len(mine), "images"),
        ratio=theirs.times(ours),
        goal=Goal("≥", 1.2),
    )


def check(pictures: Pictures) -> Findings:
    found: Findings = {}
    for name in names(pictures):
        try:
            facts = inspect_image(read_inside(pictures.images, name, MAX_BYTES), name)
            found[name] = (facts.sha256, facts.width, facts.height)
        except Refused as refused:
            found[name] = refused.problem.code
    return found


def check_plainly(pictures: Pictures) -> Findings:
    found: Findings = {}
    for name in names(pictures):
        data = (pictures.images / name).read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
            width, height = image.size
            if width * height > MAX_PIXELS:
                found[name] = "too_many_pixels"
                continue
            image.load()
            found[name] = (sha256, width, height)
        except Image.UnidentifiedImageError:
            found[name] = "unsupported_format"
        except Image.DecompressionBombError:
            found[name] = "too_many_pixels"
        except (OSError, SyntaxError):
            found[name] = "truncated_image"
    return found


def names(pictures: Pictures) -> list[str]:
    return sorted(path.name for path in pictures.images.iterdir())


def add_broken(pictures: Pictures) -> int:
    """Put damaged copies, texts that call themselves images, and bombs beside the images. Returns how many."""
    sound = sorted(pictures.images.iterdir())[::ONE_BROKEN_IN]
    for number, path in enumerate(sound):
        data = path.read_bytes()
        kinds = (data[: len(data) // 2], data[:-2000], b"<html>not found</html>", bomb(30_000), data[:100])
        (pictures.images / f"broken{number:05}.jpg").write_bytes(kinds[number % len(kinds)])
    return len(sound)


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    main(__doc__, bench)
