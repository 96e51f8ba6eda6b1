"""The emulator as the project uses it, by Google's own client."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.api_core.exceptions import NotFound, PreconditionFailed

from tests.standins.conftest import storage_client
from tests.standins.google import gcs
from tests.standins.google.gcs_regions import regions_standin


def test_a_claim_is_made_once(emulator: str) -> None:
    """``if_generation_match=0`` is create-if-absent."""
    blob = storage_client(emulator).bucket("lanner-test").blob("claims/one")
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("second", if_generation_match=0)
    assert blob.download_as_bytes() == b"first"


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    if why := gcs.why_not():
        pytest.skip(why)
    server = gcs.gcs_standin(tmp_path)
    with server:
        bucket = storage_client(server.url).create_bucket("kept")
        blob = bucket.blob("a/b")
        blob.metadata = {"sha256": "abc"}
        blob.upload_from_string(b"content")
        server.kill()
        server.start()
        after = storage_client(server.url).bucket("kept").get_blob("a/b")
        assert (after.generation, after.crc32c, after.metadata) == (blob.generation, blob.crc32c, {"sha256": "abc"})
        assert after.download_as_bytes() == b"content"


def test_a_bucket_lies_where_it_is_said_to(emulator: str, tmp_path: Path) -> None:
    storage_client(emulator).create_bucket("far")
    with regions_standin(tmp_path, emulator, {"far": "europe-west4", "none": "asia-east1"}) as regions:
        client = storage_client(regions.url)
        assert client.get_bucket("far").location == "EUROPE-WEST4"
        assert client.get_bucket("lanner-test").location == "US-CENTRAL1"
        with pytest.raises(NotFound):
            client.get_bucket("none")
        client.bucket("far").blob("a/b").upload_from_string(b"content")
        assert client.bucket("far").blob("a/b").download_as_bytes() == b"content"


def test_it_says_why_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "riscv64" in (gcs.why_not() or "")
    with pytest.raises(RuntimeError, match="riscv64"):
        gcs.gcs_standin(Path("nowhere"))
