"""`make run DATA=…`: what becomes of each form in lanner.yaml, and what is said when it cannot be used."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from include import settings
from include.dataset.sample import write_sample
from include.documents import BatchDocument
from include.ingest import ingest_batch
from include.laptop.collection import declare_collection
from include.store import Store
from tests.dataset.http_server import serving


def declare(data: str, **asked: Any) -> str:
    usual = {"config": None, "minutes": None, "weights": None, "split": None, "targets": []}
    return declare_collection(Namespace(data=data, **usual | asked))


def test_an_archive_becomes_a_collection_that_can_be_ingested(lanner: Path) -> None:
    write_sample(lanner / "pages", images=4)
    archive = shutil.make_archive(str(lanner / "My Pages"), "gztar", lanner / "pages")
    name = declare(archive)
    assert name == declare(archive) == "my_pages"
    collection = settings.load().collection(name)
    assert collection.source == archive
    store = Store(lanner / "store")
    path, batch = ingest_batch(store, collection, name, "all")
    assert batch.images.used == 4 and Path(batch.source).is_relative_to(lanner / "state" / "unpacked")
    assert store.get(BatchDocument, path) == batch


def test_a_url_becomes_one_too(lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample(lanner / "pages", images=4)
    archive = Path(shutil.make_archive(str(lanner / "pages"), "zip", lanner / "pages"))
    with serving(archive.read_bytes()) as server:
        url = f"{server.url}/pages.zip"
        assert declare(url) == "pages"
    assert "Downloading" in capsys.readouterr().out
    assert (
        ingest_batch(Store(lanner / "store"), settings.load().collection("pages"), "pages", "all")[1].images.used == 4
    )


def test_what_cannot_be_used_is_said_and_nothing_is_declared(lanner: Path) -> None:
    with pytest.raises(
        settings.SettingsError, match=r"DATA=racoon cannot be used\. .*the catalogue, which has: raccoon"
    ):
        declare("racoon")
    (lanner / "a.zip").write_bytes(b"no")
    with pytest.raises(settings.SettingsError, match=r"a\.zip cannot be unpacked"):
        declare(str(lanner / "a.zip"))
    assert settings.load().collections == {}


def test_what_our_trainer_is_told_is_not_told_to_an_algorithm_of_a_cloud(lanner: Path) -> None:
    write_sample(lanner / "pages", images=4)
    name = declare(str(lanner / "pages"), minutes=2, targets=["sagemaker", "sagemaker_builtin"])
    targets = settings.load().collection(name).targets
    assert targets["local"].training == targets["sagemaker"].training == {"minutes": 2}
    assert targets["sagemaker_builtin"].training == {}
