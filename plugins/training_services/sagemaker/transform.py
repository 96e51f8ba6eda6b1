"""A model's answers for images, by a batch transform of SageMaker, of which nothing is left afterwards.

The images lie in the bucket, below the prefix of the settings, in ``predictions/<transform>/input/``, the answers in
``…/output/``, for as long as it takes; no training reads there. A transform's name can never be used again, so one that
failed is followed by one with the next number; one that runs or has answered is found by its name and not paid twice.
https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-in-formats.html
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from include.checks.aws.instances import ANSWERING
from include.clouds.aws_account import AwsAccount
from include.clouds.failures import CallFailed
from include.dataset.sagemaker_json import CONTENT_TYPE
from include.settings import AwsSettings
from training_services.sagemaker.answers import PredictionFailed, read_answer
from training_services.sagemaker.bucket import SageMakerBucket
from training_services.sagemaker.model import create_model, delete_model

NUMBERS = range(1, 6)  # transforms of one model, before a person must look
MOST_SECONDS = 3600.0  # after which a transform is stopped: the service has no limit of its own
STOP_SECONDS = 600.0  # that the service may take to stop one
PATIENCE = 600.0  # seconds without an answer of the service
TOLD_EVERY = 60.0  # seconds
PAYLOAD_MB, MOST_PAYLOAD_MB = 6, 100  # of one request: the default, and the most, also of all at a time
AT_ONCE = 4  # requests
LOG_GROUP, LOG_LINES = "/aws/sagemaker/TransformJobs", 5
ACTIVE, DONE = frozenset({"InProgress", "Stopping"}), "Completed"
PNG = b"\x89PNG\r\n\x1a\n"


class BatchTransform:
    """The transforms of one job's model.

    Args:
        job: the training job's name.
        image: that serves the model.
    """

    def __init__(
        self, account: AwsAccount, settings: AwsSettings, files: SageMakerBucket, job: str, image: str
    ) -> None:
        self.account, self.settings, self.files, self.job, self.image = account, settings, files, job, image

    def answers(
        self, model: str, images: Mapping[str, Path], billed: Callable[[str, float], None]
    ) -> dict[str, list[list[float]]]:
        """For each image, by its name: class from 0, score, xmin, ymin, xmax, ymax as fractions.

        Args:
            model: URI of model.tar.gz.
            billed: told a transform's name and the seconds of its machine, when it has ended, however it ended.

        Raises:
            PredictionFailed: with what the service says.
            ValueError: an image is too large for a request.
        """
        payload = _payload(images.values())
        keys = {name: f"{number:06d}{_suffix(file)}" for number, (name, file) in enumerate(sorted(images.items()))}
        transform, found = self._open_name(len(keys))
        with contextlib.ExitStack() as stack:  # the last is undone first
            stack.callback(self._remove_files, transform)
            stack.callback(delete_model, self.account, transform)
            stack.callback(self._stop, transform, billed)
            if found is None:
                self._submit(transform, model, {keys[name]: file for name, file in images.items()}, payload)
            self._wait(transform)
            return self._read(transform, keys)

    def _open_name(self, count: int) -> tuple[str, dict[str, Any] | None]:
        """The transform to go on with, and how it stands; None: it is to be made.

        Args:
            count: answers that one which is done must still have.
        """
        for number in NUMBERS:
            name = f"{self.job}-score{'' if number == 1 else number}"
            found = self._describe(name)
            if found is None or found["TransformJobStatus"] in ACTIVE:
                return name, found
            if found["TransformJobStatus"] == DONE and len(self._listed(name)) == count:
                return name, found
        raise PredictionFailed(
            f"{len(NUMBERS)} batch transforms of {self.job} gave no answers; the last: {_words(found or {})}. Look at "
            "them in the console (SageMaker, Inference, Batch transform jobs), mend the cause, train a new generation."
        )

    def _submit(self, name: str, model: str, images: Mapping[str, Path], payload: int) -> None:
        folder = f"predictions/{name}"
        moved = self.files.bucket.upload(
            {self.files.path(f"{folder}/input/{key}"): file for key, file in images.items()}
        )
        print(f"{self.files.uri(f'{folder}/input/')}: {moved}")
        create_model(self.account, self.settings, name, self.image, model)
        source = {"S3DataType": "S3Prefix", "S3Uri": self.files.uri(f"{folder}/input/")}
        output: dict[str, Any] = {"S3OutputPath": self.files.uri(f"{folder}/output/"), "AssembleWith": "None"}
        resources: dict[str, Any] = {"InstanceType": ANSWERING.type, "InstanceCount": 1}
        if self.settings.kms_key:
            output["KmsKeyId"] = resources["VolumeKmsKeyId"] = self.settings.kms_key
        with contextlib.suppress(FileExistsError):  # the answer to the call before was lost
            self.account.call(
                "sagemaker",
                "create_transform_job",
                TransformJobName=name,
                ModelName=name,
                BatchStrategy="SingleRecord",
                MaxConcurrentTransforms=min(AT_ONCE, MOST_PAYLOAD_MB // payload),
                MaxPayloadInMB=payload,
                TransformInput={
                    "DataSource": {"S3DataSource": source},
                    "ContentType": CONTENT_TYPE,
                    "SplitType": "None",
                },
                TransformOutput=output,
                TransformResources=resources,
            )

    def _wait(self, name: str) -> None:
        """Until it has answered."""
        begun = answered = time.monotonic()
        told, said = -TOLD_EVERY, "not to be seen yet"
        while True:
            now = time.monotonic()
            try:
                found, answered = self._describe(name) or {}, now
            except CallFailed:
                if now - answered > PATIENCE:
                    raise
                found = {}
            status = found.get("TransformJobStatus", said)
            if status == DONE:
                return
            if found and status not in ACTIVE:
                raise PredictionFailed(f"The batch transform {name} {_words(found)}{self._last_lines(name)}")
            if now - begun > MOST_SECONDS:
                raise PredictionFailed(f"The batch transform {name} had not ended after {MOST_SECONDS:.0f} s.")
            if status != said or now - told >= TOLD_EVERY:
                print(f"{name}: {status}, {now - begun:.0f} s")
                told, said = now, status
            time.sleep(self.settings.poll_seconds)

    def _read(self, name: str, keys: Mapping[str, str]) -> dict[str, list[list[float]]]:
        """The answer for each image, by its name."""
        with TemporaryDirectory() as folder:
            self.files.bucket.download(self.files.path(f"predictions/{name}/output/"), Path(folder))
            return {image: read_answer(Path(folder) / f"{key}.out") for image, key in keys.items()}

    # --- how it is ended

    def _stop(self, name: str, billed: Callable[[str, float], None]) -> None:
        """See to it that it has ended, and tell what it cost."""
        deadline = time.monotonic() + STOP_SECONDS
        while (found := self._describe(name)) and found["TransformJobStatus"] in ACTIVE:
            if time.monotonic() > deadline:
                raise PredictionFailed(
                    f"The batch transform {name} was stopped and does not end: stop it in the console."
                )
            if found["TransformJobStatus"] == "InProgress":
                with contextlib.suppress(ValueError, FileNotFoundError):  # it has ended in this moment
                    self.account.call("sagemaker", "stop_transform_job", TransformJobName=name)
            time.sleep(min(self.settings.poll_seconds, 5.0))
        if found and "TransformStartTime" in found:
            end = found.get("TransformEndTime") or datetime.now(UTC)
            billed(name, max((end - found["TransformStartTime"]).total_seconds(), 0.0))

    def _remove_files(self, name: str) -> None:
        self.files.bucket.remove(self.files.path(f"predictions/{name}/"))

    # --- how it stands

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            return self.account.call("sagemaker", "describe_transform_job", TransformJobName=name)
        except FileNotFoundError:
            return None

    def _listed(self, name: str) -> list[str]:
        return [each.key for each in self.files.bucket.objects(self.files.path(f"predictions/{name}/output/"))]

    def _last_lines(self, name: str) -> str:
        """The end of its log, where the algorithm says what was wrong."""
        asked = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"{name}/"}
        with contextlib.suppress(FileNotFoundError, PermissionError, CallFailed):
            events = self.account.call("logs", "filter_log_events", **asked).get("events", ())
            return "".join(f"\n  {each['message'].rstrip()}" for each in events[-LOG_LINES:])
        return ""


def _payload(images: Collection[Path]) -> int:
    """Megabytes of the largest request."""
    largest = max(images, key=lambda file: file.stat().st_size)
    needed = max(PAYLOAD_MB, math.ceil(largest.stat().st_size / (1 << 20)) + 1)
    if needed > MOST_PAYLOAD_MB:
        raise ValueError(f"{largest} has more than {MOST_PAYLOAD_MB} MB, the most that a batch transform takes.")
    return needed


def _suffix(file: Path) -> str:
    with file.open("rb") as opened:
        return ".png" if opened.read(len(PNG)) == PNG else ".jpg"


def _words(found: Mapping[str, Any]) -> str:
    return f"is {found.get('TransformJobStatus')}: {found.get('FailureReason', 'no reason is given')}"
