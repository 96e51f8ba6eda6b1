from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from detector_trainer.clouds import mounted_path


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("data/of a job", "data/of a job"),
        ("/absolute", "/absolute"),
        ("gs://bucket", "/gcs/bucket"),
        ("gs://bucket/jobs/one/", "/gcs/bucket/jobs/one"),
    ],
)
def test_buckets_are_where_vertex_mounts_them(location: str, path: str) -> None:
    assert mounted_path(location) == Path(path)


def test_buckets_may_be_mounted_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GCS_MOUNT", str(tmp_path))
    assert mounted_path("gs://bucket/data") == tmp_path / "bucket" / "data"


@pytest.mark.parametrize("location", ["s3://bucket/x", "gs://", "gs://../x", "gs://bucket/../other", "gs://bucket//x"])
def test_other_addresses_are_refused(location: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="neither a path nor gs://"):
        mounted_path(location)
