"""Projects and their tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.standins.azure.custom_vision_account import DEFAULT_DOMAIN, DOMAINS, Tier
from tests.standins.azure.custom_vision_calls import Call, Route, check_id
from tests.standins.azure.custom_vision_errors import Refusal, invalid, not_found
from tests.standins.azure.custom_vision_store import Project, Projects, Row, new_id, now

LONGEST_NAME = 128  # from memory, not verified
PLATFORMS = frozenset({"CoreML", "TensorFlow", "DockerFile", "ONNX", "VAIDK", "OpenVino"})
TAG_TYPES = frozenset({"Regular", "Negative", "GeneralProduct"})


class ProjectCalls:
    """What may be asked about domains, projects and tags.

    Args:
        before_removal: refuses, or ends what runs in a project.
    """

    def __init__(self, projects: Projects, tier: Tier, before_removal: Callable[[Project], None]) -> None:
        self.projects, self.tier, self._before_removal = projects, tier, before_removal

    def routes(self) -> list[Route]:
        one, tags = "/projects/{projectId}", "/projects/{projectId}/tags"
        return [
            Route("GetDomains", "GET", "/domains", lambda _: list(DOMAINS.values())),
            Route("GetDomain", "GET", "/domains/{domainId}", lambda call: domain(call.at["domainId"])),
            Route("CreateProject", "POST", "/projects", self._create),
            Route("GetProjects", "GET", "/projects", lambda _: [each.about for each in self.projects]),
            Route("GetProject", "GET", one, lambda call: self._project(call).about),
            Route("UpdateProject", "PATCH", one, self._update),
            Route("DeleteProject", "DELETE", one, self._delete),
            Route("CreateTag", "POST", tags, self._create_tag),
            Route("GetTags", "GET", tags, lambda call: tags_of(self._project(call))),
            Route("GetTag", "GET", f"{tags}/{{tagId}}", self._tag),
            Route("UpdateTag", "PATCH", f"{tags}/{{tagId}}", self._update_tag),
            Route("DeleteTag", "DELETE", f"{tags}/{{tagId}}", self._delete_tag),
        ]

    def _project(self, call: Call) -> Project:
        return self.projects.get(call.at["projectId"])

    def _create(self, call: Call) -> Row:
        name, chosen = call.text("name"), domain(check_id(call.text("domainId", DEFAULT_DOMAIN)))
        platforms = [each for each in call.text("targetExportPlatforms", "").split(",") if each]
        _check_name(name, "Project")
        _check_platforms(platforms, chosen)
        if any(call.json().values()):
            raise Refusal("BadRequestNotSupported", "The stand-in exports to no container and notifies no queue.")
        settings = {
            "domainId": chosen["id"],
            "classificationType": call.text("classificationType", "Multilabel")
            if chosen["type"] == "Classification"
            else None,
            "targetExportPlatforms": platforms,
            "useNegativeSet": True,
            "detectionParameters": None,
            "imageProcessingSettings": {"augmentationMethods": {}},
        }
        with self.projects.lock:
            if len(self.projects) >= self.tier.projects:
                raise Refusal(
                    "BadRequestExceedProjectLimit",
                    f"The maximum number of projects ({self.tier.projects}) of the {self.tier.name} tier is reached.",
                )
            time = now()
            about = {
                "id": new_id(),
                "name": name,
                "description": call.text("description", ""),
                "settings": settings,
                "created": time,
                "lastModified": time,
                "thumbnailUri": None,
                "drModeEnabled": False,
                "status": "Succeeded",
            }
            return self.projects.add(about).about

    def _update(self, call: Call) -> Row:
        project, asked = self._project(call), call.json()
        if not isinstance(settings := asked.get("settings", {}), dict):
            raise invalid("settings must be an object.")
        name = str(asked.get("name", project.about["name"]))
        _check_name(name, "Project")
        with project.lock:
            kept = {each: value for each, value in settings.items() if each in project.about["settings"]}
            merged = project.about["settings"] | kept
            old, new = domain(project.about["settings"]["domainId"]), domain(merged["domainId"])
            if old["type"] != new["type"]:
                raise Refusal(
                    "BadRequestProjectUnsupportedDomainTypeChange", "The type of a project's domain cannot be changed."
                )
            _check_platforms(merged["targetExportPlatforms"] or [], new)
            project.save(name=name, description=asked.get("description", project.about["description"]), settings=merged)
        return project.about

    def _delete(self, call: Call) -> None:
        project = self._project(call)
        with self.projects.lock, project.lock:
            self._before_removal(project)
            self.projects.remove(project)

    def _create_tag(self, call: Call) -> Row:
        project, name, kind = self._project(call), call.text("name"), call.text("type", "Regular")
        _check_name(name, "Tag")
        if kind not in TAG_TYPES:
            raise Refusal("BadRequestTagType", f"Invalid tag type: {kind}")
        with project.lock:
            _check_unique(project, name)
            if len(project.tags) >= self.tier.tags:
                raise Refusal(
                    "BadRequestExceedTagPerProjectLimit",
                    f"The maximum number of tags of a project ({self.tier.tags}) is reached.",
                )
            if kind == "Negative" and any(tag["type"] == kind for tag in project.tags):
                raise Refusal("BadRequestMultipleNegativeTag", "A project can have one negative tag.")
            description = call.text("description", "")
            row = {"id": new_id(), "name": name, "description": description, "type": kind, "created": now()}
            project.tags.put(row)
        return _view(row, 0)

    def _tag(self, call: Call) -> Row:
        project = self._project(call)
        tag = project.tag(call.at["tagId"])
        return _view(tag, images_by_tag(project).get(tag["id"], 0))

    def _update_tag(self, call: Call) -> Row:
        project, asked = self._project(call), call.json()
        with project.lock:
            tag = project.tag(call.at["tagId"])
            if asked.get("type", tag["type"]) not in TAG_TYPES:
                raise Refusal("BadRequestTagType", f"Invalid tag type: {asked['type']}")
            if (name := str(asked.get("name", tag["name"]))) != tag["name"]:
                _check_name(name, "Tag")
                _check_unique(project, name)
            changes = {each: asked[each] for each in ("name", "description", "type") if asked.get(each) is not None}
            project.tags.put(tag | changes)
        return self._tag(call)

    def _delete_tag(self, call: Call) -> None:
        """Delete a tag with its regions."""
        project = self._project(call)
        with project.lock:
            tag = project.tag(call.at["tagId"])
            for image in project.images:
                kept = [region for region in image["regions"] if region["tagId"] != tag["id"]]
                tags = [each for each in image["tags"] if each["tagId"] != tag["id"]]
                if (len(kept), len(tags)) != (len(image["regions"]), len(image["tags"])):
                    project.images.put(image | {"regions": kept, "tags": tags})
            project.tags.remove(tag["id"])


def domain(id_: str) -> dict[str, Any]:
    """
    Raises:
        Refusal: there is no such domain.
    """
    if id_ not in DOMAINS:
        raise not_found("Domain", id_)
    return DOMAINS[id_]


def images_by_tag(project: Project) -> dict[str, int]:
    """Of each tag that is used, the number of images that have it."""
    counts: dict[str, int] = {}
    for image in project.images:
        for tag in image["tags"]:
            counts[tag["tagId"]] = counts.get(tag["tagId"], 0) + 1
    return counts


def tags_of(project: Project) -> list[Row]:
    """All tags of a project, as the API shows them."""
    counts = images_by_tag(project)
    return [_view(tag, counts.get(tag["id"], 0)) for tag in project.tags]


def _view(tag: Row, images: int) -> Row:
    return {name: tag[name] for name in ("id", "name", "description", "type")} | {"imageCount": images}


def _check_name(name: str, what: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Refusal(f"BadRequest{what}Name", f"Invalid {what.lower()} name: '{name}'")


def _check_unique(project: Project, name: str) -> None:
    if any(tag["name"].casefold() == name.casefold() for tag in project.tags):
        raise Refusal("BadRequestTagNameNotUnique", "Tag name should be unique.")


def _check_platforms(platforms: list[str], chosen: dict[str, Any]) -> None:
    for platform in platforms:
        if platform not in PLATFORMS or not chosen["exportable"]:
            raise Refusal(
                "BadRequestProjectUnsupportedExportPlatform",
                f"The domain {chosen['name']} cannot be exported to {platform}.",
            )
