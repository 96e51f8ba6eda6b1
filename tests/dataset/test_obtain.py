"""Every form in which data can be named comes out as a folder, once."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from include.dataset import catalog, obtain
from include.dataset.archive import ArchiveError
from include.dataset.catalog import Entry, load_catalog
from include.dataset.objects import ObjectStoreError
from include.dataset.obtain import UnknownData, canonical, data_name
from include.store import Store
from tests.dataset.folders import CAT, SHARED, Checked, needs_shared, write_pair
from tests.dataset.http_server import serving


@pytest.fixture
def pets(folder: Path) -> Path:
    for stem in ("a", "b"):
        write_pair(folder / "pets-1", stem, CAT)
    return folder


@pytest.fixture
def archive(pets: Path, tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "pets"), "zip", pets))


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def get(source: str, tmp_path: Path, said: list[str] | None = None) -> Path:
    return obtain.obtain(canonical(source), tmp_path / "home", say=[].append if said is None else said.append)


def stems(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.rglob("*.jpg"))


# --- names


def test_a_folder_wins_over_an_entry_of_its_name_if_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical("raccoon") == "catalog:raccoon"
    (tmp_path / "raccoon").mkdir()
    assert canonical("raccoon") == str(tmp_path / "raccoon")
    assert canonical("catalog:raccoon") == "catalog:raccoon"
    assert canonical(f"file://{tmp_path}/raccoon") == str(tmp_path / "raccoon")
    assert canonical("https://x.org/a.zip") == "https://x.org/a.zip"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownData, match=r"racoon is neither a folder here nor in the catalogue.* raccoon, bccd"):
        canonical("racoon")
    with pytest.raises(UnknownData, match=r"nowhere/a\.zip is not there\. Expected a folder"):
        canonical("nowhere/a.zip")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/photos/raccoons", "raccoons"),
        ("/photos/raccoons.v2", "raccoons.v2"),
        ("/photos/raccoons.tar.gz", "raccoons"),
        ("https://x.org/a%20b.ZIP?token=1#sha256=00", "a b"),
        ("s3://bucket/pets/", "pets"),
        ("s3://bucket", "bucket"),
        ("catalog:bccd", "bccd"),
    ],
)
def test_what_people_would_call_it(source: str, name: str) -> None:
    assert data_name(source) == name


# --- forms


def test_a_folder_is_used_where_it_is(pets: Path, tmp_path: Path) -> None:
    assert get(str(pets), tmp_path) == pets
    assert not (tmp_path / "home").exists()


def test_an_archive(archive: Path, tmp_path: Path) -> None:
    assert stems(get(str(archive), tmp_path)) == ["a", "b"]


def test_a_file_that_is_neither(pets: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownData, match=r"a\.jpg is neither a folder nor an archive"):
        get(str(pets / "pets-1" / "a.jpg"), tmp_path)


def test_a_url_is_downloaded_and_unpacked_once(archive: Path, tmp_path: Path) -> None:
    with serving(archive.read_bytes()) as server:
        first = get(f"{server.url}/zip/0123", tmp_path)
        assert stems(first) == ["a", "b"]
    said: list[str] = []
    assert get(f"{server.url}/zip/0123", tmp_path, said) == first  # the server is gone by now
    assert len(said) == 1 and "was downloaded before" in said[0]


def test_a_url_that_leads_to_a_page(tmp_path: Path) -> None:
    with (
        serving(b"<html>Please log in</html>") as server,
        pytest.raises(ArchiveError, match=r"cannot be unpacked.*Expected a whole \.zip"),
    ):
        get(f"{server.url}/pets.zip", tmp_path)


def test_a_folder_in_an_object_store(pets: Path, tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    memory.put(str(pets), "/bucket/pets", recursive=True)
    first = get("memory://bucket/pets", tmp_path)
    assert stems(first) == ["a", "b"]
    assert get("memory://bucket/pets", tmp_path) == first
    memory.pipe("/bucket/pets/pets-1/c.jpg", b"new")
    second = get("memory://bucket/pets", tmp_path)
    assert second != first and stems(second) == ["a", "b", "c"] and stems(first) == ["a", "b"]


def test_a_copy_that_was_interrupted_goes_on(
    pets: Path, tmp_path: Path, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(str(pets), "/bucket/pets", recursive=True)
    opened: list[str] = []
    really = type(memory).open

    def breaks_once(self: object, path: str, *arguments: object, **options: object) -> object:
        opened.append(path)
        if len(opened) == 3:
            raise ConnectionResetError("gone")
        return really(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "open", breaks_once)
    with pytest.raises(ConnectionResetError):
        get("memory://bucket/pets", tmp_path)
    assert stems(get("memory://bucket/pets", tmp_path)) == ["a", "b"]
    assert len(opened) < 8  # what had come was not fetched again


def test_an_archive_in_an_object_store(archive: Path, tmp_path: Path, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/bucket/pets.zip", archive.read_bytes())
    assert stems(get("memory://bucket/pets.zip", tmp_path)) == ["a", "b"]


def test_object_names_that_lead_out_are_quarantined(
    pets: Path, tmp_path: Path, store: Store, memory: fsspec.AbstractFileSystem
) -> None:
    memory.put(str(pets), "/bucket/pets", recursive=True)
    memory.store["/bucket/pets/../../evil.jpg"] = memory.store["/bucket/pets/pets-1/a.jpg"]
    checked = Checked(get("memory://bucket/pets", tmp_path), store)
    checked.assert_conserved()
    assert "leaves_source" in checked.codes and len(checked.images) == 2
    assert not list(tmp_path.rglob("evil.jpg"))


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("memory://nothing/here", "There is nothing at"),
        ("foo://x/y", "Expected https"),
        ("hdfs://x/y", r"hdfs://x/y (needs the package \w+|cannot be opened)"),
    ],
)
def test_what_an_object_store_refuses(tmp_path: Path, url: str, match: str) -> None:
    with pytest.raises(ObjectStoreError, match=match):
        get(url, tmp_path)


def test_a_missing_implementation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(ObjectStoreError, match=r"needs the package s3fs, .*uv pip install s3fs"):
        get("s3://bucket/pets", tmp_path)


# --- the catalogue


def test_the_catalogue_pins_what_it_lists() -> None:
    for name, entry in load_catalog().items():
        assert canonical(f"catalog:{name}") == f"catalog:{name}"
        assert "/master" not in str(entry.url) and "/main" not in str(entry.url) and entry.licence
        lines = catalog.FILE.read_text().splitlines()
        at = lines.index(f"{name}:")
        assert entry.sha256 or "#" in next(line for line in lines[at:] if "sha256" in line)  # with a reason


def test_an_entry(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(archive.read_bytes()) as server:
        fields = {
            "url": f"{server.url}/pets.zip",
            "sha256": None,
            "folder": "pets-1",
            "licence": "MIT",
            "about": "pets",
        }
        entry = Entry.model_validate(fields | {"classes": ["cat"], "images": 2})
        monkeypatch.setattr(obtain, "load_catalog", lambda: {"pets": entry})
        monkeypatch.chdir(tmp_path)
        said: list[str] = []
        folder = get("pets", tmp_path, said)
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "a.xml", "b.jpg", "b.xml"]
    assert any(line.startswith("not verified") for line in said)


@needs_shared
def test_raccoon_as_github_packs_it(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry, served from here: the archive that GitHub makes of a commit has one folder, named after it."""
    entry = load_catalog()["raccoon"]
    archive = tmp_path / "raccoon.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(SHARED / "raccoon", entry.folder)
    with serving(archive.read_bytes()) as server:
        local = entry.model_copy(update={"url": f"{server.url}/x"})
        monkeypatch.setattr(obtain, "load_catalog", lambda: {"raccoon": local})
        checked = Checked(get("catalog:raccoon", tmp_path), store)
    assert checked.document.images.found == entry.images
    assert set(checked.document.classes) == set(entry.classes)
