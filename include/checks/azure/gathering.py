"""Finds out what the rules of ``include.checks.azure.rules`` are asked about, by calls that cost and change nothing.

What cannot be learned -- an action to look is missing, a rehearsal has no such service -- is left open and noted, as
for the other clouds.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from include.checks.azure.access import missing_of
from include.checks.azure.facts import TOTAL, Cluster, Datastore, Quota, VmSize, WorkspaceFacts
from include.checks.azure.workspace import BLOB
from include.checks.notes import Notes
from include.clouds.azure_management import NotAuthenticated, translated
from include.clouds.azure_workspace import AzureWorkspace

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient

PERMISSIONS_VERSION = "2022-04-01"  # of Microsoft.Authorization
# Types of usages, after the provider; of one family the rows of both tiers have the same name.
DEDICATED, LOW_PRIORITY = "dedicatedCores/usages", "lowPriorityCores/usages"
PROBE = "lanner-check"  # a blob that there is not, and that is never written
TIMEOUT = 60  # seconds without an answer of Blob storage


Storage = Callable[[str], "BlobServiceClient"]
"""Makes the client of a storage account; told which account the workspace's datastore is in."""


def gather(workspace: AzureWorkspace, asked: WorkspaceFacts, storage: Storage) -> WorkspaceFacts:
    """Fill in what can be learned.

    Args:
        asked: with what the settings say, nothing learned yet.
    """
    notes = Notes()
    learned: dict[str, Any] = notes.learned("the workspace", lambda: look_at_workspace(workspace)) or {}
    if "refusal" in learned:
        return replace(asked, **learned)  # nobody answers him
    learned["caller"] = notes.learned("who asks", lambda: caller_of(workspace))
    if not learned.get("absent"):
        learned |= _look_inside(workspace, asked, storage, notes)
    if asked.asked:
        learned |= _look_at_region(workspace, replace(asked, **learned), notes)
    return replace(asked, **learned, unknown=tuple(notes.all))


def _look_inside(workspace: AzureWorkspace, asked: WorkspaceFacts, storage: Storage, notes: Notes) -> dict[str, Any]:
    learned: dict[str, Any] = {}
    if (missing := notes.learned("permissions", lambda: look_at_permissions(workspace))) is not None:
        learned["missing"] = missing
    store = notes.learned(f"datastore {asked.datastore}", lambda: look_at_datastore(workspace, asked.datastore))
    if store is not None:
        learned |= {"store": store}
        if store.kind == BLOB:
            learned |= notes.learned("the storage account", lambda: look_at_storage(store, storage)) or {}
    names = dict.fromkeys(each.name for each in asked.asked)
    clusters = {name: notes.learned(f"cluster {name}", partial(look_at_cluster, workspace, name)) for name in names}
    return learned | {"clusters": {name: found for name, found in clusters.items() if found}}


def _look_at_region(workspace: AzureWorkspace, facts: WorkspaceFacts, notes: Notes) -> dict[str, Any]:
    """What the region has, without the rows that nobody asks for."""
    sizes = notes.learned("sizes of machines", lambda: look_at_sizes(workspace)) or {}
    quotas = notes.learned("quotas", lambda: look_at_quotas(workspace))
    if quotas is not None:
        known = replace(facts, sizes=sizes)
        dedicated = dict.fromkeys(known.family(each) for each in facts.asked if not each.spot)
        unnamed = [family for family in dedicated if (False, family) not in quotas]
        notes.all += [f"quota of {family}: the service names none in {facts.region}" for family in unnamed]
    return {"sizes": sizes, "quotas": quotas or {}}


