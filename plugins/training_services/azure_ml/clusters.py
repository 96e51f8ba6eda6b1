"""The compute clusters of a workspace: whether there is one for a machine, and why one does not grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.clouds.azure_workspace import AzureWorkspace
from include.settings import AzureSettings
from training_services.azure_ml.machines import AzureMachine, preset


def machine_faults(workspace: AzureWorkspace, settings: AzureSettings, asked: Mapping[str, Any]) -> list[str]:
    """What would make a job fail, or wait without end, that asks for a machine of lanner.yaml."""
    try:
        machine = preset(asked["preset"])
    except ValueError as unknown:
        return [f"UNKNOWN_MACHINE: {unknown} Change machines in lanner.yaml."]
    faults = []
    if (asked.get("region") or settings.region) != settings.region:
        faults.append(
            f"OTHER_REGION: a machine is to be in {asked['region']}, and a workspace has its clusters in one region, "
            f"which is {settings.region}. Leave the machine's region out, or change the section azure in lanner.yaml."
        )
    if asked.get("evaluator"):
        faults.append(
            f"EVALUATOR: {asked['preset']} asks for a machine that evaluates beside it, which only Vertex AI has. "
            "Leave evaluator out in lanner.yaml."
        )
    spot = bool(asked.get("spot"))
    name = settings.cluster(asked["preset"], spot=spot)
    try:
        found = workspace.get(f"computes/{name}")["properties"]
    except FileNotFoundError:
        create = f"az ml compute create --type AmlCompute --name {name} --size {machine.vm_size} --min-instances 0"
        create += f" --max-instances {machine.workers} --tier {'low_priority' if spot else 'dedicated'}"
        return [*faults, f"NO_CLUSTER: the workspace has no cluster {name}. Make it: {create} (docs/azure.md)."]
    return faults + [f"CLUSTER: {name} {why}." for why in _unfit(found, machine, spot=spot)]


@dataclass(frozen=True)
class ClusterState:
    """Why a job may be waiting for a cluster.

    Attributes:
        is_full: it is as large as it may be: other jobs are on it, and will end.
        complaints: what it says of why it cannot grow; empty if it says nothing.
    """

    is_full: bool
    complaints: str

    @classmethod
    def of(cls, workspace: AzureWorkspace, name: str) -> ClusterState:
        """How a cluster stands; of one that there is not any more, nothing is known."""
        try:
            has = workspace.get(f"computes/{name}")["properties"].get("properties") or {}
        except FileNotFoundError:
            return cls(False, f"there is no cluster {name}")
        errors = [each.get("error", each) for each in has.get("errors") or ()]
        most = (has.get("scaleSettings") or {}).get("maxNodeCount", 0)
        return cls(
            is_full=0 < most <= (has.get("currentNodeCount") or 0),
            complaints="; ".join(f"{each.get('code')}: {each.get('message')}" for each in errors),
        )


def _unfit(found: Mapping[str, Any], machine: AzureMachine, *, spot: bool) -> list[str]:
    """What a cluster lacks for a machine."""
    if found.get("computeType") != "AmlCompute":
        return [f"is {found.get('computeType')}, expected AmlCompute"]
    has = found.get("properties") or {}
    priority = "LowPriority" if spot else "Dedicated"
    faults = []
    if str(has.get("vmSize", "")).lower() != machine.vm_size.lower():
        faults.append(f"has machines {has.get('vmSize')}, expected {machine.vm_size}")
    if str(has.get("vmPriority") or "Dedicated").lower() != priority.lower():
        faults.append(f"has priority {has.get('vmPriority')}, expected {priority} (spot in lanner.yaml)")
    if (most := (has.get("scaleSettings") or {}).get("maxNodeCount", 0)) < machine.workers:
        faults.append(f"grows to {most} machines, {machine.workers} are needed")
    return faults
