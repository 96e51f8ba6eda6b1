"""Files to a container and back, against an emulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from tests.standins.azure.azure_ml_client import storage_at
from training_services.azure_ml.blobs import BlobContainer, md5_of
from training_services.transfer import TransferDamaged


@pytest.fixture(scope="module")
def client(urls: dict[str, str]) -> ContainerClient:
    container = storage_at(urls["blob"]).get_container_client("files")
    container.create_container()
    return container


@pytest.fixture
def container(client: ContainerClient) -> BlobContainer:
    return BlobContainer(client)


def files(folder: Path, **contents: str) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text)
    return {f"up/{name}": folder / name for name in contents}


def test_only_what_differs_is_moved(container: BlobContainer, tmp_path: Path) -> None:
    given = files(tmp_path / "given", a="one", b="two")
    told: list[str] = []
    assert str(container.upload(given, told.append)) == "2 files (0.0 MB) moved, 0 were there"
    assert len(told) == 2
    (tmp_path / "given" / "b").write_text("other")
    assert container.upload(given).files == 1
    assert container.upload(given).files == 0
    got = container.download("up", tmp_path / "got")
    assert (got.files, got.already_there) == (2, 0)
    assert (tmp_path / "got" / "b").read_text() == "other"
    assert container.download("up", tmp_path / "got", skip=lambda name: name == "a").already_there == 1


def test_what_others_wrote_has_no_checksum_of_ours(container: BlobContainer, tmp_path: Path) -> None:
    blob = container.client.get_blob_client("theirs/log")
    blob.create_append_blob()
    blob.append_block(b"line\n")
    container.download("theirs", tmp_path)
    assert (tmp_path / "log").read_text() == "line\n"


def test_damage_is_found(container: BlobContainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container.upload({"damaged/a": next(iter(files(tmp_path / "x", a="good").values()))})
    monkeypatch.setattr("training_services.azure_ml.blobs.md5_of", lambda file: b"0" * 16)
    with pytest.raises(TransferDamaged, match="arrived with 4 bytes"):
        container.download("damaged", tmp_path / "got")
    assert list((tmp_path / "got").iterdir()) == []


def test_no_name_leaves_the_folder(container: BlobContainer, tmp_path: Path) -> None:
    container.client.upload_blob("evil/a\\..\\b", b"x")
    with pytest.raises(ValueError, match="which would leave"):
        container.download("evil", tmp_path)


def test_small_things(container: BlobContainer, tmp_path: Path) -> None:
    assert container.claim("one", b"first") == b"first"
    assert container.claim("one", b"second") == b"first"
    assert [container.read("one", since=since, most=2) for since in (0, 3, 5, 9)] == [b"fi", b"st", b"", b""]
    assert (container.tail("one", 3), container.tail("none", 3), container.read("none")) == (b"rst", b"", b"")
    assert (container.exists("one"), container.exists("none")) == (True, False)
    container.client.upload_blob("many/deep/er", b"x")
    container.client.upload_blob("many/one", b"x")
    assert [each.name for each in container.blobs("many/", "/")] == ["many/one"]
    assert container.remove("many/") == 2
    assert container.remove("many/") == 0
    assert md5_of(files(tmp_path, a="")["up/a"]).hex() == "d41d8cd98f00b204e9800998ecf8427e"


def test_a_container_that_there_is_not(urls: dict[str, str], tmp_path: Path) -> None:
    none = BlobContainer(storage_at(urls["blob"]).get_container_client("none"))
    with pytest.raises(FileNotFoundError, match="ContainerNotFound"):
        none.upload(files(tmp_path, a="x"))
    assert none.read("x") == b""
