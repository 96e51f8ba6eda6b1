"""What the stand-in refuses, with the codes of the service. No job of these ever runs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.standins.azure.azure_ml_client import AzureMLClient
from tests.standins.azure.azure_ml_fixtures import Job, uri
from tests.standins.azure.azure_ml_service import API_VERSION, TOKEN

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def ask(client: AzureMLClient, path: str, method: str = "GET", **given: Any) -> tuple[int, str]:
    """Status and code of the answer to a call below the workspace."""
    query = given.pop("params", {"api-version": API_VERSION})
    headers = given.pop("headers", BEARER)
    url = client.url + (path if path.startswith("/") else f"{client.workspace.id}/{path}")
    answer = httpx.request(method, url, params=query, headers=headers, **given)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, (401, "AuthenticationFailed")), ({"Authorization": "Bearer old"}, (401, "InvalidAuthenticationToken"))],
)
def test_who_asks(azure_ml: AzureMLClient, headers: dict[str, str], expected: tuple[int, str]) -> None:
    assert ask(azure_ml, "jobs", headers=headers) == expected
    assert ask(azure_ml, f"/history/v1.0{azure_ml.workspace.id}/runs/x/details", headers=headers) == expected


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        (("subscriptions/0", "subscriptions/9"), (404, "SubscriptionNotFound")),
        (("resourceGroups/lanner", "resourceGroups/other"), (404, "ResourceGroupNotFound")),
        (("workspaces/lanner", "workspaces/other"), (404, "ResourceNotFound")),
    ],
)
def test_another_place(azure_ml: AzureMLClient, replaced: tuple[str, str], expected: tuple[int, str]) -> None:
    assert ask(azure_ml, f"{azure_ml.workspace.id}/jobs".replace(*replaced)) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [({}, "MissingApiVersionParameter"), ({"api-version": "2020-08-01"}, "InvalidApiVersionParameter")],
)
def test_another_version(azure_ml: AzureMLClient, query: dict[str, str], code: str) -> None:
    assert ask(azure_ml, "jobs", params=query) == (400, code)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("jobs/none", "UserError"),
        ("computes/none", "ResourceNotFound"),
        ("datastores/none", "UserError"),
        ("environments/none/versions/1", "UserError"),
        ("models/none", "InvalidResourceType"),
    ],
)
def test_what_is_not_there(azure_ml: AzureMLClient, path: str, code: str) -> None:
    assert ask(azure_ml, path) == (404, code)


def test_names_of_resources_may_be_written_in_any_case(azure_ml: AzureMLClient) -> None:
    assert ask(azure_ml, f"{azure_ml.workspace.id}/computes".replace("resourceGroups", "resourcegroups"))[0] == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"jobType": "Sweep"}, "job type"),
        ({"command": " "}, "command is required"),
        ({"kommand": "x"}, "Unknown fields of a command job: kommand"),
        ({"command": "cat ${{inputs.other}}"}, "inputs.other"),
        ({"environmentId": "ours:1"}, "environment id"),
        ({"computeId": "/subscriptions/x/computes/cpu"}, "Compute not found"),
        ({"resources": {"instanceCount": 9}}, "at most 8"),
        ({"resources": {"instanceCount": 2}, "distribution": {"distributionType": "Ray"}}, "distribution"),
        ({"distribution": {"distributionType": "TensorFlow", "workerCount": 3}}, "as many nodes"),
        ({"limits": {"timeout": "PT5M"}}, "limits"),
        ({"limits": {"jobLimitsType": "Command", "timeout": "5 minutes"}}, "ISO 8601"),
        ({"limits": {"jobLimitsType": "Command", "timeout": "PT0.5S"}}, "whole seconds"),
        ({"inputs": {"data": {"jobInputType": "mltable", "mode": "Direct", "uri": "x"}}}, "uri_folder"),
        ({"inputs": {"data": {"jobInputType": "uri_folder", "mode": "Mount", "uri": "x"}}}, "mode"),
        ({"inputs": {"data": {"jobInputType": "uri_folder", "mode": "Download", "uri": "https://x/y"}}}, "datastore"),
        ({"tags": {"number": 1}}, "strings"),
    ],
)
def test_what_is_no_job(azure_ml: AzureMLClient, azure_ml_job: Job, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        azure_ml.workspace.put("jobs/none", azure_ml_job(**changed))
    assert ask(azure_ml, "jobs/none") == (404, "UserError")


def test_a_name_that_is_none(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    with pytest.raises(ValueError, match="is not valid"):
        azure_ml.workspace.put("jobs/a.b", azure_ml_job())
    assert ask(azure_ml, "jobs/none", "PUT", content=b"{") == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("permission", PermissionError, "does not have authorization to perform action .*workspaces/jobs/write"),
        ("refused", Exception, "QuotaExceeded"),
    ],
)
def test_as_wished(azure_ml: AzureMLClient, azure_ml_job: Job, fault: str, kind: type, words: str) -> None:
    azure_ml.control("next", {"fault": fault})
    with pytest.raises(kind, match=words):
        azure_ml.workspace.put("jobs/none", azure_ml_job())


def test_too_many_calls_are_asked_again(azure_ml: AzureMLClient, azure_ml_job: Job) -> None:
    azure_ml.control("next", {"fault": "throttled"})
    azure_ml.control("next", {"hold": "Preparing"})
    assert azure_ml.workspace.put("jobs/throttled", azure_ml_job())["properties"]["status"]
    azure_ml.workspace.post("jobs/throttled/cancel")


def test_environments_never_change(azure_ml: AzureMLClient) -> None:
    path = "environments/fixed/versions/1"
    for _ in range(2):
        azure_ml.workspace.put(path, {"properties": {"image": "ours:1", "osType": "Linux"}})
    with pytest.raises(FileExistsError, match="immutable"):
        azure_ml.workspace.put(path, {"properties": {"image": "ours:2"}})
    for wrong in ({}, {"image": "x", "build": {}}, {"picture": "x"}):
        with pytest.raises(ValueError, match=r"one of image and build|cannot be understood"):
            azure_ml.workspace.put("environments/wrong/versions/1", {"properties": wrong})


def test_quotas_of_the_region(azure_ml: AzureMLClient) -> None:
    usages = azure_ml.workspace.call("GET", f"{azure_ml.workspace.location}/usages")["value"]
    assert {"standardDSv3Family", "TotalLowPriorityCores"} <= {each["name"]["value"] for each in usages}
    assert uri(azure_ml, "x").startswith("azureml://subscriptions/")
