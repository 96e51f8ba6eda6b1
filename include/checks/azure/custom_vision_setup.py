"""Is a Custom Vision resource ready for the trainings of lanner.yaml? Asked by hand, by the target, by ``setup_azure``.

Whether the keys are accepted, domains and projects are asked of the service itself; tier, region and kind of the
resources of Azure's management, which takes other credentials: without them they are left open.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from include.checks.azure.custom_vision import TIERS
from include.checks.azure.custom_vision_resource import RULES, Resource, VisionFacts
from include.checks.notes import Notes
from include.checks.report import listed
from include.checks.rule import Finding, Rule, check
from include.clouds.azure_management import AzureManagement
from include.clouds.custom_vision_account import CustomVisionAccount
from include.custom_vision_training import DOMAINS, PRESETS, CustomVisionConfiguration
from include.settings import CustomVisionSettings, Settings

TARGET = "custom_vision"
RESOURCES_VERSION = "2023-05-01"  # of Microsoft.CognitiveServices
NO_PROJECT = "00000000-0000-0000-0000-000000000000"


def asked_domains(current: Settings) -> list[str]:
    """The domains that the trainings of lanner.yaml ask for, each once; without any, the preset's.

    Raises:
        ValueError: a training is told what Custom Vision is not told.
    """
    asked = [each.targets[TARGET] for each in current.collections.values() if TARGET in each.targets]
    found = [PRESETS[each.preset].replace(**each.training).domain for each in asked]
    return list(dict.fromkeys(found or [CustomVisionConfiguration().domain]))


def look(
    account: CustomVisionAccount,
    vision: CustomVisionSettings,
    domains: Sequence[str],
    namespace: str = "lanner",
    management: AzureManagement | None = None,
    rules: Sequence[Rule[VisionFacts]] = RULES,
) -> tuple[VisionFacts, list[Finding]]:
    """What is known of a resource, and what of it the rules find wrong.

    Args:
        management: by which the resources themselves are looked at; None: they are not.
    """
    asked = VisionFacts(
        endpoint=account.endpoint,
        tier=vision.tier,
        domains=tuple(domains),
        exports=vision.exports,
        namespace=namespace,
        prediction_id=account.prediction_resource,
        prediction_endpoint=account.prediction_endpoint,
    )
    notes = Notes()
    learned = notes.learned("the training key", lambda: look_at_domains(account, domains)) or {}
    if learned.get("refused") == "":
        learned |= notes.learned("projects", lambda: look_at_projects(account)) or {}
    learned |= notes.learned("the prediction key", lambda: look_at_predictions(account)) or {}
    if management is not None and asked.prediction_id.startswith("/subscriptions/"):
        learned |= notes.learned("the resources", lambda: look_at_resources(management, asked)) or {}
    facts = replace(asked, **learned, unknown=tuple(notes.all))
    return facts, check(rules, facts)


def look_at_domains(account: CustomVisionAccount, domains: Sequence[str]) -> dict[str, Any]:
    """Whether the training key is accepted, and whether the domains are there."""
    absent, closed = set(), set()
    try:
        for name in domains:
            try:
                if not account.call("get_domain", DOMAINS[name]).exportable:
                    closed.add(name)
            except FileNotFoundError:
                absent.add(name)
    except PermissionError as refused:
        return {"refused": str(refused)}
    return {"refused": "", "absent_domains": frozenset(absent), "closed_domains": frozenset(closed)}


def look_at_projects(account: CustomVisionAccount) -> dict[str, Any]:
    return {"projects": tuple(str(each.name) for each in account.call("get_projects"))}


def look_at_predictions(account: CustomVisionAccount) -> dict[str, Any]:
    """Whether the prediction key is accepted: a project is asked that there is not. From memory: that is not billed."""
    try:
        with contextlib.suppress(FileNotFoundError, ValueError):  # so far only those come who have a key
            account.detect(NO_PROJECT, "lanner-check", b"")
    except PermissionError as refused:
        return {"prediction_refused": str(refused)}
    return {"prediction_refused": ""}


def look_at_resources(management: AzureManagement, asked: VisionFacts) -> dict[str, Any]:
    """The resources for training and prediction, as Azure has them.

    https://learn.microsoft.com/rest/api/aiservices/accountmanagement/accounts/list
    """
    version = {"api-version": RESOURCES_VERSION}
    try:
        predicting = resource_of(management.call("GET", asked.prediction_id, version))
    except FileNotFoundError:
        predicting = Resource("")
    subscription = asked.prediction_id.split("/")[2]
    accounts = f"/subscriptions/{subscription}/providers/Microsoft.CognitiveServices/accounts"
    ours = urlsplit(asked.endpoint).netloc.lower()
    found = [resource_of(each) for page in management.listed(accounts, version) for each in page]
    training = next((each for each in found if urlsplit(each.endpoint).netloc.lower() == ours), None)
    return {"predicting": predicting, "training": training}


def resource_of(answer: dict[str, Any]) -> Resource:
    """A resource from what the management says of it."""
    parts = str(answer.get("id", "")).split("/")
    return Resource(
        kind=str(answer.get("kind", "")),
        name=str(answer.get("name", "")),
        group=parts[4] if len(parts) > 4 else "",
        tier=str((answer.get("sku") or {}).get("name", "")),
        region=str(answer.get("location", "")).replace(" ", "").lower(),
        endpoint=str((answer.get("properties") or {}).get("endpoint", "")),
    )


def report(facts: VisionFacts, findings: Sequence[Finding]) -> str:
    """All that was found, each with what to do, and all that could not be looked at."""
    tier = TIERS[facts.tier]
    used = "?" if facts.projects is None else len(facts.projects)
    first = (
        f"Custom Vision: {facts.endpoint}, tier {tier.name} ({used} of {tier.projects} projects in use; a project may "
        f"have {tier.images} images and {tier.tags} tags), {'domains' if len(facts.domains) > 1 else 'domain'} "
        f"{', '.join(facts.domains)}."
    )
    why = "Azure's management was not asked, or knows none of this endpoint"
    unseen = [] if facts.training else [f"tier and region of the training resource: {why}"]
    return listed(first, findings, [*facts.unknown, *unseen])
