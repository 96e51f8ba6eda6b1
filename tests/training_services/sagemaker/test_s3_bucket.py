"""Files to S3 and back, against an emulator."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.session import Session

from include.clouds.aws_account import ALL_SERVICES, AwsAccount
from tests.standins.aws.server import REGION, aws_standin
from training_services import checksums
from training_services.sagemaker import s3_bucket
from training_services.sagemaker.s3_bucket import S3Bucket
from training_services.transfer import Transfer, TransferDamaged


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccount]:
    with aws_standin(tmp_path_factory.mktemp("aws")) as server:
        session = Session("rehearsal", "rehearsal", region_name=REGION)
        yield AwsAccount(session, REGION, {ALL_SERVICES: server.url})


@pytest.fixture
def bucket(account: AwsAccount, request: pytest.FixtureRequest) -> S3Bucket:
    name = request.node.name.replace("_", "-")[:60].strip("-")
    account.call("s3", "create_bucket", Bucket=name)
    return S3Bucket(account, name)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Small ones, an empty one, and one that is sent in pieces."""
    monkeypatch.setattr(s3_bucket, "SENT_WHOLE", 8 << 20)
    monkeypatch.setattr(s3_bucket, "PIECE_BYTES", 5 << 20)
    contents = {"data/a": b"a" * 1000, "data/empty": b"", "data/train/b": b"b" * 3000, "jobs/c": bytes(12_000_000)}
    for name, content in contents.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    return {f"lanner/{name}": tmp_path / "in" / name for name in contents}


def put(bucket: S3Bucket, key: str, content: bytes) -> None:
    bucket.account.call("s3", "put_object", Bucket=bucket.name, Key=key, Body=content)


def test_only_what_differs_is_sent(bucket: S3Bucket, files: dict[str, Path]) -> None:
    told: list[str] = []
    assert bucket.upload(files, told.append) == Transfer(4, 12_004_000, 0)
    assert len(told) == 4
    assert bucket.upload(files) == Transfer(0, 0, 4)
    files["lanner/data/a"].write_bytes(b"b" * 1000)  # as long as before
    assert bucket.upload(files) == Transfer(1, 1000, 3)
    assert {key for key, *_ in bucket.objects("lanner/")} == files.keys()
    assert all(bucket._holds(key, file) for key, file in files.items())
    assert len(bucket.account.call("s3", "list_multipart_uploads", Bucket=bucket.name).get("Uploads", [])) == 0


