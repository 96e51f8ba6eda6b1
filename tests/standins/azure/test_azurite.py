"""The emulator as the project uses it, by Azure's own client."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings

from tests.standins.azure import azurite


def container(url: str, name: str = "lanner-test") -> ContainerClient:
    client = BlobServiceClient.from_connection_string(azurite.connection_string(url))
    return client.get_container_client(name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ContainerClient:
    if why := azurite.why_not():
        pytest.skip(why)
    with azurite.azurite_standin(tmp_path_factory.mktemp("azurite")) as server:
        made = container(server.url)
        made.create_container()
        yield made


def test_a_claim_is_made_once(files: ContainerClient) -> None:
    files.upload_blob("claims/one", b"first")
    with pytest.raises(ResourceExistsError):
        files.upload_blob("claims/one", b"second", overwrite=False)
    assert files.download_blob("claims/one").readall() == b"first"


def test_it_compares_checksums_and_keeps_them(files: ContainerClient) -> None:
    sums = {content: bytearray(hashlib.md5(content).digest()) for content in (b"content", b"other")}
    settings = ContentSettings(content_md5=sums[b"content"])
    files.upload_blob("a/b", b"content", content_settings=settings)
    [there] = files.list_blobs(name_starts_with="a/")
    assert (there.size, there.content_settings.content_md5) == (7, sums[b"content"])
    with pytest.raises(HttpResponseError, match="MD5"):
        files.upload_blob("a/c", b"other", content_settings=settings)


def test_the_end_of_a_growing_blob_can_be_read(files: ContainerClient) -> None:
    log = files.get_blob_client("log")
    log.create_append_blob()
    log.append_block(b"one\n")
    log.append_block(b"two\n")
    assert [files.download_blob("log", offset=at).readall() for at in (4, 8)] == [b"two\n", b""]


def test_ended_it_keeps_everything(tmp_path: Path) -> None:
    if why := azurite.why_not():
        pytest.skip(why)
    with azurite.azurite_standin(tmp_path) as server:
        container(server.url).create_container()
        container(server.url).upload_blob("a/b", b"content")
        server.stop()
        server.start()
        assert container(server.url).download_blob("a/b").readall() == b"content"


def test_it_says_why_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azurite, "PROGRAM", Path("nowhere"))
    with pytest.raises(RuntimeError, match="npm"):
        azurite.azurite_standin(Path("nowhere"))


def test_the_lock_names_no_registry() -> None:
    """Whoever installs it has one of their own."""
    lock = json.loads((Path(azurite.__file__).with_name("package-lock.json")).read_text())
    assert lock["packages"]["node_modules/azurite"]["version"] == "3.37.0"
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