def caller_of(workspace: AzureWorkspace) -> str | None:
    """Who asks, by his token, which is not verified here: a person's name, or the id of an application."""
    with translated("a token"):
        token = workspace.credential.get_token("https://management.azure.com/.default").token
    claims = claims_of(token)
    return next((str(claims[each]) for each in ("upn", "unique_name", "appid", "oid") if claims.get(each)), None)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of whom it is for; nothing if it is no JWT.

    >>> claims_of("x.eyJhcHBpZCI6ICJ1cyJ9.x"), claims_of("rehearsal")
    ({'appid': 'us'}, {})
    """
    with contextlib.suppress(ValueError, IndexError):
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return found if isinstance(found, dict) else {}
    return {}


def look_at_workspace(workspace: AzureWorkspace) -> dict[str, Any]:
    """Whether there is one, and in which region. That Azure refuses the credentials is a fact, too."""
    try:
        found = workspace.get("")
    except NotAuthenticated as refused:
        return {"caller": "", "refusal": str(refused)}
    except FileNotFoundError as absent:
        return {"absent": str(absent)}
    return {"absent": "", "location": str(found.get("location", "")).replace(" ", "").lower()}


def look_at_permissions(workspace: AzureWorkspace) -> frozenset[str]:
    """Actions on the workspace that whoever asks lacks.

    https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource
    """
    path = f"{workspace.id}/providers/Microsoft.Authorization/permissions"
    pages = workspace.listed(path, {"api-version": PERMISSIONS_VERSION})
    return missing_of(role for page in pages for role in page)


def look_at_datastore(workspace: AzureWorkspace, name: str) -> Datastore:
    """Where a datastore is; of kind "" where there is none."""
    try:
        found = workspace.get(f"datastores/{name}")["properties"]
    except FileNotFoundError:
        return Datastore("")
    return Datastore(*(str(found.get(each) or "") for each in ("datastoreType", "accountName", "containerName")))


def look_at_storage(store: Datastore, storage: Storage) -> dict[str, Any]:
    """Which account the storage connection is for, and what cannot be done in the datastore's container."""
    client = storage(store.account)
    account = str(client.account_name)
    if account != store.account:
        return {"storage_account": account}
    return {"storage_account": account, "cannot": cannot_in(client.get_container_client(store.container))}


def cannot_in(container: ContainerClient) -> frozenset[str]:
    """What cannot be done in a container, by trying. Nothing is written: a condition of the write cannot be met.

    That Azure looks whether a write is allowed before it looks at the condition is from memory; Azurite does.
    """
    from azure.core import MatchConditions

    cannot = set()
    try:
        with translated("list blobs"):
            next(iter(container.list_blobs(results_per_page=1, timeout=TIMEOUT)), None)
    except FileNotFoundError:
        return frozenset({"find"})
    except PermissionError:
        cannot.add("list")
    try:
        with translated("write a blob"):
            container.upload_blob(
                PROBE,
                b"",
                overwrite=True,
                etag='"0x0"',
                match_condition=MatchConditions.IfNotModified,
                timeout=TIMEOUT,
            )
    except PermissionError:
        cannot.add("write")
    except (FileExistsError, FileNotFoundError):  # the condition is not met: it would have been written
        pass
    return frozenset(cannot)


def look_at_cluster(workspace: AzureWorkspace, name: str) -> Cluster:
    """A cluster; of kind "" where there is none of this name."""
    try:
        found = workspace.get(f"computes/{name}")["properties"]
    except FileNotFoundError:
        return Cluster("")
    has = found.get("properties") or {}
    scale = has.get("scaleSettings") or {}
    return Cluster(
        kind=str(found.get("computeType")),
        vm_size=str(has.get("vmSize", "")),
        low_priority=str(has.get("vmPriority") or "").lower() == "lowpriority",
        least=int(scale.get("minNodeCount") or 0),
        most=int(scale.get("maxNodeCount") or 0),
    )


def look_at_sizes(workspace: AzureWorkspace) -> dict[str, VmSize]:
    """Sizes of machines for clusters, by name in small letters.

    https://learn.microsoft.com/rest/api/azureml/virtual-machine-sizes/list
    """
    found = _all(workspace, f"{workspace.location}/vmSizes")
    return {
        str(each["name"]).lower(): VmSize(str(each.get("family", "")), bool(each.get("lowPriorityCapable", True)))
        for each in found
        if not (kinds := each.get("supportedComputeTypes")) or "AmlCompute" in kinds
    }


def look_at_quotas(workspace: AzureWorkspace) -> dict[tuple[bool, str], Quota]:
    """Cores of the region; what a workspace has of them for itself is left out.

    https://learn.microsoft.com/rest/api/azureml/usages/list
    """
    quotas = {}
    for each in _all(workspace, f"{workspace.location}/usages"):
        kind = str(each.get("type", "")).partition("/")[2]
        of_family = kind.startswith("vmFamily/")
        tier = kind.removeprefix("vmFamily/")
        if tier in {DEDICATED, LOW_PRIORITY} and "/workspaces/" not in str(each.get("id", "")).lower():
            family = str(each["name"]["value"]).lower() if of_family else TOTAL
            quotas[tier == LOW_PRIORITY, family] = Quota(int(each["limit"]), int(each.get("currentValue") or 0))
    return quotas


def _all(workspace: AzureWorkspace, path: str) -> Iterable[dict[str, Any]]:
    return [each for page in workspace.listed(path, {}) for each in page]
