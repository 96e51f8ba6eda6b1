"""Rules about the workspace, and where in Blob storage its jobs read and write."""

from __future__ import annotations

from collections.abc import Iterable

from include.checks.azure.access import STORAGE_ROLE, grant
from include.checks.azure.facts import WorkspaceFacts
from include.checks.rule import Fault, Rule

BLOB = "AzureBlob"


def _missing(facts: WorkspaceFacts) -> Iterable[Fault]:
    if facts.absent:
        yield Fault(
            f"There is no workspace {facts.workspace} in resource group {facts.resource_group} of subscription "
            f"{facts.subscription}: {facts.absent}",
            f"Make it: az group create --name {facts.resource_group} --location {facts.region} && az ml workspace "
            f"create --name {facts.workspace} --resource-group {facts.resource_group} --location {facts.region}; or "
            "correct the section azure in lanner.yaml. Which there are: az ml workspace list --query "
            '"[].[name, resource_group, location]" --output tsv',
        )


def _elsewhere(facts: WorkspaceFacts) -> Iterable[Fault]:
    if facts.location and facts.location != facts.region:
        yield Fault(
            f"Workspace {facts.workspace} is in {facts.location}, azure.region says {facts.region}: quotas, prices and "
            "the logs of its jobs are those of its own region.",
            f"Set azure.region to {facts.location} in lanner.yaml.",
        )


def _datastore(facts: WorkspaceFacts) -> Iterable[Fault]:
    store = facts.store
    if store is None:
        return
    look = f"Which there are: az ml datastore list {facts.in_workspace} --output table"
    if not store.kind:
        yield Fault(
            f"Workspace {facts.workspace} has no datastore {facts.datastore}.",
            f"Name another as azure.datastore in lanner.yaml. {look}",
        )
    elif store.kind != BLOB:
        yield Fault(
            f"Datastore {facts.datastore} is {store.kind}; expected {BLOB}.",
            f"Name one of Blob storage as azure.datastore in lanner.yaml. {look}",
        )
    elif facts.storage_account and store.account != facts.storage_account:
        yield Fault(
            f"Datastore {facts.datastore} is in account {store.account}, the storage connection is for account "
            f"{facts.storage_account}: what we sent would not be where jobs look for it.",
            f"Name https://{store.account}.blob.core.windows.net in the storage connection "
            "(azure.storage_connection), or another datastore as azure.datastore.",
        )


def _container(facts: WorkspaceFacts) -> Iterable[Fault]:
    store = facts.store
    if store is None or not facts.cannot:
        return
    if "find" in facts.cannot:
        yield Fault(
            f"There is no container {store.container} in account {store.account}, where datastore {facts.datastore} "
            "is.",
            f"Make it anew: az storage container create --auth-mode login --account-name {store.account} --name "
            f"{store.container}",
        )
    elif faults := [each for each in ("list", "write") if each in facts.cannot]:
        scope = f"$(az storage account show --name {store.account} --query id --output tsv)"
        yield Fault(
            f"{facts.caller or 'Whoever submits'} may not {' or '.join(faults)} blobs of container {store.container} "
            f"in account {store.account}.",
            f"Grant it: {grant(facts, STORAGE_ROLE, scope)}; it takes some minutes to be heeded. If it is granted, the "
            "account's firewall may keep this machine out: az storage account show --name "
            f"{store.account} --query networkRuleSet",
        )


_CONCEPT = "https://learn.microsoft.com/azure/machine-learning"
RULES: tuple[Rule[WorkspaceFacts], ...] = (
    Rule("WORKSPACE_MISSING", f"{_CONCEPT}/how-to-manage-workspace-cli", _missing),
    Rule("WORKSPACE_ELSEWHERE", f"{_CONCEPT}/concept-workspace", _elsewhere),
    Rule("DATASTORE", f"{_CONCEPT}/how-to-datastore", _datastore),
    Rule("CONTAINER", "https://learn.microsoft.com/azure/storage/blobs/assign-azure-role-data-access", _container),
)
