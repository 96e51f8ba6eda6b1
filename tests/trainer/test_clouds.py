from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from detector_trainer.clouds import mounted_path, with_mounted_weights
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput


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


@pytest.mark.parametrize("weights", ["none", "imagenet", "/there/w.h5"])
def test_weights_that_are_in_no_bucket_stay_as_they_are(weights: str) -> None:
    assert with_mounted_weights(Configuration(weights=weights)) == Configuration(weights=weights)


def test_weights_in_a_bucket_are_read_from_its_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GCS_MOUNT", str(tmp_path))
    found = with_mounted_weights(Configuration(weights="gs://bucket/weights/w.h5"))
    assert found.weights == f"{tmp_path}/bucket/weights/w.h5"


def test_weights_that_azure_mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = Configuration(weights="azureml-input://weights/w.h5")
    with pytest.raises(BadInput, match=r"this job has no input 'weights' \(no AZURE_ML_INPUT_weights\)"):
        with_mounted_weights(asked)
    monkeypatch.setenv("AZURE_ML_INPUT_weights", str(tmp_path))
    assert with_mounted_weights(asked).weights == f"{tmp_path}/w.h5"
    with pytest.raises(BadInput, match="is neither a path nor"):
        with_mounted_weights(Configuration(weights="azureml-input://weights/../w.h5"))


def test_weights_elsewhere_are_bad_input() -> None:
    with pytest.raises(BadInput, match=r"weights: 's3://bucket/w.h5' is neither a path nor gs://"):
        with_mounted_weights(Configuration(weights="s3://bucket/w.h5"))
