"""The compute clusters of a workspace: whether there can be one for a machine, and why one does not grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from include.checks.azure.machines import PRESETS
from include.clouds.azure_workspace import AzureWorkspace
from include.settings import AzureSettings


def machine_faults(settings: AzureSettings, asked: Mapping[str, Any]) -> list[str]:
    """What no cluster can give to a job that asks for a machine of lanner.yaml."""
    if asked["preset"] not in PRESETS:
        known = ", ".join(PRESETS)
        return [
            f"UNKNOWN_MACHINE: Azure ML: there is no machine preset {asked['preset']!r}; there are {known}. Change "
            "machines in lanner.yaml."
        ]
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
    return faults


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
