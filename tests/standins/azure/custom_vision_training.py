"""The call that trains, and what it refuses.

https://learn.microsoft.com/rest/api/customvision/training/projects/train. Of the refusals' words, those about too few
images and about nothing new have been reported (https://github.com/MicrosoftDocs/mixed-reality/issues/426).
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.standins.azure.custom_vision_account import MIN_IMAGES_OF_A_TAG, TRAIN, Tier
from tests.standins.azure.custom_vision_calls import Call, Route
from tests.standins.azure.custom_vision_errors import Refusal, invalid
from tests.standins.azure.custom_vision_faults import HOLDS, KINDS, quota_exceeded, refuse_as_wished
from tests.standins.azure.custom_vision_image_check import EDGES
from tests.standins.azure.custom_vision_iterations import Iterations, check_room, fingerprint, folders
from tests.standins.azure.custom_vision_projects import domain
from tests.standins.azure.custom_vision_status import FAILED, TRAINING
from tests.standins.azure.custom_vision_store import Project, Row, new_id
from tests.standins.wishes import Wishes
from training_services.local_runner import write

MOST_HOURS = 24 * 7  # from memory, not verified


class TrainingCalls:
    """What may be asked about trainings and iterations.

    Args:
        state: keeps what the next trainings are to suffer, and ``trainings.jsonl``: every training that was begun, with
            its images, also of projects that are gone. As a bill has it.
    """

    def __init__(self, state: Path, iterations: Iterations, tier: Tier) -> None:
        self.begun = state / "trainings.jsonl"
        self.iterations, self.projects, self.tier = iterations, iterations.projects, tier
        self.wishes = Wishes(state / "faults.json", KINDS, HOLDS, invalid)

    def routes(self) -> list[Route]:
        one = "/projects/{projectId}/iterations/{iterationId}"
        return [
            Route("TrainProject", "POST", "/projects/{projectId}/train", self._train, TRAIN),
            Route("GetIterations", "GET", "/projects/{projectId}/iterations", self._list),
            Route("GetIteration", "GET", one, self._get),
            Route("UpdateIteration", "PATCH", one, self._update),
            Route("DeleteIteration", "DELETE", one, self._delete),
            Route("PublishIteration", "POST", f"{one}/publish", self._publish),
            Route("UnpublishIteration", "DELETE", f"{one}/publish", self._unpublish),
        ]

    def _project(self, call: Call) -> Project:
        return self.projects.get(call.at["projectId"])

    def _train(self, call: Call) -> Row:
        project = self._project(call)
        asked = self._asked(call, project)
        with project.lock:
            iterations = self.iterations.of(project)
            if any(each["status"] == TRAINING for each in iterations):
                raise Refusal("BadRequestTrainingAlreadyInProgress", "Training already in progress.")
            tags, samples = trainable(project, call.json().get("selectedTags") or [])
            mark = fingerprint(asked, tags, samples)
            if not call.flag("forceTrain") and self._last_mark(project, iterations) == mark:
                raise Refusal("BadRequestTrainingNotNeeded", "Nothing changed since last training")
            check_room(iterations)
            wish = self.wishes.take("")
            refuse_as_wished(wish, self.tier)
            plan = {"tags": tags, "samples": samples, "fault": wish if "fault" in wish else None}
            about = {"id": new_id(), "classificationType": None, "customBaseModelInfo": None, "fingerprint": mark}
            images = [sample["image"] for sample in samples]
            added = self.iterations.add(project, about | asked, plan, images, wish.get("hold"))
            self._write_down(project, added["id"], samples)
            return added

    def strike(self, name: str) -> None:
        """Let the service lose what trains in the projects of a name."""
        for project in self.projects:
            for folder in folders(project) if project.about["name"] == name else ():
                write(folder / "strike", "internal")

    def _write_down(self, project: Project, iteration: str, samples: list[Row]) -> None:
        sent = [[sample["sha256"], len(sample["boxes"])] for sample in samples]
        line = {"name": project.about["name"], "project": project.id, "iteration": iteration, "images": sent}
        with self.begun.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _asked(self, call: Call, project: Project) -> Row:
        """Type, budget and domain of a training."""
        chosen = domain(project.about["settings"]["domainId"])
        if chosen["type"] != "ObjectDetection":
            raise Refusal("BadRequestUnsupportedDomain", "The stand-in trains object detection alone.")
        if call.json().get("customBaseModelInfo"):
            raise Refusal("BadRequestNotSupported", "The stand-in trains from no other project's iteration.")
        kind = call.text("trainingType", "Regular")
        if kind not in {"Regular", "Advanced"}:
            raise invalid(f"The value '{kind}' is not valid for trainingType.")
        hours = int(call.number("reservedBudgetInHours", 0, 0, MOST_HOURS))
        if kind == "Advanced" and hours < 1:
            raise Refusal(
                "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
                "Advanced training needs a reserved budget of at least 1 hour.",
            )
        if self.tier.training_hours is not None and hours > self.tier.training_hours:
            raise quota_exceeded(self.tier)
        return {"trainingType": kind, "reservedBudgetInHours": hours, "domainId": chosen["id"]}

    def _last_mark(self, project: Project, iterations: list[Row]) -> str | None:
        """The fingerprint of the newest training that did not fail."""
        last = next((each for each in iterations if each["status"] != FAILED), None)
        if last is None:
            return None
        return json.loads((project.iterations / last["id"] / "iteration.json").read_text())["fingerprint"]

    def _list(self, call: Call) -> list[Row]:
        return self.iterations.of(self._project(call))

    def _get(self, call: Call) -> Row:
        return self.iterations.get(self._project(call), call.at["iterationId"])

    def _update(self, call: Call) -> Row:
        project = self._project(call)
        with project.lock:
            return self.iterations.rename(project, call.at["iterationId"], str(call.json().get("name", "")))

    def _delete(self, call: Call) -> None:
        project = self._project(call)
        with project.lock:
            self.iterations.remove(project, call.at["iterationId"])

    def _publish(self, call: Call) -> bool:
        project = self._project(call)
        name, resource = call.text("publishName"), call.text("predictionId")
        if not resource.startswith("/subscriptions/"):
            raise Refusal("BadRequestInvalidPublishTarget", f"Invalid prediction resource id: {resource}")
        if not name.strip():
            raise Refusal("BadRequestInvalidPublishName", f"Invalid publish name: '{name}'")
        with project.lock:
            folder = self.iterations.folder(project, call.at["iterationId"], trained=True)
            other = self.iterations.published(project, name)
            mine = json.loads((folder / "published.json").read_text()) if (folder / "published.json").exists() else {}
            if mine and not call.flag("overwrite"):
                published = mine["publishName"]
                raise Refusal("BadRequestIterationIsPublished", f"Iteration is already published as: {published}")
            if other not in {None, folder}:
                if not call.flag("overwrite"):
                    raise Refusal("BadRequestInvalidPublishName", f"The name {name} is used by another iteration.")
                (other / "published.json").unlink()
            about = {"publishName": name, "originalPublishResourceId": resource}
            write(folder / "published.json", json.dumps(about))
        return True

    def _unpublish(self, call: Call) -> None:
        project = self._project(call)
        with project.lock:
            folder = self.iterations.folder(project, call.at["iterationId"])
            if not (folder / "published.json").exists():
                raise Refusal("BadRequestIterationNotPublished", "The iteration is not published.")
            (folder / "published.json").unlink()


def trainable(project: Project, selected: list[str]) -> tuple[list[Row], list[Row]]:
    """The tags and the tagged images of a project, in the order of their hashes, whichever came first.

    Raises:
        Refusal: there are too few of them.
    """
    tags = [tag for tag in project.tags if not selected or project.tag(tag["id"])["id"] in selected]
    for id_ in selected:
        project.tag(id_)
    if any(tag["type"] == "Negative" for tag in tags):
        raise Refusal("BadRequestDetectionTrainingNotAllowNegativeTag", "Object detection has no negative tag.")
    refusal = partial(Refusal, "BadRequestDetectionTrainingValidationFailed")
    if not tags:
        raise refusal("Not enough tags for training")
    numbers = {tag["id"]: number for number, tag in enumerate(tags)}
    samples = []
    counts = dict.fromkeys(numbers, 0)
    for image in project.images:
        boxes: list[list[Any]] = [
            [numbers[region["tagId"]], *(region[edge] for edge in EDGES)]
            for region in image["regions"]
            if region["tagId"] in numbers
        ]
        for tag in {region["tagId"] for region in image["regions"]} & numbers.keys():
            counts[tag] += 1
        if boxes:
            known = {
                "image": image["id"],
                "sha256": image["sha256"],
                "width": image["width"],
                "height": image["height"],
            }
            samples.append(known | {"boxes": boxes})
    if len(samples) < MIN_IMAGES_OF_A_TAG:
        raise refusal("Not enough images for training")
    if min(counts.values()) < MIN_IMAGES_OF_A_TAG:
        raise refusal("Not enough images per tag for training")
    return [{"id": tag["id"], "name": tag["name"]} for tag in tags], sorted(
        samples, key=lambda sample: sample["sha256"]
    )
