"""One batch at the door: its key, its order among others, and the threshold."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from include.dataset.sample import write_sample
from include.documents import BatchDocument
from include.ingest import TooMuchQuarantined, earlier_batches, ingest_batch
from include.settings import CollectionSettings
from include.store import Store


def settings(source: str, **fields: object) -> CollectionSettings:
    return CollectionSettings.model_validate({"source": source} | fields)


def test_earlier_batches_are_those_that_the_source_lists(tmp_path: Path) -> None:
    for day in ("2026-11-01", "2026-11-02", "2026-11-03", "not a key!"):
        (tmp_path / "camera" / day / "images").mkdir(parents=True)
    collection = settings(f"{tmp_path}/camera/{{batch}}/images")
    assert earlier_batches(collection, "2026-11-03") == ["2026-11-01", "2026-11-02"]
    assert earlier_batches(collection, "2026-11-01") == []
    assert earlier_batches(settings(f"{tmp_path}/camera"), "all") == []


def test_earlier_batches_in_archives_and_object_stores(tmp_path: Path) -> None:
    for day in ("2026-11-01", "2026-11-02"):
        (tmp_path / f"{day}.zip").touch()
        fsspec.filesystem("memory").pipe(f"/camera/{day}/a.jpg", b"")
    assert earlier_batches(settings(f"{tmp_path}/{{batch}}.zip"), "2026-11-02") == ["2026-11-01"]
    assert earlier_batches(settings("memory://camera/{batch}"), "2026-11-02") == ["2026-11-01"]
    assert earlier_batches(settings("https://x.org/{batch}.zip"), "2026-11-02") == []  # HTTP cannot be listed


@pytest.mark.parametrize("key", ["", "../2026", "a b", "a|b", "a:b", "x" * 201])
def test_refuses_keys_that_a_run_or_a_folder_cannot_bear(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="as batch key"):
        ingest_batch(Store(tmp_path), settings("images/{batch}"), "toy", key)


def test_too_much_set_aside_fails_the_batch_and_says_where_to_read_why(tmp_path: Path) -> None:
    write_sample(tmp_path / "pages", images=10)
    for image in sorted((tmp_path / "pages").rglob("*.jpg"))[:4]:
        image.write_bytes(b"")
    store = Store(tmp_path / "store")
    path, batch = ingest_batch(store, settings(str(tmp_path / "pages")), "toy", "all")
    assert (batch.images.found, batch.images.quarantined) == (10, 4)
    assert store.exists(path)
    strict = settings(str(tmp_path / "pages"), thresholds={"quarantined": 0.3})
    with pytest.raises(
        TooMuchQuarantined, match=r"4 of 10 images of toy:late were set aside .*threshold is 30%"
    ) as refused:
        ingest_batch(store, strict, "toy", "late")
    assert "/toy/quarantine/" in str(refused.value)
    assert store.newest(BatchDocument, "toy", "late") is not None
