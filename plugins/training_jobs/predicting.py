"""A trained model on its way to the scores: exported, or asked for its answers where it runs only in its cloud."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.dataset.sagemaker_channels import encoded_images
from include.documents import DatasetDocument, ExportFormat
from include.results import answered_models, export_model, folder_of
from include.scoring.answers import FILE_NAME, encoded
from include.settings import Settings
from training_jobs.money import Purse
from training_jobs.targets import open_service
from training_services.job import PredictingService, TrainingJob


def export_or_predict(settings: Settings, dataset: DatasetDocument, job: dict[str, Any]) -> dict[ExportFormat, str]:
    """Make of a job's model what ``score_model`` wants. Returns where each format lies in the store.

    Args:
        job: the attempt that succeeded, as a dict.
    """
    training = TrainingJob(**job)
    service = open_service(training.target)
    if not isinstance(service, PredictingService):
        return export_model(settings.open_store(), dataset, training.name)
    return _predict(settings, dataset, training, service)


def _predict(
    settings: Settings, dataset: DatasetDocument, job: TrainingJob, service: PredictingService
) -> dict[ExportFormat, str]:
    """Ask a service for what its model finds in the hold-out, once: what the store has is not paid again."""
    store, folder = settings.open_store(), folder_of(dataset.collection, job.name)
    answers = f"{folder}/exports/{FILE_NAME}"
    if not store.exists(answers):
        purse = Purse(service, job, settings)

        def bill(name: str, dollars: Decimal, what: str) -> None:
            purse.spend(name, dollars, what)
            print(f"{name}: ${dollars:.4f}, {what}")

        with TemporaryDirectory() as scratch:
            images: dict[str, Path] = {}
            for sha256, image in encoded_images(store, dataset, "holdout"):
                images[sha256] = Path(scratch) / sha256
                images[sha256].write_bytes(image)
            ids = sorted(category.id for category in dataset.label_map)
            store.write(answers, encoded(service.predict(job.name, images, ids, bill)))
    return answered_models(store, folder)
