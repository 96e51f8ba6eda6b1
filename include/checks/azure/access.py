"""Who needs which action for a training on Azure Machine Learning, and the rules about it.

``ACTIONS`` names every action that our calls need, and no other; docs/policies has the roles made of them. That a job
needs these, and that environments have no actions of their versions' own, is from
https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles; which call needs which, from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from include.checks.azure.facts import WorkspaceFacts
from include.checks.rule import Fault, Rule

PROVIDER = "Microsoft.MachineLearningServices"
ROLE = "AzureML Data Scientist"  # holds all of it, on the workspace
STORAGE_ROLE = "Storage Blob Data Contributor"  # of whoever submits, on the storage account

# Documents in docs/policies.
SUBMIT_POLICY, CHECKS_POLICY, SMOKE_POLICY = "azure-submit.json", "azure-checks.json", "azure-smoke.json"


@dataclass(frozen=True)
class Action:
    """One action of whoever submits.

    Attributes:
        calls: our calls that need it, by method and kind of resource.
        policy: the document that grants it.
        on_data: is it done on what lies in the storage account? Azure keeps these apart.
    """

    calls: tuple[str, ...]
    policy: str = SUBMIT_POLICY
    on_data: bool = False


def _workspace(name: str) -> str:
    return f"{PROVIDER}/workspaces/{name}"


def _blobs(name: str) -> str:
    return f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{name}"


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        _workspace("read"): Action(("GET workspace",)),
        _workspace("jobs/read"): Action(("GET jobs",)),
        _workspace("jobs/write"): Action(("PUT jobs",)),
        _workspace("jobs/cancel/action"): Action(("POST jobs/cancel",)),
        _workspace("jobs/delete"): Action(("DELETE jobs",), SMOKE_POLICY),
        _workspace("computes/read"): Action(("GET computes",)),
        _workspace("datastores/read"): Action(("GET datastores",)),
        _workspace("environments/read"): Action(("GET environments",)),
        _workspace("environments/write"): Action(("PUT environments",)),
        _workspace("environments/build/action"): Action(("PUT jobs",)),
        _workspace("environments/readSecrets/action"): Action(("PUT jobs",)),
        _workspace("metadata/artifacts/write"): Action(("PUT jobs",)),
        _workspace("experiments/runs/read"): Action(("GET history",)),
        _blobs("read"): Action(("GET blobs",), on_data=True),
        _blobs("write"): Action(("PUT blobs",), on_data=True),
        _blobs("delete"): Action(("DELETE blobs",), SMOKE_POLICY, on_data=True),
        f"{PROVIDER}/locations/usages/read": Action(("GET usages",), CHECKS_POLICY),
        f"{PROVIDER}/locations/vmSizes/read": Action(("GET vmSizes",), CHECKS_POLICY),
        "Microsoft.Authorization/permissions/read": Action(("GET permissions",), CHECKS_POLICY),
        "Microsoft.CognitiveServices/accounts/read": Action(("GET accounts",), CHECKS_POLICY),
    }
)
NEEDED = frozenset(name for name, action in ACTIONS.items() if action.policy == SUBMIT_POLICY and not action.on_data)
"""On the workspace; without it no job is submitted, watched or cancelled."""


def missing_of(permissions: Iterable[Mapping[str, Any]], needed: Iterable[str] = NEEDED) -> frozenset[str]:
    """Actions that none of a caller's roles holds. What an organisation denies besides is not among a role's.

    Args:
        permissions: ``actions`` and ``notActions`` of each role, with ``*`` for anything.

    >>> sorted(missing_of([{"actions": ["*/read"], "notActions": ["a/b/*"]}], ["a/read", "a/b/read", "A/write"]))
    ['A/write', 'a/b/read']
    """
    roles = list(permissions)
    return frozenset(action for action in needed if not any(_holds(role, action) for role in roles))


def _holds(role: Mapping[str, Any], action: str) -> bool:
    allowed = any(_matches(each, action) for each in role.get("actions") or ())
    return allowed and not any(_matches(each, action) for each in role.get("notActions") or ())


def _matches(pattern: str, action: str) -> bool:
    words = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(words, action, re.IGNORECASE) is not None


def grant(facts: WorkspaceFacts, role: str, scope: str) -> str:
    """The command that gives a role to whoever submits."""
    who = facts.caller or "WHOEVER_SUBMITS"
    return f'az role assignment create --assignee {who} --role "{role}" --scope {scope}'


def _identity(facts: WorkspaceFacts) -> Iterable[Fault]:
    if facts.caller == "":
        yield Fault(
            f"Azure does not accept the credentials, or there are none: {facts.refusal}",
            "Log in: az login; then look who you are: az account show. For Airflow put the secret into its connection; "
            "one that has run out is made anew by az ad sp credential reset --id APP_ID.",
        )


def _missing(facts: WorkspaceFacts) -> Iterable[Fault]:
    if facts.missing:
        yield Fault(
            f"{facts.caller or 'Whoever submits'} lacks {', '.join(sorted(facts.missing))} on workspace "
            f"{facts.workspace}.",
            f"Grant it: {grant(facts, ROLE, facts.id)} (or the smaller role of docs/policies/{SUBMIT_POLICY}).",
        )


_ROLES = "https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles"
RULES: tuple[Rule[WorkspaceFacts], ...] = (
    Rule("IDENTITY", "https://learn.microsoft.com/cli/azure/authenticate-azure-cli", _identity),
    Rule("PERMISSION_MISSING", _ROLES, _missing),
)
