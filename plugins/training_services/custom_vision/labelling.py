"""The project that suggests boxes for one collection: it stays, and trains quickly on what was labelled so far.

It receives the images of the newest dataset's train and validation sides, none of the hold-out, each once
(``uploading``), and is trained on the classes that are in enough of them. It has as many iterations as the service
allows; the oldest make room. Whoever comes after an interruption finds the images there, and waits for the training
that there is.

Its name is no job's, and its description not that of a project for a training, so that nobody who tidies up deletes it.
"""

from __future__ import annotations

import time
from typing import Any

from include.checks.azure.custom_vision import TIERS
from include.clouds.custom_vision_account import CustomVisionAccount, CustomVisionRefused
from include.clouds.failures import CallFailed
from include.dataset.custom_vision_images import CustomVisionData, custom_vision_data
from include.documents import DatasetDocument, Reason
from include.settings import CustomVisionSettings
from include.store import Store
from training_services.custom_vision.labelling_bill import LabellingBill
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.log import new_lines
from training_services.custom_vision.projects import find_or_create, tags_of
from training_services.custom_vision.records import JobRecords
from training_services.custom_vision.states import NOT_ASKED_FOR, status_of
from training_services.custom_vision.uploading import Upload

DOMAIN = "General"  # its models need not leave the service
MOST_ITERATIONS = 20  # of a project, in both tiers: …/custom-vision-service/limits-and-quotas
MOST_SECONDS = 2 * 3600.0  # of a quick training; it has no limit of the service's own
DOING, NOTHING_NEW = "BadRequestTrainingAlreadyInProgress", "BadRequestTrainingNotNeeded"
COMPLETED = "Completed"


class QuickTrainingFailed(ValueError):
    """A quick training failed for a reason that stays."""


