"""The images that a project has: listed, counted, given regions, deleted."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.standins.azure.custom_vision_account import MOST_REGIONS
from tests.standins.azure.custom_vision_calls import Call, Reply, Route
from tests.standins.azure.custom_vision_errors import Refusal, invalid
from tests.standins.azure.custom_vision_image_check import EDGES, BadImage, check_region
from tests.standins.azure.custom_vision_store import Project, Projects, Row, now
from tests.standins.azure.custom_vision_upload import with_regions

BLOBS = "/blobs"  # here as there, whoever knows an image's URL may read it: there it has a signature


def view(project: Project, image: Row, url: str) -> Row:
    """An image as the API shows it."""
    names = {tag["id"]: tag["name"] for tag in project.tags}
    shown = {name: image[name] for name in ("id", "created", "width", "height", "metadata")}
    return shown | {
        **addresses(project, image["id"], url),
        "tags": [each | {"tagName": names.get(each["tagId"])} for each in image["tags"]] or None,
        "regions": [each | {"tagName": names.get(each["tagId"])} for each in image["regions"]] or None,
    }


def addresses(project: Project, id_: str, url: str) -> dict[str, str]:
    """Where an image is, for all sizes the same."""
    return dict.fromkeys(("resizedImageUri", "thumbnailUri", "originalImageUri"), f"{url}{BLOBS}/{project.id}/{id_}")


class ImageCalls:
    """What may be asked about images that are there."""

    def __init__(self, projects: Projects) -> None:
        self.projects = projects

    def routes(self) -> list[Route]:
        images = "/projects/{projectId}/images"
        tagged, untagged = partial(self._list, state="Tagged"), partial(self._list, state="Untagged")
        count_tagged, count_untagged = partial(self._count, state="Tagged"), partial(self._count, state="Untagged")
        return [
            Route("GetTaggedImages", "GET", f"{images}/tagged", tagged),
            Route("GetTaggedImageCount", "GET", f"{images}/tagged/count", count_tagged),
            Route("GetUntaggedImages", "GET", f"{images}/untagged", untagged),
            Route("GetUntaggedImageCount", "GET", f"{images}/untagged/count", count_untagged),
            Route("GetImages", "GET", images, self._list),
            Route("GetImageCount", "GET", f"{images}/count", self._count),
            Route("GetImagesByIds", "GET", f"{images}/id", self._by_ids),
            Route("DeleteImages", "DELETE", images, self._delete),
            Route("CreateImageRegions", "POST", f"{images}/regions", self._create_regions),
            Route("DeleteImageRegions", "DELETE", f"{images}/regions", self._delete_regions),
            Route("UpdateImageMetadata", "POST", f"{images}/metadata", self._metadata),
        ]

    def _matching(self, call: Call, state: str | None = None) -> list[Row]:
        """The images of a project that a call asks for, the newest first unless it says otherwise."""
        state = state or call.text("taggingStatus", "All")
        order = call.text("orderBy", "Newest")
        if state not in {"All", "Tagged", "Untagged"} or order not in {"Newest", "Oldest", "Suggested"}:
            raise invalid(f"taggingStatus '{state}', orderBy '{order}'.")
        project = self.projects.get(call.at["projectId"])
        wanted = {project.tag(id_)["id"] for id_ in call.ids("tagIds", 20)}
        found = [
            image
            for image in project.images
            if (state == "All" or bool(image["tags"]) == (state == "Tagged"))
            and (not wanted or wanted & {each["tagId"] for each in image["tags"]})
        ]
        return found if order == "Oldest" else found[::-1]

    def _list(self, call: Call, state: str | None = None) -> list[Row]:
        project = self.projects.get(call.at["projectId"])
        return [view(project, image, call.url) for image in call.page(self._matching(call, state))]

    def _count(self, call: Call, state: str | None = None) -> int:
        return len(self._matching(call, state))

    def _by_ids(self, call: Call) -> list[Row]:
        project = self.projects.get(call.at["projectId"])
        found = [image for id_ in call.ids("imageIds", 256) if (image := project.images.get(id_))]
        return [view(project, image, call.url) for image in found]

    def _delete(self, call: Call) -> Reply:
        """Delete images; iterations that were trained keep what they learned."""
        project, ids = self.projects.get(call.at["projectId"]), call.ids("imageIds", 256)
        if bool(ids) == call.flag("allImages"):
            raise invalid("Give either imageIds or allImages.")
        with project.lock:
            rows = list(project.images) if call.flag("allImages") else [project.image(id_) for id_ in ids]
            for row in rows:
                project.images.remove(row["id"])
                project.by_hash.pop(row["sha256"], None)
                (project.files / row["id"]).unlink(missing_ok=True)
        return Reply(204)

    def _create_regions(self, call: Call) -> Reply:
        """Add regions; one that is there is told apart, as is one too many."""
        project, asked = self.projects.get(call.at["projectId"]), call.json().get("regions") or []
        if len(asked) > 64:
            raise Refusal("BadRequestExceededBatchSize", f"{len(asked)} regions; at most 64 are allowed.")
        done: dict[str, list[Any]] = {"created": [], "duplicated": [], "exceeded": []}
        tags = {tag["id"]: tag["name"] for tag in project.tags}
        with project.lock:
            for entry in asked:
                image = project.image(str(entry.get("imageId")))
                try:
                    region = check_region(entry, tags)
                except BadImage as why:
                    raise Refusal("BadRequestImageRegions", f"There is no tag {entry.get('tagId')}.") from why
                if any(all(region[each] == old[each] for each in ("tagId", *EDGES)) for old in image["regions"]):
                    done["duplicated"].append(entry)
                elif len(image["regions"]) >= MOST_REGIONS:
                    done["exceeded"].append(entry)
                else:
                    image = project.images.put(with_regions(image, [region], now()))
                    done["created"].append(
                        image["regions"][-1] | {"imageId": image["id"], "tagName": tags[region["tagId"]]}
                    )
        return Reply(200 if len(done["created"]) == len(asked) else 207, done)

    def _delete_regions(self, call: Call) -> None:
        project, ids = self.projects.get(call.at["projectId"]), set(call.ids("regionIds", 64))
        with project.lock:
            for image in project.images:
                kept = [region for region in image["regions"] if region["regionId"] not in ids]
                if len(kept) < len(image["regions"]):
                    used = {region["tagId"] for region in kept}
                    tags = [each for each in image["tags"] if each["tagId"] in used]
                    project.images.put(image | {"regions": kept, "tags": tags})

    def _metadata(self, call: Call) -> Reply:
        project, asked = self.projects.get(call.at["projectId"]), call.json()
        results = []
        with project.lock:
            for id_ in call.ids("imageIds", 64):
                image = project.images.get(id_)
                status = "ErrorImageNotFound"
                if image is not None:
                    merged = image["metadata"] | asked
                    status = "OK" if len(merged) <= 10 else "ErrorLimitExceed"
                    if status == "OK":
                        project.images.put(image | {"metadata": merged})
                results.append({"imageId": id_, "status": status, "metadata": asked})
        ok = all(result["status"] == "OK" for result in results)
        return Reply(200 if ok else 207, {"isBatchSuccessful": ok, "images": results})
