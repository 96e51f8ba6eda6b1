"""Rules about a workspace, over facts; what the stand-ins cannot be is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from include.checks.azure.facts import TOTAL, AskedCluster, Cluster, Datastore, Quota, VmSize, WorkspaceFacts
from include.checks.azure.gathering import look_at_quotas
from include.checks.azure.machines import PRESETS
from include.checks.azure.rules import JOB_RULES, RULES
from include.checks.rule import check

T4 = AskedCluster("lanner-t4-spot", "t4", PRESETS["t4"], spot=True)
SIZE, FAMILY = T4.machine.vm_size, "standardncast4v3family"
SOUND = WorkspaceFacts(
    subscription="s",
    resource_group="g",
    workspace="w",
    region="eastus",
    datastore="workspaceblobstore",
    asked=(T4,),
    caller="us",
    absent="",
    location="eastus",
    store=Datastore("AzureBlob", "account", "container"),
    storage_account="account",
    cannot=frozenset(),
    clusters={T4.name: Cluster("AmlCompute", SIZE.upper(), low_priority=True, most=1)},
    sizes={SIZE.lower(): VmSize("standardNCAST4v3Family")},
    quotas={(True, FAMILY): Quota(-1), (True, TOTAL): Quota(4, used=4), (False, FAMILY): Quota(0)},
    missing=frozenset(),
)


def test_nothing_is_wrong_and_nothing_is_known() -> None:
    assert check(RULES, SOUND) == []
    unknown = WorkspaceFacts("s", "g", "w", "eastus", "workspaceblobstore", asked=(T4,))
    assert check(RULES, unknown) == []
    assert not unknown.anything_known


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"caller": "", "refusal": "no token"}, "IDENTITY", "or there are none: no token"),
        ({"absent": "not found"}, "WORKSPACE_MISSING", "az group create --name g --location eastus"),
        ({"location": "westeurope"}, "WORKSPACE_ELSEWHERE", "Set azure.region to westeurope"),
        ({"store": Datastore("")}, "DATASTORE", "Workspace w has no datastore workspaceblobstore."),
        ({"store": Datastore("AzureFile")}, "DATASTORE", "is AzureFile; expected AzureBlob"),
        ({"cannot": frozenset({"find"})}, "CONTAINER", "az storage container create --auth-mode login"),
        ({"clusters": {T4.name: Cluster("Kubernetes")}}, "CLUSTER_UNFIT", "is Kubernetes; jobs run on AmlCompute"),
        (
            {"clusters": {T4.name: Cluster("AmlCompute", "Standard_D8s_v3", low_priority=True, most=1)}},
            "CLUSTER_UNFIT",
            f"has machines Standard_D8s_v3, expected {SIZE}",
        ),
        ({"sizes": {SIZE.lower(): VmSize(FAMILY, low_priority=False)}}, "MACHINE_NOT_OFFERED", "of low priority in"),
        ({"quotas": {(True, FAMILY): Quota(3)}}, "QUOTA", f"4 low_priority cores of {FAMILY}"),
    ],
)
def test_each_fault_is_found_with_its_remedy(change: dict[str, Any], code: str, words: str) -> None:
    (finding,) = check(RULES, replace(SOUND, **change))
    assert finding.code == code
    assert words in f"{finding.wrong} {finding.remedy}"
    assert finding.source.startswith("https://learn.microsoft.com/")


def test_a_cluster_that_keeps_machines_costs_money_and_stops_no_job() -> None:
    keeps = replace(SOUND, clusters={T4.name: Cluster("AmlCompute", SIZE, low_priority=True, least=1, most=1)})
    assert [finding.code for finding in check(RULES, keeps)] == ["CLUSTER_KEEPS_MACHINES"]
    assert check(JOB_RULES, keeps) == []


def test_what_a_workspace_has_of_a_quota_for_itself_is_not_the_subscriptions() -> None:
    class Listing:
        location = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/eastus"

        def listed(self, path: str, _: object) -> list[list[dict[str, Any]]]:
            assert path == f"{self.location}/usages"
            provider = "Microsoft.MachineLearningServices"
            family = {"name": {"value": "standardDSv3Family"}, "id": "/subscriptions/s/usages/x"}
            of_workspace = {"id": "/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/usages/x"}
            return [
                [{"type": f"{provider}/totalCores/usages", "limit": 100, "name": {"value": "Clusters"}}],
                [
                    {"type": f"{provider}/vmFamily/dedicatedCores/usages", "limit": 8, "currentValue": 3, **family},
                    {"type": f"{provider}/vmFamily/lowPriorityCores/usages", "limit": -1, **family},
                    {"type": f"{provider}/lowPriorityCores/usages", "limit": 6, "name": {"value": "any"}},
                    {"type": f"{provider}/vmFamily/dedicatedCores/usages", "limit": 1, **family, **of_workspace},
                ],
            ]

    listing: Any = Listing()
    assert look_at_quotas(listing) == {
        (False, "standarddsv3family"): Quota(8, 3),
        (True, "standarddsv3family"): Quota(-1),
        (True, TOTAL): Quota(6),
    }