class LabellingProject:
    """The standing project of one collection.

    Args:
        owner: who asks; two at the same time would undo each other's work, so the second is told.
    """

    def __init__(
        self,
        account: CustomVisionAccount,
        settings: CustomVisionSettings,
        store: Store,
        namespace: str,
        collection: str,
        owner: str,
        bill: LabellingBill,
    ) -> None:
        self.account, self.settings, self.store, self.namespace = account, settings, store, namespace
        self.collection, self.owner, self.bill = collection, owner, bill
        self.name = f"{namespace}-labelling-{collection}"
        self.projects = ProjectListing(account)
        self.records = JobRecords(store, self.name)

    def trained_on(self, dataset: DatasetDocument, looks: int) -> Any | None:
        """The iteration that knows all of a dataset, trained now if there is none; None: no class is in enough images.

        Args:
            looks: images that it is to look at, for its promise.

        Raises:
            OverBudget: it could cost more than what is left of the collection's month.
            QuickTrainingFailed: for a reason that stays.
            CallFailed: another is at it, or the service did not answer; what was done is not done again.
        """
        data = custom_vision_data(self.store, dataset)
        if not self._known_well(data):
            print(f"No class is in {self._least} images of train and validation yet; Custom Vision suggests nothing.")
            return None
        self.records.claim(self.owner)
        try:
            project = find_or_create(
                self.projects, self.store, self.namespace, self.name, domain=DOMAIN, description=self._about
            )
            tags = tags_of(self.account, project.id, data.names)
            upload = Upload(self.account, project.id, self.store, dataset, data, tags, self.records, self._beat)
            uploaded = upload.bring()
            known = self._known_well(data, uploaded.refused.keys())
            return self._trained(project, [tags[class_id] for class_id in known], looks) if known else None
        finally:
            self.records.release()

    @property
    def _about(self) -> str:
        return f"Lanner's suggestions for labelling {self.collection}. It is used again and again: keep it."

    @property
    def _least(self) -> int:
        return TIERS[self.settings.tier].images_of_a_tag

    def _known_well(self, data: CustomVisionData, refused: Any = ()) -> list[int]:
        """The classes that are in enough images; the service refuses to train the others."""
        return [id_ for id_, count in data.images_of_each_class(refused).items() if count >= self._least]

    def _beat(self) -> None:
        self.records.renew(self.owner)

    # --- the iterations

    def _trained(self, project: Any, tags: list[str], looks: int) -> Any:
        """The newest iteration, once nothing trains and nothing is new."""
        while True:
            running = self._running(project) or self._begin(project, tags, looks)
            if running is None:
                break
            self._wait(project, running)
        ended = self._ended(project)
        self.bill.settle(ended)
        completed = [each for each in ended if each.status == COMPLETED]
        if not completed:
            raise CallFailed(f"Project {self.name} has no trained iteration; was it deleted meanwhile?")
        return completed[-1]

    def _listed(self, project: Any) -> list[Any]:
        """All trainings that were asked for, the oldest first."""
        listed = self.account.call("get_iterations", project.id)
        asked_for = [each for each in listed if each.status != NOT_ASKED_FOR]
        return sorted(asked_for, key=lambda each: (each.created, each.id))

    def _running(self, project: Any) -> Any | None:
        return next((each for each in self._listed(project) if status_of(project, each).active), None)

    def _ended(self, project: Any) -> list[Any]:
        return [each for each in self._listed(project) if not status_of(project, each).active]

    def _begin(self, project: Any, tags: list[str], looks: int) -> Any | None:
        """Ask for a training; None: nothing is new since the last one."""
        self._make_room(project)
        self.bill.promise(MOST_SECONDS, looks)
        try:
            asked = {"training_type": "Regular", "reserved_budget_in_hours": 0, "selected_tags": tags}
            return self.account.call("train_project", project.id, **asked, repeatable=False)
        except CustomVisionRefused as refusal:
            if refusal.code == DOING:  # it was we ourselves, and the answer was lost
                return self._running(project)
            if refusal.code != NOTHING_NEW:
                raise
            return None

    def _make_room(self, project: Any) -> None:
        """Delete the oldest iterations that answer nowhere, so that there is room for one more."""
        ended = self._ended(project)
        self.bill.settle(ended)
        newest = next((each.id for each in reversed(ended) if each.status == COMPLETED), None)
        spare = [each for each in ended if not each.publish_name and each.id != newest]
        for each in spare[: max(len(ended) + 1 - MOST_ITERATIONS, 0)]:
            print(f"{each.name} of {self.name} is deleted: a project has {MOST_ITERATIONS} iterations at most.")
            self.account.call("delete_iteration", project.id, each.id)

    def _wait(self, project: Any, iteration: Any) -> None:
        """Wait until a training has ended.

        Raises:
            QuickTrainingFailed: it failed, or took too long and was deleted: there is no other way to stop it.
            CallFailed: it failed by the service's fault.
        """
        cursor = 0
        while True:
            found = self.account.call("get_iteration", project.id, iteration.id)
            status = status_of(project, found)
            page = new_lines({self.name: status}, {self.name: cursor})[self.name]
            cursor = page.cursor
            for line in page.lines:
                print(f"{found.name}: {line}")
            if not status.active:
                break
            if (status.seconds or 0) > MOST_SECONDS:
                self.account.call("delete_iteration", project.id, found.id)
                raise QuickTrainingFailed(
                    f"{found.name} of {self.name} had not ended after {MOST_SECONDS / 3600:g} h; it was deleted."
                )
            self._beat()
            time.sleep(self.settings.poll_seconds)
        if not status.succeeded:
            self.bill.settle([found])
            words = f"{found.name} of {self.name} failed ({status.reason}): {status.message}"
            if status.reason in {Reason.LOST, Reason.CAPACITY, Reason.THROTTLED}:
                raise CallFailed(words)
            raise QuickTrainingFailed(f"{words} Trigger assist_labelling again to train once more.")
