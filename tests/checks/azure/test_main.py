"""``python -m include.checks azure`` with Azure's own clients, against the stand-ins over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from include.checks.__main__ import MISSING, READY, WRONG, main
from include.checks.azure.access import ACTIONS, CHECKS_POLICY
from tests.checks.azure.conftest import PREDICTING, Standins, asking, connect
from tests.standins.azure import azurite
from tests.standins.azure.azure_ml_workspace import BLOBS, CONTAINERS, GROUP, WORKSPACE
from tests.standins.azure.custom_vision_client import CustomVisionClient
from tests.standins.azure.custom_vision_service import PREDICTION_KEY, TRAINING_KEY

SUBMITTING = "Microsoft.MachineLearningServices/workspaces/jobs/write"
NEAR = f"--workspace-name {WORKSPACE} --resource-group {GROUP}"


def codes(printed: str) -> list[str]:
    return re.findall(r"^([A-Z_]+): ", printed, re.MULTILINE)


def test_a_sound_subscription_is_ready(azure: Standins, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["azure"]) == READY
    workspace, vision = capsys.readouterr().out.split("\n\nCustom Vision: ")
    assert f"workspace {WORKSPACE} in group {GROUP}, region eastus, machines: t4, spot, on lanner-t4-spot" in workspace
    assert workspace.endswith("Nothing is missing.")
    assert f"{azure.vision}, tier S0 (0 of 100 projects in use" in vision
    assert vision.endswith("Nothing is missing.\n")


def test_everything_that_is_missing_is_said_at_once(azure: Standins, capsys: pytest.CaptureFixture[str]) -> None:
    azure.change(denied=[SUBMITTING], cores={"dedicated": 24, "low": 0}, without=["Standard_NV36ads_A10_v5"])
    machines = ("a100", "a10", "workers", "t4x4")
    command = ["azure", "--target", "azure_ml", *(word for name in machines for word in ("--machine", name))]
    assert main(command) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == [
        "PERMISSION_MISSING",
        "CLUSTER_MISSING",
        "CLUSTER_UNFIT",
        "MACHINE_NOT_OFFERED",
        "QUOTA",
        "QUOTA",
        "CLUSTER_KEEPS_MACHINES",
    ]
    assert f"lacks {SUBMITTING} on workspace" in printed
    assert "--name lanner-a100 --size Standard_NC24ads_A100_v4 --tier dedicated --min-instances 0 " in printed
    assert f"az ml compute update --name lanner-workers --max-instances 2 {NEAR}" in printed
    assert f"az ml compute update --name lanner-a10 --min-instances 0 {NEAR}" in printed
    assert "t4x4 takes 64 dedicated cores of standard ncasv3_t4 family in eastus; the quota is 24" in printed


def test_low_priority_has_one_quota_for_all_families(azure: Standins, capsys: pytest.CaptureFixture[str]) -> None:
    azure.change(cores={"dedicated": 24, "low": 0})
    assert main(["azure", "--target", "azure_ml"]) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == ["QUOTA"]
    assert "t4, spot, takes 4 low_priority cores of all families together in eastus; the quota is 0" in printed


def test_a_cluster_of_another_tier_and_size(azure: Standins, lanner: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = lanner / "lanner.yaml"
    settings.write_text(settings.read_text().replace("region: eastus", "region: westeurope, clusters: {cpu: unfit}"))
    assert main(["azure", "--target", "azure_ml", "--region", "eastus"]) == MISSING
    printed = capsys.readouterr().out
    assert "Cluster unfit is of tier low_priority, expected dedicated (spot in lanner.yaml)." in printed
    assert codes(printed) == ["CLUSTER_UNFIT"]


@pytest.mark.parametrize(
    ("options", "found"),
    [(("--workspace", "other"), ["WORKSPACE_MISSING"]), (("--region", "westeurope"), ["WORKSPACE_ELSEWHERE"])],
)
def test_a_workspace_that_is_not_there(
    azure: Standins, capsys: pytest.CaptureFixture[str], options: tuple[str, str], found: list[str]
) -> None:
    assert main(["azure", "--target", "azure_ml", *options]) == MISSING
    assert codes(capsys.readouterr().out) == found


def test_what_may_not_be_looked_at_is_neither_missing_nor_passed_over(
    azure: Standins, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.change(denied=[name for name, action in ACTIONS.items() if action.policy == CHECKS_POLICY])
    assert main(["azure"]) == READY
    printed = capsys.readouterr().out
    for what in ("permissions: ", "sizes of machines: ", "quotas: ", "the resources: ", "tier and region of"):
        assert f"\n  {what}" in printed
    assert "AuthorizationFailed" in printed
    assert "Nothing is missing, 3 could not be checked." in printed


@pytest.mark.parametrize(
    ("permissions", "refused"),
    [("rl", "may not write blobs"), ("rwa", "may not list blobs"), ("r", "may not list or write blobs")],
)
def test_a_container_in_which_not_all_may_be_done(
    azure: Standins,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    permissions: str,
    refused: str,
) -> None:
    container = CONTAINERS[BLOBS]
    signature = generate_container_sas(
        azurite.ACCOUNT,
        container,
        azurite.KEY,
        permission=ContainerSasPermissions.from_string(permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    text = f"BlobEndpoint={azure.blob}/{azurite.ACCOUNT};SharedAccessSignature={signature}"
    connect(monkeypatch, "wasb_default", "wasb", {"connection_string": text})
    assert main(["azure", "--target", "azure_ml"]) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == ["CONTAINER"]
    assert f"{refused} of container {container}" in printed


def test_looking_writes_nothing(azure: Standins) -> None:
    from tests.standins.azure.azure_ml_client import storage_at

    assert main(["azure", "--target", "azure_ml"]) == READY
    assert list(storage_at(azure.blob).get_container_client(CONTAINERS[BLOBS]).list_blobs()) == []


def test_a_storage_connection_of_another_account(
    azure: Standins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, "wasb_default", "wasb", {}, host="https://other.blob.core.windows.net")
    assert main(["azure", "--target", "azure_ml"]) == MISSING
    assert "is in account devstoreaccount1, the storage connection is for account other" in capsys.readouterr().out


def test_credentials_that_azure_does_not_accept(
    azure: Standins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, "azure_default", "azure", {**asking(azure), "token": "stale"})
    assert main(["azure", "--target", "azure_ml"]) == WRONG
    assert codes(capsys.readouterr().out) == ["IDENTITY"]


def test_keys_tier_and_projects_of_custom_vision(
    azure: Standins, monkeypatch: pytest.MonkeyPatch, lanner: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = lanner / "lanner.yaml"
    settings.write_text(
        "custom_vision: {tier: F0}\n" + settings.read_text().replace("sample}", "sample, training: {domain: Logo}}")
    )
    training = CustomVisionClient(azure.vision).training
    for name in ("one", "two", "lanner-x-a1"):
        training.create_project(name)
    extra = {"prediction_api_key": "wrong", "prediction_resource_id": PREDICTING, "prediction_endpoint": azure.vision}
    connect(monkeypatch, "custom_vision_default", "generic", extra, host=azure.vision, password=TRAINING_KEY)
    resources = azure.resources()
    resources[1] |= {"region": "westeurope", "endpoint": "https://ours-predicts.cognitiveservices.azure.com/"}
    azure.change(resources=resources)
    assert main(["azure", "--target", "custom_vision"]) == MISSING
    printed = capsys.readouterr().out
    assert codes(printed) == [
        "PREDICTION_KEY",
        "PROJECTS_FULL",
        "TIER",
        "PREDICTION_RESOURCE",
        "PREDICTION_RESOURCE",
        "NOT_EXPORTABLE",
    ]
    assert "tier F0 (3 of 2 projects in use" in printed
    assert "The resource ours is of tier S0, custom_vision.tier says F0" in printed


@pytest.mark.parametrize(
    ("resource", "found"),
    [(PREDICTING + "-not", ["PREDICTION_RESOURCE"]), ("", ["NO_PREDICTION_RESOURCE"])],
)
def test_a_prediction_resource_that_there_is_not(
    azure: Standins,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    resource: str,
    found: list[str],
) -> None:
    extra = {"prediction_api_key": PREDICTION_KEY, "prediction_resource_id": resource}
    connect(monkeypatch, "custom_vision_default", "generic", extra, host=azure.vision, password=TRAINING_KEY)
    assert main(["azure", "--target", "custom_vision"]) == MISSING
    assert codes(capsys.readouterr().out) == found


def test_a_wrong_training_key(
    azure: Standins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = {"prediction_api_key": PREDICTION_KEY, "prediction_resource_id": PREDICTING}
    connect(monkeypatch, "custom_vision_default", "generic", extra, host=azure.vision, password="wrong")
    assert main(["azure", "--target", "custom_vision"]) == MISSING
    printed = capsys.readouterr()
    assert codes(printed.out) == ["CUSTOM_VISION_KEY"]
    assert "wrong\n" not in printed.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spot"], "--spot needs --machine"),
        (["--endpoint", "blob"], "expected SERVICE=URL"),
        (["--endpoint", "blobs=http://127.0.0.1:9"], "there are management, blob, training, prediction"),
        (["--workspace", "x"], "workspace"),
    ],
)
def test_what_was_asked_wrongly(
    azure: Standins, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["azure", *arguments]) == WRONG
    assert said in capsys.readouterr().err


def test_without_settings_and_connections_it_says_what_it_needs(
    lanner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AZURE_DEFAULT", "WASB_DEFAULT", "CUSTOM_VISION_DEFAULT"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    assert main(["azure"]) == WRONG
    assert "No resource_group and no workspace is named" in capsys.readouterr().err
    assert main(["azure", "--resource-group", "ours", "--workspace", "ours"]) == WRONG
    assert "No subscription is named: use --subscription" in capsys.readouterr().err
    assert main(["azure", "--target", "custom_vision"]) == WRONG
    assert "AIRFLOW_CONN_CUSTOM_VISION_DEFAULT with the endpoint" in capsys.readouterr().err
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", "azure://secret@")
    assert main(["azure", "--resource-group", "ours", "--workspace", "ours"]) == WRONG
    said = capsys.readouterr().err
    assert "AIRFLOW_CONN_AZURE_DEFAULT is no JSON object" in said
    assert "secret" not in said


def test_where_nothing_can_be_looked_at_it_does_not_say_ready(
    azure: Standins, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["azure", "--target", "azure_ml", "--endpoint", "training=http://127.0.0.1:9"]) == WRONG
    assert "other endpoints than Azure's are named, and none for management" in capsys.readouterr().out
