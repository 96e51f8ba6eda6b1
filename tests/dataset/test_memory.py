"""100,000 images within 1 GB: what each image adds, measured on few. `python -m benches.memory` does it on all."""

from __future__ import annotations

from benches.memory import LIMIT, measure

FEW, MORE = 500, 3500
GOAL = 100_000  # images


def test_memory_grows_little_with_the_number_of_images() -> None:
    few, _, _ = measure(FEW)
    more, _, _ = measure(MORE)
    each = max(more - few, 0) / (MORE - FEW)
    assert few + each * GOAL < LIMIT, f"{each / 1e3:.1f} kB for each image, on top of {few / 1e6:.0f} MB"
