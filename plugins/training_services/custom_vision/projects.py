"""A project of a name, and the tags in it: each made where it is not there, and by two at once only one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.clouds.failures import QuotaExceeded
from include.custom_vision_training import DOMAINS
from include.store import Store
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.tidying import make_room

NO_MORE_PROJECTS = "BadRequestExceedProjectLimit"
NOT_UNIQUE = "BadRequestTagNameNotUnique"


def find_or_create(
    projects: ProjectListing, store: Store, namespace: str, name: str, *, domain: str, description: str
) -> Any:
    """The project of a name, made now if there is none; in a full resource what nobody needs any more makes room.

    Args:
        namespace: whose projects may make room.
        domain: a name of ``DOMAINS``.

    Raises:
        QuotaExceeded: the resource has no more projects.
    """
    if (found := projects.find([name]).get(name)) is not None:
        return found

    def create() -> None:  # asked for twice, it would be two
        about = {"description": description, "domain_id": DOMAINS[domain]}
        projects.account.call("create_project", name, **about, repeatable=False)

    try:
        create()
    except QuotaExceeded as full:
        if full.code != NO_MORE_PROJECTS or not make_room(projects, store, namespace):
            raise
        create()
    projects.remove_twins(name)
    return projects.find([name])[name]


def tags_of(account: CustomVisionAccount, project: str, names: Mapping[int, str]) -> dict[int, str]:
    """The service's id of each class, by its id in the label map; made where it is not there."""
    there = {tag.name: tag.id for tag in account.call("get_tags", project)}
    for name in names.values():
        if name in there:
            continue
        try:
            there[name] = account.call("create_tag", project, name).id
        except CustomVisionRefused as refusal:  # another was faster, or it was we ourselves and the answer was lost
            there |= {tag.name: tag.id for tag in account.call("get_tags", project)}
            if refusal.code != NOT_UNIQUE or name not in there:
                raise
    return {class_id: there[name] for class_id, name in names.items()}
