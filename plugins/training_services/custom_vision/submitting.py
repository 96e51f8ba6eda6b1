"""A project for a job: made, filled with the images, trained. Each step finds what was done of it before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.checks.azure.custom_vision import TIERS
from include.clouds.custom_vision_account import CustomVisionRefused
from include.custom_vision_training import EXPORTABLE, TRAINING_TYPES, CustomVisionConfiguration
from include.dataset.custom_vision_images import CustomVisionData, custom_vision_data
from include.documents import DatasetDocument, Fault
from include.settings import CustomVisionSettings
from include.store import Store
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.projects import find_or_create, tags_of
from training_services.custom_vision.records import JobRecords
from training_services.custom_vision.states import description, owner_of, status_of
from training_services.custom_vision.tidying import remove_earlier
from training_services.custom_vision.uploading import Upload, Uploaded
from training_services.job import JobStatus, TrainingJob

THERE_ALREADY = frozenset({"BadRequestTrainingAlreadyInProgress", "BadRequestTrainingNotNeeded"})


class Submission:
    """One job on its way to a training.

    Args:
        namespace: of this deployment; with it the names of its projects begin.
    """

    def __init__(
        self,
        projects: ProjectListing,
        store: Store,
        settings: CustomVisionSettings,
        namespace: str,
        job: TrainingJob,
    ) -> None:
        self.projects, self.account, self.store, self.namespace = projects, projects.account, store, namespace
        self.job, self.settings = job, settings
        self.records = JobRecords(store, job.name)
        self.asked = CustomVisionConfiguration.of(job.configuration)

    def begin(self) -> JobStatus:
        """Do all of it. Of what the service refuses for good nothing is left there.

        Raises:
            QuotaExceeded: the resource has no more projects, images or hours.
            CallFailed: another is at it, or the service did not answer.
            ValueError: the service would not train on this.
        """
        self.records.claim(self.job.owner)
        try:
            remove_earlier(self.projects, self.store, self.job)
            project = self._project()
            try:
                self._bring(project)
                return self._train(project)
            except ValueError:
                self.projects.remove(project)
                raise
        except BaseException:
            self.records.release()
            raise

    def _project(self) -> Any:
        """The job's project, made now if there is none."""
        about = {"domain": self.asked.domain, "description": description(self.job.owner)}
        project = find_or_create(self.projects, self.store, self.namespace, self.job.name, **about)
        if owner_of(project) != self.job.owner:  # who began it has given up; who trains may cancel
            project.description = description(self.job.owner)
            self.account.call("update_project", project.id, project)
        return project

    def _bring(self, project: Any) -> None:
        """Bring the images, and write down what came of that."""
        dataset = self.store.get(DatasetDocument, self.job.dataset)
        data = custom_vision_data(self.store, dataset)
        tags = tags_of(self.account, project.id, data.names)

        def beat() -> None:
            self.records.renew(self.job.owner)

        uploaded = Upload(self.account, project.id, self.store, dataset, data, tags, self.records, beat).bring()
        self.records.write("uploaded.json", self._as_record(data, tags, uploaded))
        self._require_images(data, uploaded.refused)

    def _require_images(self, data: CustomVisionData, refused: Mapping[str, str]) -> None:
        """The service trains no tag with fewer images than its limit, and it may have refused some."""
        least = TIERS[self.settings.tier].images_of_a_tag
        counts = data.images_of_each_class(refused)
        few = [f"{data.names[class_id]!r} ({count})" for class_id, count in counts.items() if count < least]
        if few:
            first = next(iter(refused.values()), "it refused none")
            raise ValueError(
                f"Too few images of {', '.join(few)} are left for Custom Vision, which trains no class with fewer than "
                f"{least}. It refused {len(refused)}, the first because {first}. Mend or replace them."
            )

    def _train(self, project: Any) -> JobStatus:
        kind, hours = TRAINING_TYPES[self.asked.training], self.asked.reserved_hours
        try:
            training = self.account.call(
                "train_project", project.id, training_type=kind, reserved_budget_in_hours=hours, repeatable=False
            )
        except CustomVisionRefused as refusal:  # another was faster, or it was we ourselves and the answer was lost
            training = self.projects.training(project) if refusal.code in THERE_ALREADY else None
            if training is None:
                raise
        return status_of(project, training)

    def _as_record(self, data: CustomVisionData, tags: Mapping[int, str], uploaded: Uploaded) -> dict[str, Any]:
        """What was found is what is stored, what was set aside (here or there), and what has no box."""
        refused = [
            Fault(
                code="refused",
                file=data.images[sha256].file,
                message=f"Custom Vision did not take it: {why}.",
                images=1,
            )
            for sha256, why in sorted(uploaded.refused.items())
        ]
        return {
            "configuration": self.asked.to_json(),
            "exports": list(self.settings.exports) if self.asked.domain in EXPORTABLE else [],
            "tags": {str(class_id): {"name": data.names[class_id], "id": tag} for class_id, tag in tags.items()},
            "found": data.found,
            "stored": len(uploaded.stored),
            "without_boxes": data.without_boxes,
            "set_aside": [fault.model_dump() for fault in (*data.set_aside, *refused)],
        }
