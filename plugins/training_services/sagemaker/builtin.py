"""The second AWS target: SageMaker's built-in "Object Detection - MXNet", as the book's chapter trains it.

It trains from one JSON file per image, and on GPUs alone. Its model, of MXNet, cannot be run here, so SageMaker answers
for the hold-out's images when the training is over (``transform``).
https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from include.builtin_detector import FILE, INPUT_MODE, hyperparameters
from include.checks.aws import builtin as aws_builtin
from include.checks.aws.gathering import look_at_channels
from include.checks.aws.instances import ANSWERING, BUILTIN_FAMILIES, builtin_image
from include.checks.rule import check
from include.clouds.aws_account import AwsAccount
from include.costs.prices import PriceList, WorkerPool
from include.dataset.sagemaker_channels import sagemaker_data
from include.dataset.sagemaker_json import CONTENT_TYPE
from include.documents import DatasetDocument
from include.scoring.detections import Detections
from include.settings import AwsSettings
from include.store import Store
from training_services.job import Bill, TrainingJob
from training_services.sagemaker.answers import detections
from training_services.sagemaker.bucket import Staged
from training_services.sagemaker.builtin_bucket import BuiltinBucket, BuiltinStaged
from training_services.sagemaker.builtin_channels import as_checked, as_pipe
from training_services.sagemaker.builtin_history import write_history
from training_services.sagemaker.endpoint import Endpoint
from training_services.sagemaker.machines import PRESETS, SageMakerMachine
from training_services.sagemaker.service import LOCAL_CHECKPOINTS, SageMakerService
from training_services.sagemaker.transform import MOST_SECONDS, STOP_SECONDS, BatchTransform

BUILTIN_PRESETS: Mapping[str, SageMakerMachine] = MappingProxyType(
    {
        name: machine
        for name, machine in PRESETS.items()
        if machine.gpus and machine.workers == 1 and machine.instance_type.rpartition(".")[0] in BUILTIN_FAMILIES
    }
)


class SageMakerBuiltinService(SageMakerService):
    """Training jobs of the built-in detector (``TrainingService``), and its answers (``PredictingService``)."""

    first_preset = next(iter(BUILTIN_PRESETS))
    is_builtin = True
    files: BuiltinBucket

    def __init__(
        self,
        account: AwsAccount,
        settings: AwsSettings,
        store: Store,
        namespace: str = "lanner",
        prices: PriceList | None = None,
    ) -> None:
        super().__init__(account, settings, store, namespace, prices)
        self.files = BuiltinBucket(account, settings, store)

    def check(self, job: TrainingJob) -> list[str]:
        """What would make this job fail, the chapter's four among it: see ``include.checks.aws.builtin``."""
        findings = check(aws_builtin.RULES, self._as_asked(job))
        return super().check(job) + [str(finding) for finding in findings]

    def collect(self, name: str, into: Path) -> Path:
        """The model in ``mxnet``, and what the log says of its training in our trainer's files."""
        self.files.collect(name, into)
        write_history(into, self.jobs.find([name])[name], self._whole_log(name))
        return into

    def predict(
        self, name: str, images: Mapping[str, Path], class_ids: Sequence[int], bill: Bill
    ) -> Mapping[str, Detections]:
        """A batch transform; see ``PredictingService``."""

        def billed(transform: str, seconds: float) -> None:
            machine = ANSWERING.type
            bill(transform, self.price(machine, seconds), f"batch transform on {machine}, {seconds:.0f} s")

        model = self.files.uri(self.files.model(name))
        transform = BatchTransform(
            self.account, self.settings, self.files, name, self._image(gpu=False)["TrainingImage"]
        )
        answers = transform.answers(model, images, billed)
        return {image: detections(rows, class_ids) for image, rows in answers.items()}

    def cost_of_answers(self, job: TrainingJob) -> Decimal:
        return self.price(ANSWERING.type, MOST_SECONDS + STOP_SECONDS)

    def endpoint(self, name: str) -> Endpoint:
        """Where the model of a succeeded job may answer online; nothing is made yet."""
        image = self._image(gpu=False)["TrainingImage"]
        return Endpoint(self.account, self.settings, name, image, self.files.uri(self.files.model(name)))

    def price(self, machine: str, seconds: float) -> Decimal:
        """US dollars for so many seconds of a machine that answers, which costs what it costs for training."""
        return self.prices.job([WorkerPool(machine)], seconds, self.settings.region)

    def _as_asked(self, job: TrainingJob) -> aws_builtin.BuiltinJob:
        """The job as it will be submitted, for the rules; nothing of it is in the bucket yet."""
        data = sagemaker_data(self.files.store, self.files.store.get(DatasetDocument, job.dataset))
        channels = (self._channel(name, place) for name, place in self.files.channels(job).items())
        return aws_builtin.BuiltinJob(
            region=self.settings.region,
            role=self.settings.role,
            channels=tuple(map(as_checked, channels)),
            hyperparameters=hyperparameters(job.configuration, data.hyperparameters()),
            training_images=len(data.train.annotations),
            validation_images=len(data.validation.annotations),
            classes=len(data.classes),
            most_boxes=max(data.train.most_boxes, data.validation.most_boxes),
        )

    # --- how it is submitted

    def _request(self, job: TrainingJob, staged: Staged) -> dict[str, Any]:
        assert isinstance(staged, BuiltinStaged)
        request = super()._request(job, staged)
        output = request["OutputDataConfig"] | {"S3OutputPath": self.files.uri(self.settings.folders.output_location)}
        mode = {"TrainingInputMode": job.configuration.get(INPUT_MODE, FILE)}
        return request | {
            "AlgorithmSpecification": request["AlgorithmSpecification"] | mode,
            "HyperParameters": hyperparameters(job.configuration, staged.hyperparameters),
            "OutputDataConfig": output,
            "CheckpointConfig": {
                "S3Uri": self.files.uri(self.files.checkpoints(job)),
                "LocalPath": LOCAL_CHECKPOINTS,
            },
        }

    def _faults_of(self, job: TrainingJob, request: Mapping[str, Any]) -> list[str]:
        """The rules of ``check`` once more, about what is really sent, and with what lies where it points."""
        sent = map(as_checked, request["InputDataConfig"])
        channels = look_at_channels(self.account.client("s3"), sent)
        asked = replace(self._as_asked(job), channels=channels, hyperparameters=request["HyperParameters"])
        return [str(finding) for finding in check(aws_builtin.RULES, asked)]

    def _image(self, *, gpu: bool) -> dict[str, Any]:
        return {"TrainingImage": builtin_image(self.settings.region)}

    def _channel(self, name: str, prefix: str) -> dict[str, Any]:
        """Of the objects below a prefix, or in Pipe mode of the manifest that has this key."""
        channel = super()._channel(name, prefix)
        if prefix.endswith("/"):
            return channel | {"ContentType": CONTENT_TYPE}
        return as_pipe(channel, shuffled=name == "train")

    # --- what it says

    def _whole_log(self, name: str) -> Iterator[str]:
        """All lines of a job that has ended."""
        cursor = 0
        while True:
            page = self.log_pages({name: cursor})[name]
            yield from page.lines
            if not page.lines:
                return
            cursor = page.cursor
