"""Checksums of files, remembered: what has not changed is not read again, and nothing else is believed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from training_services import checksums
from training_services.checksums import MEMORY, crc32_of, md5_of, read_again, remembered


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a folder of its own; that it was written a moment ago counts for nothing."""
    monkeypatch.setattr(checksums, "SETTLED_NS", -1)
    file = tmp_path / "store" / "shards" / "a"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"hello")
    return file


def counted(folder: Path, *files: Path) -> list[Path]:
    """Which of these had to be read."""
    read: list[Path] = []

    def noted(file: Path) -> str:
        read.append(file)
        return md5_of(file)

    with remembered(folder) as checksum_of:
        assert [checksum_of(file, noted) for file in files] == [md5_of(file) for file in files]
    return read


def test_checksums_are_those_of_s3(file: Path) -> None:
    """CRC-32 of "hello" is 0x3610a686."""
    assert (crc32_of(file), md5_of(file)) == ("NhCmhg==", "5d41402abc4b2a76b9719d911017c592")
    assert read_again(file, md5_of) == md5_of(file)


def test_a_file_is_read_once(file: Path) -> None:
    store = file.parents[1]
    assert counted(store, file) == [file]
    assert counted(store, file) == []
    with remembered(store) as checksum_of:
        assert checksum_of(file, crc32_of) == crc32_of(file), "another checksum is not taken for it"


def test_one_that_changed_is_read_again(file: Path) -> None:
    store = file.parents[1]
    os.utime(file, (1e9, 1e9))
    counted(store, file)
    file.write_bytes(b"world")  # as long, and given the same time
    os.utime(file, (1e9, 1e9))
    assert counted(store, file) == [file]
    other = file.with_name("b")
    other.write_bytes(b"earth")
    other.replace(file)
    assert counted(store, file) == [file]


def test_one_that_was_changed_a_moment_ago_is_not_remembered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "SETTLED_NS", 60_000_000_000)
    assert counted(file.parents[1], file) == counted(file.parents[1], file) == [file]


def test_one_that_changes_while_it_is_read_is_not_remembered(file: Path) -> None:
    def changing(file: Path) -> str:
        found = md5_of(file)
        file.write_bytes(b"meanwhile")
        return found

    with remembered(file.parents[1]) as checksum_of:
        checksum_of(file, changing)
    assert not (file.parents[1] / MEMORY).exists()


def test_only_the_folders_own_are_remembered_and_those_that_are_gone_are_forgotten(file: Path) -> None:
    store, outside = file.parents[1], file.parents[2] / "storehouse"
    outside.write_bytes(b"x")
    assert counted(store, outside, file) == [outside, file]
    assert counted(store, outside, file) == [outside]
    file.rename(file.with_name("b"))
    counted(store, file.with_name("b"))
    assert [entry.partition(":")[0] for entry in json.loads((store / MEMORY).read_text())] == ["shards/b"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff{"])
def test_a_damaged_memory_is_no_memory(file: Path, content: bytes) -> None:
    (file.parents[1] / MEMORY).write_bytes(content)
    assert counted(file.parents[1], file) == [file]
    assert counted(file.parents[1], file) == []


def test_a_folder_that_may_not_be_written_remembers_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert counted(file.parents[1], file) == [file]
    assert [each.name for each in file.parents[1].iterdir()] == ["shards"]
