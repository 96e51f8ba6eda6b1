"""The tasks of the DAG ``try_endpoint``: a model online for as long as it takes to see that it answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from airflow.sdk.exceptions import AirflowFailException

from include.checks.aws.instances import ENDPOINT, AskedInstance
from include.checks.aws.setup import look
from include.dataset.sagemaker_channels import encoded_images
from include.documents import DatasetDocument
from include.results import folder_of
from include.scoring.answers import FILE_NAME, decoded
from include.scoring.detections import Detections
from include.settings import Settings
from training_jobs.exporting import target_and_dataset
from training_jobs.money import Purse
from training_jobs.targets import open_service
from training_services.job import TrainingJob
from training_services.sagemaker.answers import PredictionFailed, detections
from training_services.sagemaker.builtin import SageMakerBuiltinService
from training_services.sagemaker.endpoint import LARGEST_IMAGE, Endpoint

TARGET = "sagemaker_builtin"  # whose models an endpoint can serve as they are
MOST_SECONDS = 3600.0  # for which money is set aside
SURE = 0.5  # score from which a detection is told
ALIKE = 0.01  # by which two answers for one image may differ: fractions of its sides, and scores


@dataclass(frozen=True)
class Trial:
    """One model that is to answer online.

    Attributes:
        job: the training job's name.
        machine: instance type.
    """

    settings: Settings
    collection: str
    job: str
    machine: str

    def set_aside(self) -> str:
        """Look whether it can be made, and promise what an hour of it costs. Returns its name in the ledger.

        Raises:
            ValueError: the job has no such model, the account is not ready, or it is over the budget.
        """
        self._dataset()
        status = self._service.describe([self.job]).get(self.job)
        if status is None or not status.succeeded:
            known = status or f"{self.job} is not known to {TARGET}"
            raise ValueError(f"{known}. Only a job that succeeded has a model.")
        service = self._service
        asked = [AskedInstance(self.machine, use=ENDPOINT)]
        facts, findings = look(service.account, service.settings, asked, service.namespace)
        for note in facts.unknown:
            print(f"Not checked: {note}")
        if findings:
            raise ValueError("\n- ".join(["Nothing was made, because:", *map(str, findings)]))
        most = service.price(self.machine, MOST_SECONDS)
        return self._purse.set_aside(f"{self.job}-live", most, f"endpoint on {self.machine}, an hour")

    def create(self) -> str:
        """Begin the endpoint. Returns its name."""
        self._endpoint.create(self.machine)
        return self._endpoint.name

    def is_in_service(self) -> bool:
        """Does it answer yet?"""
        try:
            return self._endpoint.is_in_service()
        except PredictionFailed as failed:  # it stays so
            raise AirflowFailException(str(failed)) from None

    def ask(self) -> dict[str, Any]:
        """Ask it about one image of the hold-out. Returns what is worth knowing of the answer."""
        sha256, image = self._image()
        begun = time.monotonic()
        rows = self._endpoint.ask(image)
        seconds = time.monotonic() - begun
        found = detections(rows, sorted(category.id for category in self._dataset().label_map))
        answer = {
            "image": sha256,
            "detections": len(found.above(SURE)),
            "seconds": round(seconds, 3),
            "as_in_batch": self._as_in_batch(sha256, found),
        }
        print(f"{self._endpoint.name} answers: {json.dumps(answer)}")
        return answer

    def delete(self, promised: str, *, made: bool) -> str:
        """Delete endpoint, configuration and model, and record what it cost. Returns what that was.

        Args:
            promised: its name in the ledger.
            made: ``create`` is known to have run to its end.
        """
        purse, service = self._purse, self._service

        def billed(seconds: float) -> None:
            dollars = service.price(self.machine, seconds)
            purse.spend(promised, dollars, f"endpoint on {self.machine}, {seconds:.0f} s")

        self._endpoint.delete(billed, made=made)
        purse.take_back(promised)
        account = purse.ledger.accounts()[promised]
        return f"{self._endpoint.name}, its configuration and its model are gone. It cost ${account.spent:.4f}."

    def _image(self) -> tuple[str, bytes]:
        store = self.settings.open_store()
        for sha256, image in encoded_images(store, self._dataset(), "holdout"):
            if len(image) <= LARGEST_IMAGE:
                return sha256, image
        raise ValueError(f"No image of the hold-out has {LARGEST_IMAGE >> 20} MiB or less, the most for an endpoint.")

    def _as_in_batch(self, sha256: str, found: Detections) -> bool | None:
        """Is that what the batch transform said of the image? None: it was not asked."""
        store, path = self.settings.open_store(), f"{folder_of(self.collection, self.job)}/exports/{FILE_NAME}"
        if not store.exists(path):
            return None
        before, now = decoded(json.loads(store.read(path))[sha256]).above(SURE), found.above(SURE)
        return (
            np.array_equal(before.classes, now.classes)
            and np.allclose(before.boxes, now.boxes, atol=ALIKE)
            and np.allclose(before.scores, now.scores, atol=ALIKE)
        )

    def _dataset(self) -> DatasetDocument:
        target, dataset = target_and_dataset(self.settings.open_store(), self.collection, self.job)
        if target != TARGET:
            raise ValueError(f"{self.job} is a job of {target}; an endpoint serves models of {TARGET} alone.")
        return dataset

    @property
    def _service(self) -> SageMakerBuiltinService:
        service = open_service(TARGET)
        assert isinstance(service, SageMakerBuiltinService)
        return service

    @property
    def _endpoint(self) -> Endpoint:
        return self._service.endpoint(self.job)

    @property
    def _purse(self) -> Purse:
        """The training's own: an endpoint is paid from its budget."""
        prefix, _, attempt = self.job.rpartition("-a")
        target = self.settings.collection(self.collection).targets.get(TARGET)
        budget = target.budget if target else None
        job = TrainingJob(prefix, TARGET, self.collection, "", {}, "", 0.0, attempt=int(attempt), budget=budget)
        return Purse(self._service, job, self.settings)
