"""Images that later steps could not decode are refused; what they look like is recognised."""

import io

import pytest
from PIL import Image

from include.dataset import image_check
from include.dataset.image_check import inspect_image
from include.dataset.near_duplicates import RADIUS
from include.dataset.quarantine import Refused
from tests.dataset.folders import encode


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        inspect_image(data, "a.jpg")
    return refused.value.problem.code


def exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[image_check.EXIF_ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_facts(format: str) -> None:
    data = encode(1, (300, 200), format)
    facts = inspect_image(data, "a")
    assert (facts.width, facts.height, facts.format, facts.bytes) == (300, 200, format, len(data))


@pytest.mark.parametrize("cut", [1, 2, 10, 500])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_jpeg_is_refused_however_little_is_missing(cut: int, options: dict[str, bool]) -> None:
    assert refusal(encode(1, (300, 200), "jpeg", **options)[:-cut]) == "truncated_image"


@pytest.mark.parametrize("cut", [1, 12, 20, 500])
def test_a_png_is_refused_however_little_is_missing(cut: int) -> None:
    assert refusal(encode(1, (300, 200), "png")[:-cut]) == "truncated_image"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_what_passes_here_tensorflow_decodes(mode: str) -> None:
    tf = pytest.importorskip("tensorflow")
    file = io.BytesIO()
    Image.new(mode, (30, 20)).save(file, "jpeg" if mode in {"L", "CMYK"} else "png")
    inspect_image(file.getvalue(), "a")
    assert tf.io.decode_image(file.getvalue(), channels=3, expand_animations=False).shape == (20, 30, 3)


@pytest.mark.parametrize("data", [b"", b"hello", encode(1, format="gif"), encode(1, format="bmp")])
def test_other_contents_are_refused(data: bytes) -> None:
    assert refusal(data) == "unsupported_format"


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (8_100, 8_000)).save(file, "png")
    assert len(file.getvalue()) < 20_000
    assert refusal(file.getvalue()) == "too_many_pixels"


@pytest.mark.parametrize("orientation", range(1, 10))
def test_images_stored_on_their_side_are_refused(orientation: int) -> None:
    data = encode(1, exif=exif(orientation))
    if orientation in (5, 6, 7, 8):
        assert refusal(data) == "exif_rotated"
    else:
        assert inspect_image(data, "a").orientation == (orientation if orientation < 9 else 1)


def test_the_hash_survives_scaling_and_encoding_but_tells_images_apart() -> None:
    original = inspect_image(encode(1, (400, 300)), "a").dhash
    for other in (encode(1, (200, 150)), encode(1, (400, 300), "png"), encode(1, (400, 300), quality=40)):
        assert (original ^ inspect_image(other, "a").dhash).bit_count() <= RADIUS
    assert (original ^ inspect_image(encode(2, (400, 300)), "a").dhash).bit_count() > 2 * RADIUS
