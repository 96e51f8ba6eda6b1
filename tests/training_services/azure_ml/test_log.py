"""Lines from blobs, against an emulator: each once, whole, and of the right machine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standins.azure.azure_ml_client import storage_at
from training_services.azure_ml import log as azure_log
from training_services.azure_ml.blobs import BlobContainer
from training_services.azure_ml.log import folder_of, new_lines
from training_services.job import LogPage


@pytest.fixture(scope="module")
def container(urls: dict[str, str]) -> BlobContainer:
    client = storage_at(urls["blob"]).get_container_client("logs")
    client.create_container()
    return BlobContainer(client)


def say(container: BlobContainer, job: str, text: str, log: str = "std_log.txt") -> None:
    blob = container.client.get_blob_client(folder_of(job) + log)
    if not blob.exists():
        blob.create_append_blob()
    blob.append_block(text.encode())


def described(name: str, status: str = "Running", machines: int = 1) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, "properties": {"status": status, "resources": {"instanceCount": machines}}}}


def test_each_line_comes_once_and_whole(container: BlobContainer) -> None:
    say(container, "whole", "one\ntwo\nhal")
    first = new_lines(container, described("whole"), {"whole": 0})["whole"]
    assert first == LogPage(("one", "two"), 8)
    say(container, "whole", "f\nend")
    second = new_lines(container, described("whole"), {"whole": 8})["whole"]
    assert second.lines == ("half",)
    last = new_lines(container, described("whole", "Completed"), {"whole": second.cursor})["whole"]
    assert last.lines == ("end",)
    assert new_lines(container, described("whole", "Completed"), {"whole": last.cursor})["whole"] == LogPage((), 16)


def test_a_long_log_comes_page_by_page(container: BlobContainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_log, "PAGE_BYTES", 4)
    say(container, "long", "a\nbcdefghi\nj\n")
    cursor, lines = 0, []
    for _ in range(5):
        page = new_lines(container, described("long"), {"long": cursor})["long"]
        cursor, lines = page.cursor, [*lines, *page.lines]
    assert "".join(lines) == "abcdefghij", "a line that is longer than a page is cut"


def test_of_several_machines_the_second_is_named(container: BlobContainer) -> None:
    say(container, "two", "chief\n", "std_log_worker_0.txt")
    say(container, "two", "worker\n", "std_log_worker_1.txt")
    jobs = described("two", machines=2)
    page = new_lines(container, jobs, {"two": 0})["two"]
    assert page.lines == ("chief", "worker_1: worker")
    say(container, "two", "again\n", "std_log_worker_1.txt")
    assert new_lines(container, jobs, {"two": page.cursor})["two"].lines == ("worker_1: again",)


def test_a_job_without_a_log_has_no_lines(container: BlobContainer) -> None:
    asked = {"silent": 0, "waits": 7, "alone": 3}
    jobs = described("silent") | described("alone", machines=2)
    assert new_lines(container, jobs, asked) == {
        "silent": LogPage((), 0),
        "waits": LogPage((), 7),
        "alone": LogPage((), 3),
    }
