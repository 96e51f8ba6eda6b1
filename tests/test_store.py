"""The store: atomic writes, claims, documents that are what their name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.documents import ComparisonDocument
from include.store import NotInStore, Store


def comparison(why: str = "because") -> ComparisonDocument:
    return ComparisonDocument(collection="raccoon", key="2026-11-20:1", plan="p", rows=(), proposal=None, why=why)


@pytest.fixture(params=["folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "store") if request.param == "folder" else Store(f"memory://{tmp_path.name}")


def test_writes_and_reads(store: Store) -> None:
    assert store.write("a/b/c.txt", b"one") == "a/b/c.txt"
    store.write("a/b/c.txt", b"two")
    assert store.read("a/b/c.txt") == b"two"


def test_an_interrupted_write_leaves_what_was_there(store: Store) -> None:
    store.write("a/file", b"old")
    with pytest.raises(KeyboardInterrupt), store.writing("a/file") as temporary:
        temporary.write_bytes(b"half of the n")
        raise KeyboardInterrupt
    assert store.read("a/file") == b"old"
    assert [path.name for path in store.path("a").iterdir()] == ["file"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "a//b", "a\\..\\b", "a\0b", ""])
def test_refuses_paths_that_leave_it(store: Store, path: str) -> None:
    with pytest.raises(ValueError, match="must be relative and stay inside"):
        store.write(path, b"")


def test_only_the_first_claim_counts(store: Store) -> None:
    assert store.create("claims/job", b"first")
    assert not store.create("claims/job", b"second")
    assert store.create("claims/job", b"first"), "the answer may have been lost on the way"
    assert store.read("claims/job") == b"first"
    assert [path.name for path in store.path("claims").iterdir()] == ["job"]


def test_copies_folders_in_and_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "model" / "variables" / "data").write_bytes(b"weights")
    store.copy_in(tmp_path / "model", "raccoon/model")
    back = store.copy_out("raccoon/model", tmp_path / "back")
    assert (back / "saved_model.pb").read_bytes() == b"graph"
    assert (back / "variables" / "data").read_bytes() == b"weights"


def test_a_document_is_found_by_its_key(store: Store) -> None:
    assert store.newest(ComparisonDocument, "raccoon", "2026-11-20:1") is None
    store.put(comparison("first"))
    path = store.put(comparison("second"))
    assert store.newest(ComparisonDocument, "raccoon", "2026-11-20:1") == (path, comparison("second"))


def test_the_same_contents_have_the_same_name() -> None:
    assert comparison().path == comparison().path
    assert comparison().path != comparison("otherwise").path


def test_notices_an_altered_document(store: Store) -> None:
    path = store.put(comparison())
    store.write(path, comparison("forged").encoded)
    with pytest.raises(ValueError, match="was altered"):
        store.get(ComparisonDocument, path)


def test_says_what_is_missing(store: Store) -> None:
    with pytest.raises(NotInStore, match=r"raccoon/nothing is not in the store.*Run the task that writes it again"):
        store.read("raccoon/nothing")


def test_lists_and_reads_what_is_in_a_folder(store: Store) -> None:
    assert store.files("a") == []
    names = [store.write(f"a/{name}", name.encode()) for name in ("c/2", "c/[1]*", "b")]
    store.write("ab", b"beside it")
    assert store.files("a") == sorted(names)
    assert store.read_many(names) == [b"c/2", b"c/[1]*", b"b"]
    with pytest.raises(NotInStore, match="a/nothing is not in the store"):
        store.read_many([*names, "a/nothing"])


def test_does_not_list_what_is_still_being_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing("a/file") as temporary:
        temporary.write_bytes(b"half of")
        assert store.files("a") == []
    assert store.files("a") == ["a/file"]
