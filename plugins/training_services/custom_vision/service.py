"""The chapter's Azure target: a detector of Custom Vision's own, trained on our images, in a project of its own.

A project is named as its job, which Custom Vision does not make unique: whoever submits first claims the name in the
store (``records``), and if two got through all the same, the older project counts and the other is deleted
(``listing``). A resource has few projects, so each is deleted once its model is here (``collecting``) and has answered
for the hold-out (``answering``); what is then known of the job is in the store. A training cannot be stopped but by
deleting it, so that is what ``cancel`` does: what it had learned is lost, and the next attempt begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.checks.azure.custom_vision import RULES, TIERS, CustomVisionJob
from include.checks.azure.custom_vision_resource import JOB_RULES
from include.checks.azure.custom_vision_setup import look
from include.checks.rule import check
from include.clouds.custom_vision_account import CustomVisionAccount
from include.clouds.failures import QuotaExceeded
from include.costs.prices import PriceList, WorkerPool
from include.custom_vision_training import CustomVisionConfiguration
from include.dataset.custom_vision_images import custom_vision_data
from include.documents import DatasetDocument, Reason, State
from include.scoring.detections import Detections
from include.settings import CustomVisionSettings
from include.store import Store
from training_services.custom_vision.answering import PREDICTION, Answers
from training_services.custom_vision.collecting import Exports
from training_services.custom_vision.history import write_history
from training_services.custom_vision.listing import ProjectListing
from training_services.custom_vision.log import new_lines
from training_services.custom_vision.records import JobRecords, read_results, write_result
from training_services.custom_vision.states import owner_of, status_of
from training_services.custom_vision.submitting import Submission
from training_services.inputs import empty_sides
from training_services.job import Bill, JobHandle, JobStatus, LogPage, Refused, TrainingJob

log = logging.getLogger(__name__)
COMPUTE_HOUR, ANYWHERE = "training", "any"  # the price of an hour of training, which is the same in all regions
STORED_IMAGES = "images"  # in the price list
FREE = "F0"
LOOK_SECONDS = 10.0  # at most, between two looks at an export, which takes a minute or two


class CustomVisionService:
    """Trainings on Custom Vision (``TrainingService``), and their answers (``PredictingService``).

    Args:
        settings: the resource's tier, what is exported, and the like.
        store: where datasets are, and what is known of a training whose project is gone.
        namespace: of this deployment; with it the names of its projects begin.
        prices: of this deployment; None: the table's alone.
    """

    def __init__(
        self,
        account: CustomVisionAccount,
        settings: CustomVisionSettings,
        store: Store,
        namespace: str = "lanner",
        prices: PriceList | None = None,
    ) -> None:
        self.interval = settings.poll_seconds
        self.account, self.settings, self.store, self.namespace = account, settings, store, namespace
        self.prices = prices or PriceList("custom_vision")
        self.projects = ProjectListing(account)
        self._seen: dict[str, JobStatus] = {}  # at the last look at each

    # --- what every target can do

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail: an empty side, a key, a domain; see ``include.checks.azure``."""
        faults = empty_sides(self.store, job)
        facts = CustomVisionJob(
            data=custom_vision_data(self.store, self.store.get(DatasetDocument, job.dataset)),
            configuration=CustomVisionConfiguration.of(job.configuration),
            tier=TIERS[self.settings.tier],
            max_hours=job.max_seconds / 3600,
            prediction_resource=self.account.prediction_resource,
            exports=self.settings.exports,
            machines=len(job.machines),
        )
        domains = [facts.configuration.domain]
        resource, findings = look(self.account, self.settings, domains, self.namespace, rules=JOB_RULES)
        for note in resource.unknown:
            log.info("Not checked: %s", note)
        return faults + [str(finding) for finding in (*findings, *check(RULES, facts))]

    def find_or_submit(self, job: TrainingJob) -> JobHandle:
        """Find the training of this name, or bring its images and begin it.

        Raises:
            Refused: the resource has no more projects, images or hours.
            CallFailed: the service did not answer, or another is submitting this job at this moment. What
                was uploaded so far is not sent again.
            ValueError: the service would not train on what it was sent; nothing of that is left there.
        """
        if found := self.describe([job.name]):
            return JobHandle(job, found[job.name], submitted=False)
        try:
            status = Submission(self.projects, self.store, self.settings, self.namespace, job).begin()
        except QuotaExceeded as refused:
            raise Refused(Reason.QUOTA, str(refused)) from refused
        return JobHandle(job, status, submitted=status.owner == job.owner)

    def describe(self, names: Collection[str]) -> Mapping[str, JobStatus]:
        """One call for all, and one more for each training that had not ended when it was last looked at.

        A job whose images are still on their way is not known yet: nothing trains.
        """
        if not names:
            return {}
        found = self.projects.find(set(names))
        known = read_results(self.store, names)  # not before: of a project that goes meanwhile it is written first
        for name in found.keys() - known.keys():
            if (training := self.projects.training(found[name])) is not None:
                known[name] = status_of(found[name], training)
        if unknown := found.keys() - known.keys():
            known |= read_results(self.store, unknown)  # gone since the list
        self.projects.forget_all_but({project.id for project in found.values()})
        described = {name: known[name] for name in names if name in known}
        self._seen = {**self._seen, **described}
        return described

    def log_pages(self, cursors: Mapping[str, int]) -> Mapping[str, LogPage]:
        """Custom Vision says nothing of a training but that it runs (``log``). What was just seen is not asked."""
        if unseen := cursors.keys() - self._seen.keys():
            self.describe(unseen)
        return new_lines(self._seen, cursors)

    def cancel(self, name: str, reason: Reason = Reason.USER) -> None:
        """Delete a training with its project, having written down why. What it had learned is lost."""
        project = self.projects.find([name]).get(name)
        if project is None:
            return
        ended = read_results(self.store, [name]).get(name)
        if ended is None:
            training = self.projects.training(project)
            if training is None or not (status := status_of(project, training)).active:
                return
            ended = replace(status, state=State.CANCELLED, reason=reason, message="cancelled, and deleted")
            write_result(self.store, ended)
        if ended.state is State.CANCELLED:
            self.projects.remove(project)

    def abandon(self, job: TrainingJob) -> None:
        """Delete the images that a run brought for a training that it never began; see ``UploadingService``."""
        project = self.projects.find([job.name]).get(job.name)
        if project is None or owner_of(project) != job.owner:
            return
        self.cancel(job.name)  # it may just have begun
        if self.projects.training(project) is None:
            self.projects.remove(project)
            JobRecords(self.store, job.name).release()

    def cost(self, job: TrainingJob, seconds: float) -> Decimal:
        """F0 costs nothing. An advanced training uses no more than the hours that it was given."""
        if self.settings.tier == FREE:
            return Decimal(0)
        hours = CustomVisionConfiguration.of(job.configuration).reserved_hours
        billed = min(seconds, hours * 3600.0) if hours else seconds
        return self.prices.job([WorkerPool(COMPUTE_HOUR)], billed, ANYWHERE)

    def collect(self, name: str, into: Path) -> Path:
        """The exports in ``custom_vision``, and what the service says of its model in our trainer's files.

        Raises:
            FileNotFoundError: there is no trained model of this name, here or there.
        """
        records = JobRecords(self.store, name)
        if self._lacks_a_model(records):
            project, training = self._trained(name)
            labels = [tag["name"] for tag in self._uploaded(records)["tags"].values()]
            self._exports(records).fetch(project.id, training.id, labels)
            records.write("performance.json", self._performance(project, training))
        self._exports(records).unpack(into)
        write_history(into, records)
        return into

    # --- what a service can do whose models answer where they are

    def predict(
        self, name: str, images: Mapping[str, Path], class_ids: Sequence[int], bill: Bill
    ) -> Mapping[str, Detections]:
        """What the published model finds; see ``PredictingService``. When all is here, its project is deleted."""
        records = JobRecords(self.store, name)
        free = self.settings.tier == FREE
        answers = Answers(self.account, records, None if free else self.prices)
        if answers.missing(images):
            project, training = self._trained(name)
            answers.ask(project.id, training, images, lambda dollars, what: bill(f"{name}-score", dollars, what))
        uploaded = self._uploaded(records)
        if not free:
            dollars = self.prices.units(STORED_IMAGES, uploaded["stored"])
            bill(f"{name}-images", dollars, f"{uploaded['stored']} images, stored for a month at most")
        found = answers.detections(images, class_ids, uploaded["tags"])
        self.discard(name)
        return found

    def cost_of_answers(self, job: TrainingJob) -> Decimal:
        """With them goes what its stored images cost, for a month at most."""
        if self.settings.tier == FREE:
            return Decimal(0)
        sides = self.store.get(DatasetDocument, job.dataset).sides
        stored = sum(side.images for name, side in sides.items() if name != "holdout")
        return self.prices.units(PREDICTION, sides["holdout"].images) + self.prices.units(STORED_IMAGES, stored)

    def discard(self, name: str) -> None:
        """Delete the project of a succeeded job, unless a part of its model is only there."""
        project = self.projects.find([name]).get(name)
        if project is None or self._lacks_a_model(JobRecords(self.store, name)):
            return
        training = self.projects.training(project)
        if training is not None and (status := status_of(project, training)).succeeded:
            write_result(self.store, status)
            self.projects.remove(project)

    # --- what became of it

    def _trained(self, name: str) -> tuple[Any, Any]:
        """Project and training of a succeeded job."""
        project = self.projects.find([name]).get(name)
        training = self.projects.training(project) if project is not None else None
        if training is None or not status_of(project, training).succeeded:
            raise FileNotFoundError(
                f"Custom Vision has no trained project {name}, and {self.store} lacks a part of its model or of its "
                "answers. Train a new generation (parameter of the training DAG)."
            )
        return project, training

    def _uploaded(self, records: JobRecords) -> dict[str, Any]:
        found = records.read("uploaded.json")
        if found is None:
            raise FileNotFoundError(
                f"{records.path('uploaded.json')}: {self.store} knows of no training {records.name}."
            )
        return found

    def _lacks_a_model(self, records: JobRecords) -> bool:
        return bool(self._exports(records).missing) or records.read("performance.json") is None

    def _exports(self, records: JobRecords) -> Exports:
        wanted = self._uploaded(records)["exports"]
        return Exports(self.account, records, wanted, min(self.interval, LOOK_SECONDS))

    def _performance(self, project: Any, training: Any) -> dict[str, Any]:
        """What the service says, with the thresholds at which it was asked."""
        threshold, overlap = self.settings.probability_threshold, self.settings.overlap_threshold
        measured = self.account.call(
            "get_iteration_performance", project.id, training.id, threshold=threshold, overlap_threshold=overlap
        )
        seconds = status_of(project, training).seconds
        return measured.as_dict() | {"threshold": threshold, "overlap": overlap, "seconds": seconds}
