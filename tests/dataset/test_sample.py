"""The sample collection: same bytes always, legible, boxes tight around the ink."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from include.dataset.sample import CLASSES, INK_EDGE, draw_pages, enlarge, write_sample


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_same_seed_gives_same_bytes(tmp_path: Path) -> None:
    write_sample(tmp_path / "one", images=6)
    write_sample(tmp_path / "two", images=6)
    write_sample(tmp_path / "other", seed=21, images=6)
    one = contents(tmp_path / "one")
    assert len(one) == 12
    assert one == contents(tmp_path / "two")
    assert one != contents(tmp_path / "other")


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="exists already"):
        write_sample(tmp_path, images=1)


def test_pages_have_legible_digits_of_every_class_that_do_not_touch() -> None:
    pages = list(draw_pages(seed=20, count=60))
    labels = Counter(box.label for page in pages for box in page.boxes)
    assert set(labels) == set(CLASSES)
    for page in pages:
        height, width, _ = page.pixels.shape
        assert page.boxes
        for box in page.boxes:
            assert 0 < box.xmin < box.xmax < width and 0 < box.ymin < box.ymax < height
            assert box.ymax - box.ymin >= 20
        for one in page.boxes:
            for other in page.boxes:
                apart = one.xmax < other.xmin or other.xmax < one.xmin or one.ymax < other.ymin or other.ymax < one.ymin
                assert one is other or apart


def test_the_crop_is_tight_around_the_ink() -> None:
    from sklearn.datasets import load_digits

    ink = enlarge(load_digits().images[5] / 16.0, height=48.0, tilt=10.0) >= INK_EDGE
    assert ink[0].any() and ink[-1].any() and ink[:, 0].any() and ink[:, -1].any()
    assert 0.1 < np.mean(ink) < 0.7
