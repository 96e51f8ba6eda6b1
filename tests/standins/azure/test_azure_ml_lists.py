"""Lists of jobs: the newest first, page by page, by tag; and what the client makes of a list that leads elsewhere."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.azure.azure_ml_fixtures import Job
from tests.standins.azure.azure_ml_lists import page_of


def test_pages_by_tag(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    names = [f"listed-{number:02}" for number in range(33)]
    azure_ml.control("next", {"hold": "Preparing", "count": len(names)})
    for name in names:
        azure_ml.workspace.put(f"jobs/{name}", azure_ml_job(tags={"listed": "yes"}))
    pages = [[job["name"] for job in page] for page in azure_ml.workspace.pages("jobs", tag="listed")]
    assert [len(page) for page in pages] == [30, 3]
    assert [name for page in pages for name in page] == names[::-1]
    assert list(azure_ml.workspace.pages("jobs", tag="unheard of")) == [[]]
    for name in names:
        azure_ml.workspace.post(f"jobs/{name}/cancel")


def test_other_parameters_are_refused(azure_ml: AzureMLClient) -> None:
    with pytest.raises(ValueError, match="Unknown parameters: filter"):
        next(azure_ml.workspace.pages("jobs", filter="x"))
    with pytest.raises(ValueError, match="continuation token"):
        azure_ml.workspace.get("jobs", **{"$skip": "x"})


def test_the_token_goes_to_no_other_host(azure_ml: AzureMLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"value": [], "nextLink": "http://127.0.0.1:9/jobs?api-version=2024-10-01"}
    monkeypatch.setattr(type(azure_ml.workspace), "call", lambda *_, **__: elsewhere)
    with pytest.raises(ValueError, match=r"goes on at http://127\.0\.0\.1:9.*not asked"):
        list(islice(azure_ml.workspace.pages("jobs"), 2))


def test_one_page_is_all_there_is() -> None:
    job = {"name": "a", "systemData": {"createdAt": "2026"}, "properties": {}}
    assert page_of([job], {}, "http://here") == {"value": [job]}
