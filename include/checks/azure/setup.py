"""Is a workspace of Azure Machine Learning ready for the trainings of lanner.yaml?

Asked by hand, by the target, and by ``setup_azure``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from include.checks.azure.facts import AskedCluster, WorkspaceFacts
from include.checks.azure.gathering import Storage, gather
from include.checks.azure.machines import PRESETS
from include.checks.azure.rules import RULES
from include.checks.report import listed
from include.checks.rule import Finding, Rule, check
from include.clouds.azure_workspace import AzureWorkspace
from include.settings import AzureSettings, Machine

TARGET = "azure_ml"
ANY_MACHINE = Machine(preset=next(iter(PRESETS)))


def asked_clusters(azure: AzureSettings, machines: Iterable[Machine]) -> list[AskedCluster]:
    """The clusters of the machines of lanner.yaml, each once; without any machine, that of the first preset.

    Raises:
        ValueError: there is no such preset.
    """
    asked = []
    for each in [*machines] or [ANY_MACHINE]:
        if each.preset not in PRESETS:
            raise ValueError(f"There is no machine preset {each.preset!r}; there are {', '.join(PRESETS)}.")
        name = azure.cluster(each.preset, spot=each.spot)
        asked.append(AskedCluster(name, each.preset, PRESETS[each.preset], each.spot))
    return list(dict.fromkeys(asked))


def look(
    workspace: AzureWorkspace,
    azure: AzureSettings,
    clusters: Sequence[AskedCluster],
    storage: Storage,
    rules: Sequence[Rule[WorkspaceFacts]] = RULES,
) -> tuple[WorkspaceFacts, list[Finding]]:
    """What is known of a workspace, and what of it the rules find wrong."""
    asked = WorkspaceFacts(
        subscription=workspace.subscription,
        resource_group=workspace.resource_group,
        workspace=workspace.name,
        region=azure.region,
        datastore=azure.datastore,
        asked=tuple(clusters),
    )
    facts = gather(workspace, asked, storage)
    return facts, check(rules, facts)


def report(facts: WorkspaceFacts, findings: Sequence[Finding]) -> str:
    """All that was found, each with what to do, and all that could not be looked at."""
    clusters = ", ".join(str(each) for each in facts.asked)
    first = (
        f"Azure Machine Learning: {facts.caller or 'nobody known'}, workspace {facts.workspace} in group "
        f"{facts.resource_group}, region {facts.region}, machines: {clusters}."
    )
    return listed(first, findings, facts.unknown)
