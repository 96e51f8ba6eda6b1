"""Files to a bucket and back, against a real emulator of Cloud Storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket

from tests.standins.google.gcs import gcs_standin, why_not
from training_services.bucket import Transfer, TransferDamaged, claim, crc32c_of, download, upload, upload_once
from training_services.vertex.cloud import GoogleCloud

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleCloud]:
    with gcs_standin(tmp_path_factory.mktemp("gcs")) as gcs:
        yield GoogleCloud(AnonymousCredentials(), "project", {"storage": gcs.url})


@pytest.fixture
def bucket(cloud: GoogleCloud, request: pytest.FixtureRequest) -> Bucket:
    name = request.node.name.replace("_", "-")[:60].strip("-")
    return cloud.storage.create_bucket(name)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Small ones, an empty one, and one that is sent in pieces."""
    contents = {"data/a": b"a" * 1000, "data/empty": b"", "data/train/b": b"b" * 3000, "jobs/c": bytes(10_000_000)}
    for name, content in contents.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    return {f"lanner/{name}": tmp_path / "in" / name for name in contents}


def test_only_what_differs_is_sent(bucket: Bucket, files: dict[str, Path]) -> None:
    told: list[str] = []
    assert upload(bucket, files, told.append) == Transfer(4, 10_004_000, 0)
    assert len(told) == 4
    assert upload(bucket, files) == Transfer(0, 0, 4)
    files["lanner/data/a"].write_bytes(b"other")
    assert upload(bucket, files) == Transfer(1, 5, 3)
    assert {blob.name: blob.crc32c for blob in bucket.list_blobs()} == {
        name: crc32c_of(file) for name, file in files.items()
    }


def test_only_what_differs_is_fetched(bucket: Bucket, files: dict[str, Path], tmp_path: Path) -> None:
    upload(bucket, files)
    into = tmp_path / "out"
    assert download(bucket, "lanner/data", into) == Transfer(3, 4000, 0)
    (into / "a").write_bytes(b"damaged")
    assert download(bucket, "lanner/data/", into) == Transfer(1, 1000, 2)
    assert (into / "a").read_bytes() == b"a" * 1000
    assert sorted(file.relative_to(into).as_posix() for file in into.rglob("*") if file.is_file()) == [
        "a",
        "empty",
        "train/b",
    ]
    assert download(bucket, "lanner/data", tmp_path / "less", skip=lambda name: name.startswith("train/")).files == 2
    assert download(bucket, "lanner/dat", tmp_path / "none") == Transfer(0, 0, 0), "a prefix is a folder"


def test_an_object_that_would_leave_the_folder_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    bucket.blob("lanner/..\\outside").upload_from_string(b"x")  # of other such names the emulator makes harmless ones
    with pytest.raises(ValueError, match="which would leave"):
        download(bucket, "lanner", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_another_wrote_meanwhile_is_noticed(
    bucket: Bucket, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(bucket, files)
    monkeypatch.setattr("training_services.bucket._listed", lambda *_: {})  # looked before the other had written
    assert upload(bucket, files).files == 4, "the same bytes were ours, or as good"
    bucket.blob("lanner/data/a").upload_from_string(b"of another")
    with pytest.raises(TransferDamaged, match=r"lanner/data/a has CRC-32C .* Something else writes there"):
        upload(bucket, files)


def test_what_is_there_once_is_left_as_it_is(bucket: Bucket, tmp_path: Path) -> None:
    def build(contents: bytes) -> Path:
        (tmp_path / "built").write_bytes(contents)
        return tmp_path / "built"

    upload_once(bucket, "trainer/t.tar.gz", lambda: build(b"first"))
    upload_once(bucket, "trainer/t.tar.gz", lambda: pytest.fail("built although it is there"))
    upload_once(bucket, "trainer/other.tar.gz", lambda: race(bucket, build(b"second")))
    assert [blob.download_as_bytes() for blob in bucket.list_blobs()] == [b"of another", b"first"]


def race(bucket: Bucket, built: Path) -> Path:
    """While it is built, another is faster."""
    bucket.blob("trainer/other.tar.gz").upload_from_string(b"of another")
    return built


def test_only_the_first_claim_counts(bucket: Bucket) -> None:
    assert claim(bucket, "jobs/one/claim", b"first") == b"first"
    assert claim(bucket, "jobs/one/claim", b"second") == b"first"
