"""A disk that is full, or read-only: a clear word, nothing half-written, and the same result once there is room.

Real disks: small ones in memory, mounted in a namespace of the test's own. Skipped where that is not allowed.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from include.dataset.sample import write_sample

PROJECT = Path(__file__).resolve().parents[1]
DISK_MEGABYTES = 12
COMMON = """
import hashlib, os, sys
from pathlib import Path
from include.store import Store

source, disk = Path(sys.argv[1]), Path(sys.argv[2])
def files(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "images"
    write_sample(folder, images=60)
    return folder


def on_a_small_disk(tmp_path: Path, digits: Path, script: str) -> list[str]:
    """Lines that a script prints which has a small disk at ``disk``; the images lie at ``source``."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(COMMON + textwrap.dedent(script))
    mount = f"mount -t tmpfs -o size={DISK_MEGABYTES}m tmpfs '{tmp_path}/disk'"
    run = f"'{sys.executable}' '{tmp_path}/script.py' '{digits}' '{tmp_path}/disk'"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && echo mounted && {run}"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={"PYTHONPATH": f"{PROJECT}:{PROJECT}/include/trainer/src", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    if not done.stdout.startswith("mounted"):
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[1:]


def test_a_full_store_says_so_leaves_no_halves_and_goes_on_when_there_is_room(tmp_path: Path, digits: Path) -> None:
    lines = on_a_small_disk(
        tmp_path,
        digits,
        """
        from include.dataset.__main__ import main

        def build(store):
            return main(["build", str(source), "--store", str(store), "--collection", "digits"])

        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > 400_000:
                file.write(b"x" * 100_000)
                file.flush()
        print("code", build(disk / "store"))
        print("halves", [name for name in files(disk / "store") if name.endswith(".part")])
        ballast.unlink()
        print("code", build(disk / "store"))
        build(Path(sys.argv[0]).parent / "elsewhere")
        print("same", files(disk / "store") == files(Path(sys.argv[0]).parent / "elsewhere"))
        """,
    )
    assert "code 2" in lines, lines
    assert "halves []" in lines
    assert lines[-1] == "same True", lines
    assert "code 0" in lines


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_the_error_says_what_to_do(tmp_path: Path, digits: Path, how: str) -> None:
    lines = on_a_small_disk(
        tmp_path,
        digits,
        f"""
        store = Store(disk / "store")
        store.write("a/old", b"old")
        if {how!r} == "full":
            big = b"x" * (20 << 20)
        else:
            assert os.system(f"mount -o remount,ro '{{disk}}'") == 0
            big = b"new"
        try:
            store.write("a/old", big)
        except OSError as error:
            print(type(error).__name__, error.strerror)
        print(store.read("a/old"), sorted(files(disk)))
        """,
    )
    error, left = lines
    assert error.startswith("StoreFull" if how == "full" else "StoreNotWritable")
    assert "a/old cannot be written" in error
    assert "clear the task" in error
    assert left == "b'old' ['store/a/old']"
