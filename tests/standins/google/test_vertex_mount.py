"""The folder that stands for /gcs: what comes from the bucket, and what goes back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.cloud import storage

from tests.standins.google.gcs_objects import Objects
from tests.standins.google.vertex_mount import Mount


@pytest.fixture
def mount(emulator: str, tmp_path: Path) -> Mount:
    return Mount(tmp_path / "gcs", Objects(emulator), tmp_path / "access.jsonl", "1")


def test_what_is_named_comes(mount: Mount, bucket: storage.Bucket) -> None:
    """By URI, by path, as an object or as a folder; nothing else."""
    for name in ("m/one", "m/two/a", "m/two/b/c", "m/two-else", "m/three"):
        bucket.blob(name).upload_from_string(name)
    mount.fetch([f"--weights=gs://{bucket.name}/m/one", f"/gcs/{bucket.name}/m/two/", "gs://no-such-bucket/m"])
    there = {
        str(file.relative_to(mount.folder)): file.read_text() for file in mount.folder.rglob("*") if file.is_file()
    }
    assert there == {f"{bucket.name}/{name}": name for name in ("m/one", "m/two/a", "m/two/b/c")}


def test_what_changes_goes_back(mount: Mount, bucket: storage.Bucket) -> None:
    for name in ("w/kept", "w/changed", "w/deleted"):
        bucket.blob(name).upload_from_string("old")
    kept = bucket.get_blob("w/kept").generation
    mount.fetch([f"gs://{bucket.name}/w"])
    folder = mount.folder / bucket.name / "w"
    (folder / "changed").write_text("newer")
    (folder / "deleted").unlink()
    (folder / "new").write_text("new")
    mount.upload_changes(last=True)
    content = {blob.name: blob.download_as_bytes() for blob in bucket.list_blobs(prefix="w/")}
    assert content == {"w/kept": b"old", "w/changed": b"newer", "w/new": b"new"}
    assert bucket.get_blob("w/kept").generation == kept


def test_a_file_that_grows_waits(mount: Mount, bucket: storage.Bucket) -> None:
    mount.fetch([f"gs://{bucket.name}/g/"])
    file = mount.folder / bucket.name / "g" / "log"
    file.parent.mkdir(parents=True, exist_ok=True)
    for size in (1, 2, 3):
        file.write_bytes(os.urandom(size))
        mount.upload_changes()
    assert not bucket.blob("g/log").exists()
    mount.upload_changes()
    assert bucket.blob("g/log").exists()


def test_nothing_goes_back_before_it_came(mount: Mount, bucket: storage.Bucket) -> None:
    """What a killed runner left in the folder is not the bucket's business."""
    left = mount.folder / bucket.name / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    mount.upload_changes(last=True)
    assert not bucket.blob("left").exists()