def test_where_etags_say_nothing_checksums_do(
    bucket: S3Bucket, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a KMS key."""
    bucket.upload(files)
    monkeypatch.setattr(s3_bucket, "md5_of", lambda file: "of something else")
    assert bucket.upload(files) == Transfer(0, 0, 4)
    files["lanner/data/a"].write_bytes(b"b" * 1000)
    assert bucket.upload(files) == Transfer(1, 1000, 3)


def test_a_large_file_is_asked_for_by_itself(bucket: S3Bucket, files: dict[str, Path]) -> None:
    """As long as another, with another CRC-32; and what another program sent, of which S3 keeps none."""
    large = files["lanner/jobs/c"]
    bucket.upload({"lanner/jobs/c": large})
    with large.open("r+b") as opened:
        opened.write(b"changed")
    assert bucket.upload({"lanner/jobs/c": large}) == Transfer(1, 12_000_000, 0)
    sent = {"Key": "lanner/jobs/c", "Body": large.read_bytes(), "ChecksumAlgorithm": "SHA256"}
    bucket.account.call("s3", "put_object", Bucket=bucket.name, **sent)
    assert bucket.upload({"lanner/jobs/c": large}) == Transfer(1, 12_000_000, 0)
    assert bucket.upload({"lanner/jobs/c": large}) == Transfer(0, 0, 1)


def test_what_was_read_once_is_not_read_again(
    bucket: S3Bucket, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor asked for one by one; and one that was changed since is."""
    for file in files.values():
        os.utime(file, (1e9, 1e9))
    monkeypatch.setattr(checksums, "SETTLED_NS", -1)  # their last change was a moment ago
    there = S3Bucket(bucket.account, bucket.name, folder=tmp_path)
    there.upload(files)
    read: list[Path] = []
    for name in ("crc32_of", "md5_of"):
        reckoned = getattr(checksums, name)
        counted = functools.wraps(reckoned)(lambda file, reckoned=reckoned: read.append(file) or reckoned(file))
        monkeypatch.setattr(s3_bucket, name, counted)
    assert there.upload(files) == Transfer(0, 0, 4)
    assert read == []
    files["lanner/data/a"].write_bytes(b"b" * 1000)
    os.utime(files["lanner/data/a"], (1e9, 1e9))  # only its inode's own time tells
    assert there.upload(files) == Transfer(1, 1000, 3)
    assert set(read) == {files["lanner/data/a"]}
    assert bucket.upload(files) == Transfer(0, 0, 4)
    assert set(read) == set(files.values())


def test_a_bucket_that_may_not_be_listed_is_no_upload(
    bucket: S3Bucket, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError("s3.list_objects_v2 answered AccessDenied")

    monkeypatch.setattr(S3Bucket, "objects", refused)
    with pytest.raises(PermissionError, match="AccessDenied"):
        bucket.upload(files)


def test_only_what_differs_is_fetched(bucket: S3Bucket, files: dict[str, Path], tmp_path: Path) -> None:
    bucket.upload(files)
    into = tmp_path / "out"
    assert bucket.download("lanner/data", into) == Transfer(3, 4000, 0)
    (into / "a").write_bytes(b"damaged!" * 125)
    assert bucket.download("lanner/data/", into) == Transfer(1, 1000, 2)
    assert (into / "a").read_bytes() == b"a" * 1000
    assert sorted(file.relative_to(into).as_posix() for file in into.rglob("*") if file.is_file()) == [
        "a",
        "empty",
        "train/b",
    ]
    assert bucket.download("lanner/data", tmp_path / "less", skip=lambda name: name.startswith("train/")).files == 2
    assert bucket.download("lanner/dat", tmp_path / "none") == Transfer(0, 0, 0), "a prefix is a folder"
    assert bucket.download("lanner/jobs", tmp_path / "large").bytes == 12_000_000


def test_an_object_that_would_leave_the_folder_is_refused(bucket: S3Bucket, tmp_path: Path) -> None:
    put(bucket, "lanner/..\\outside", b"x")
    with pytest.raises(ValueError, match="which would leave"):
        bucket.download("lanner", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_another_wrote_meanwhile_is_noticed(
    bucket: S3Bucket, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = bucket._transfers.upload

    def overtaken(*arguments: Any, **more: Any) -> Any:
        future = sent(*arguments, **more)
        future.result()
        put(bucket, "lanner/data/a", b"of another")
        return future

    monkeypatch.setattr(bucket._transfers, "upload", overtaken)
    with pytest.raises(
        TransferDamaged, match=r"lanner/data/a has 10 bytes, 1000 were sent. Something else writes there"
    ):
        bucket.upload({"lanner/data/a": files["lanner/data/a"]})


def test_only_the_first_claim_counts(bucket: S3Bucket) -> None:
    assert bucket.claim("jobs/one/cancelled", b"first") == b"first"
    assert bucket.claim("jobs/one/cancelled", b"second") == b"first"


def test_reads_the_end_of_an_object_and_nothing_of_none(bucket: S3Bucket) -> None:
    put(bucket, "metrics", b"0123456789")
    put(bucket, "empty", b"")
    assert (bucket.read("metrics"), bucket.read("metrics", 4), bucket.read("metrics", 40)) == (
        b"0123456789",
        b"6789",
        b"0123456789",
    )
    assert (bucket.read("empty", 4), bucket.read("none")) == (b"", b"")
    assert (bucket.exists("metrics"), bucket.exists("none")) == (True, False)


def test_all_below_a_prefix_is_removed(bucket: S3Bucket, files: dict[str, Path]) -> None:
    bucket.upload(files)
    put(bucket, "lanner2/stays", b"x")
    assert bucket.remove("lanner/") == 4
    assert [each.key for each in bucket.objects("")] == ["lanner2/stays"]
