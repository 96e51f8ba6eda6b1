"""How much memory the whole data side takes: check, plan, convert and publish, in a process of its own.

    python -m benches.memory --images 100000

Tiny photographs, all different, three boxes each: memory grows with the number of images and boxes, not with the
bytes of the images, of which one is in memory at a time.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benches.peak import peak_memory
from include.dataset.annotation import Annotation, Box
from include.dataset.batch import check_batch
from include.dataset.build import convert_missing, plan_shards, publish_dataset
from include.dataset.voc import write_annotation
from include.store import Store

LIMIT = 1_000_000_000  # bytes, for 100,000 images
WIDTH, HEIGHT = 36, 32  # pixels


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.memory", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    peak, seconds, stages = measure(images)
    print(f"{images} images, {3 * images} boxes: peak {peak / 1e6:.0f} MB in {seconds:.0f} s")
    for stage, (bytes_so_far, spent) in stages.items():
        print(f"  {stage:<8} {bytes_so_far / 1e6:6.0f} MB {spent:6.1f} s")
    print(f"limit for 100,000 images: {LIMIT / 1e6:.0f} MB")
    return int(peak > LIMIT)


def measure(images: int) -> tuple[int, float, dict[str, tuple[int, float]]]:
    """Peak resident memory in bytes and seconds of a build of so many images, and after each of its stages."""
    with tempfile.TemporaryDirectory(prefix="lanner-bench-") as scratch:
        write_pictures(Path(scratch, "batch"), images)
        command = [sys.executable, "-m", "benches.memory", "--build", f"{scratch}/batch", f"{scratch}/store"]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"The build failed:\n{done.stderr}")
    stages = {name: (peak, spent) for name, peak, spent in map(json.loads, done.stdout.splitlines())}
    return max(peak for peak, _ in stages.values()), sum(spent for _, spent in stages.values()), stages


def write_pictures(folder: Path, images: int) -> None:
    random = np.random.default_rng(0)
    for number in range(images):
        stem = f"{number // 1000:04}/camera-7-frame-{number:08}"
        path = folder / f"{stem}.jpg"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        pixels = np.repeat(np.repeat(random.integers(0, 256, (8, 9), np.uint8), 4, axis=0), 4, axis=1)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "jpeg")
        path.write_bytes(file.getvalue())
        boxes = tuple(Box(("cat", "dog", "bird")[each], 1.0 + each, 2.0, 20.0 + number % 10, 25.0) for each in range(3))
        path.with_suffix(".xml").write_bytes(write_annotation(Annotation("", path.name, WIDTH, HEIGHT, boxes)))


def build(folder: str, store_folder: str) -> None:
    """The build itself, in the process that is measured; prints a line of JSON after each stage."""
    store = Store(store_folder)
    begun = time.perf_counter()

    def done(stage: str) -> None:
        nonlocal begun
        print(json.dumps([stage, peak_memory(), time.perf_counter() - begun]), flush=True)
        begun = time.perf_counter()

    done("imports")
    check_batch(folder, store=store, collection="bench", key="all")
    done("check")
    plan = plan_shards(store, collection="bench", key="all")
    done("plan")
    convert_missing(store, plan)
    done("convert")
    publish_dataset(store, plan)
    done("publish")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(*sys.argv[2:])
    else:
        sys.exit(main())
